//! The signing keys, and what is not a token of ours.

mod forged;
mod jose;
mod rotation;

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bff::app::{self, Audience, StartError};
use bff::clock::Clock;
use bff::config::{Config, Environment};
use bff::identity::{
    Caller, Client, Credentials, DEMO_PASSWORD, Grant, Identifier, Login, SessionKind, SigningAlgorithm,
};
use jsonwebtoken::jwk::{Jwk, JwkSet, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use time::macros::datetime;

use crate::harness::{Answer, Caller as _, Server, TokenUser, bare_config};

const USER: &str = "user@shop.test";

async fn jwks(server: &Server) -> JwkSet {
    serde_json::from_slice(&server.anonymous().get("/.well-known/jwks.json").await.body).unwrap()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn opened(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The header, claims and signature of a token.
fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

#[tokio::test]
async fn every_algorithm_signs_tokens_that_its_public_key_verifies() {
    use SigningAlgorithm::{EdDsa, Es256, Ps256, Rs256};
    let names =
        [(Es256, Algorithm::ES256), (Rs256, Algorithm::RS256), (Ps256, Algorithm::PS256), (EdDsa, Algorithm::EdDSA)];
    for (ours, theirs) in names {
        let server = Server::start_with(|mut config| {
            config.identity.algorithm = ours;
            config.identity.key_algorithms = vec![ours];
            config
        })
        .await;
        let token = TokenUser::login(&server, USER, DEMO_PASSWORD).await.access_token;
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (theirs, Some("at+jwt")));

        let keys = jwks(&server).await;
        let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
        assert_eq!(key.common.key_id, key.thumbprint(ThumbprintHash::SHA256).ok());
        let mut validation = Validation::new(theirs);
        validation.set_audience(&["bff"]);
        validation.set_issuer(&[&server.url]);
        // The server's clock stands at noon of another day.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
        let claims = claims.claims;
        assert_eq!(
            (&claims["role"], &claims["client_id"], &claims["ver"]),
            (&json!("user"), &json!("mobile"), &json!(1))
        );
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    }
}

#[tokio::test]
async fn the_public_keys_are_published_and_cached() {
    let server = Server::start_with(|mut config| {
        config.identity.key_algorithms = vec![SigningAlgorithm::Es256, SigningAlgorithm::Rs256];
        config
    })
    .await;
    let answer = server.anonymous().get("/.well-known/jwks.json").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let mut kinds: Vec<(&str, Value)> = Vec::new();
    let body = answer.json();
    for key in body["keys"].as_array().unwrap() {
        assert_eq!(key["use"], "sig");
        assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|secret| key.get(secret).is_none()), "{key}");
        kinds.push((key["kty"].as_str().unwrap(), key["alg"].clone()));
    }
    kinds.sort_by_key(|(kind, _)| *kind);
    // One signs, and the next one is there already.
    let [ec, rsa] = [("EC", json!("ES256")), ("RSA", json!("RS256"))];
    assert_eq!(kinds, [ec.clone(), ec, rsa.clone(), rsa]);

    let request = server.anonymous().request(reqwest::Method::GET, "/.well-known/jwks.json");
    let known = Answer::of(request.header("if-none-match", answer.header("etag"))).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
}

#[tokio::test]
async fn a_token_that_we_did_not_write_is_refused() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let [header, claims, signature] = parts(&user.access_token);
    let altered = |original: &str, name: &str, value: Value| {
        let mut object = opened(original);
        object[name] = value;
        part(&object)
    };
    let key: Jwk = jwks(&server).await.keys.remove(0);
    let public = EncodingKey::from_secret(serde_json::to_string(&key).unwrap().as_bytes());
    let mut confused = Header::new(Algorithm::HS256);
    confused.typ = Some("at+jwt".to_owned());
    confused.kid = key.common.key_id.clone();
    let confused = jsonwebtoken::encode(&confused, &opened(claims), &public).unwrap();
    let none = altered(header, "alg", json!("none"));
    let forgeries = [
        ("other claims", format!("{header}.{}.{signature}", altered(claims, "role", json!("admin")))),
        ("alg none", format!("{none}.{claims}.")),
        ("alg none, signed", format!("{none}.{claims}.{signature}")),
        ("HS256 with the public key", confused),
        ("unknown kid", format!("{}.{claims}.{signature}", altered(header, "kid", json!("x")))),
        ("crit", format!("{}.{claims}.{signature}", altered(header, "crit", json!(["x"])))),
        ("jku", format!("{}.{claims}.{signature}", altered(header, "jku", json!("http://evil.test")))),
        ("jwk", format!("{}.{claims}.{signature}", altered(header, "jwk", json!({})))),
        ("other typ", format!("{}.{claims}.{signature}", altered(header, "typ", json!("JWT")))),
        ("padding", format!("{header}.{claims}.{signature}=")),
        ("a stray part", format!("{header}.{claims}.{signature}.x")),
        ("two parts", format!("{header}.{claims}")),
        ("no signature", format!("{header}.{claims}.")),
        ("oversized", format!("{header}.{}.{signature}", "A".repeat(9000))),
        ("a refresh token", user.refresh_token.clone()),
    ];
    for (what, access_token) in forgeries {
        let forger = TokenUser { server: &server, access_token, refresh_token: String::new() };
        let answer = forger.get("/v1/auth/me").await;
        assert_eq!(answer.status, 401, "{what}");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{what}");
    }
    assert_eq!(user.get("/v1/auth/me").await.status, 200);
}

#[tokio::test]
async fn a_token_is_good_from_its_beginning_to_its_end() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(user.get("/v1/auth/me").await.status, 200);
    server.clock.advance(Duration::from_secs(629));
    assert_eq!(user.get("/v1/auth/me").await.status, 200);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(user.get("/v1/auth/me").await.status, 401);
}

#[tokio::test]
async fn a_service_behind_us_gets_short_tokens_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(datetime!(2026-01-01 12:00 UTC));
    let app = app::build(bare_config(&folder), clock.clone(), Audience::Log).await.unwrap();
    let identity = app.identity();
    identity.ensure_demo_accounts().await.unwrap();
    let login = Login {
        identifier: Identifier::parse(USER).unwrap(),
        password: DEMO_PASSWORD.into(),
        session: SessionKind::Cookie,
        client: Client::default(),
    };
    let Grant::Cookie { value, .. } = identity.login(login).await.unwrap().grant else { panic!("expected a cookie") };
    let cookie = Credentials::Cookie(value);
    let caller = || async { identity.authenticate(&cookie).await.unwrap().unwrap().caller };
    let token = |caller: Caller, audience| caller.authorization(audience).unwrap().to_str().unwrap()[7..].to_owned();

    let orders = token(caller().await, "orders");
    let claims = opened(parts(&orders)[1]);
    assert_eq!((&claims["aud"], &claims["sub"]), (&json!("orders"), &json!("01890000-0000-7000-8000-000000000001")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert!(claims.get("email").is_none());

    // Signed once, and again when its last minute begins.
    clock.advance(Duration::from_secs(239));
    assert_eq!(token(caller().await, "orders"), orders);
    assert_ne!(token(caller().await, "loyalty"), orders);
    clock.advance(Duration::from_secs(1));
    assert_ne!(token(caller().await, "orders"), orders);

    // It opens no door of ours.
    assert!(identity.authenticate(&Credentials::Bearer(orders)).await.is_err());
}

async fn start_error(config: Config) -> String {
    match app::build(config, Clock::system(), Audience::Log).await {
        Ok(_) => panic!("it started"),
        Err(error @ (StartError::Identity(_) | StartError::Several(_))) => error.to_string(),
        Err(error) => panic!("it failed elsewhere: {error}"),
    }
}

fn master_key(path: &Path, byte: u8) {
    let key = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    std::fs::write(path, key).unwrap();
}

#[tokio::test]
async fn a_wrong_master_key_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.key");
    let config = || {
        let mut config = bare_config(&folder);
        config.identity.master_key_file = Some(path.clone());
        config
    };
    master_key(&path, 1);
    drop(app::build(config(), Clock::system(), Audience::Log).await.unwrap());

    master_key(&path, 2);
    let error = start_error(config()).await;
    assert!(error.starts_with("signing key "), "{error}");
    assert!(error.contains("restore the file that belongs to this database"), "{error}");

    std::fs::write(&path, "short").unwrap();
    let error = start_error(config()).await;
    let expected = format!("identity.master_key_file: {} must hold exactly 32 bytes in base64", path.display());
    assert_eq!(error, expected);

    master_key(&path, 1);
    drop(app::build(config(), Clock::system(), Audience::Log).await.unwrap());
}

#[tokio::test]
async fn production_brings_its_own_master_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = bare_config(&folder);
    config.environment = Environment::Production;
    config.http.public_url = Some("https://bff.test".to_owned());
    let error = start_error(config.clone()).await;
    assert!(error.starts_with("identity.master_key_file: set it to a file with 32 random bytes"), "{error}");

    let path = folder.path().join("missing.key");
    config.identity.master_key_file = Some(path.clone());
    let error = start_error(config).await;
    assert!(
        error.starts_with(&format!("identity.master_key_file: cannot read {}: No such", path.display())),
        "{error}"
    );
    assert!(!path.exists());
}

#[tokio::test]
async fn production_brings_its_own_pepper() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = bare_config(&folder);
    config.environment = Environment::Production;
    config.http.public_url = Some("https://bff.test".to_owned());
    let key = folder.path().join("master.key");
    master_key(&key, 1);
    config.identity.master_key_file = Some(key);
    let error = start_error(config.clone()).await;
    assert!(error.starts_with("identity.pepper_file: set it to a file with 32 random bytes"), "{error}");
    let pepper = folder.path().join("pepper");
    std::fs::write(&pepper, "c2hvcnQ=").unwrap();
    config.identity.pepper_file = Some(pepper);
    assert!(start_error(config).await.contains("each of exactly 32 bytes in base64"));
}

#[cfg(unix)]
#[tokio::test]
async fn the_database_and_its_master_key_are_their_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start().await;
    for name in ["master.key", "pepper", "bff.db", "bff.db-wal"] {
        let file = std::fs::metadata(server.folder.path().join(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
}
