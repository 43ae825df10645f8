//! What is not a token of ours, even where it was signed with our keys.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bff::config::Config;
use bff::identity::{DEMO_PASSWORD, SigningAlgorithm};
use bff::seal::SealingKey;
use bff::store::{KeyState, Stores};
use jsonwebtoken::{Algorithm, EncodingKey, Header, crypto};
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use serde_json::{Value, json};

use super::{USER, jwks, opened, part, parts};
use crate::harness::{Caller, Server, TokenUser, bare_config};

/// Whoever has the server's files has its keys.
struct Thief {
    es256: Stolen,
    next: Stolen,
    rs256: Stolen,
}

struct Stolen {
    kid: String,
    key: EncodingKey,
    algorithm: Algorithm,
}

fn both_algorithms(config: Config) -> Config {
    let key_algorithms = vec![SigningAlgorithm::Es256, SigningAlgorithm::Rs256];
    Config { identity: bff::identity::Config { key_algorithms, ..config.identity }, ..config }
}

impl Thief {
    async fn of(server: &Server) -> Self {
        let master = std::fs::read_to_string(server.folder.path().join("master.key")).unwrap();
        let master = SealingKey::new(&STANDARD.decode(master.trim()).unwrap().try_into().unwrap());
        let stores = Stores::open(&bare_config(&server.folder).store, server.clock.clone()).await.unwrap();
        let rows = stores.accounts.signing_keys().await.unwrap();
        stores.close().await;
        let stolen = |name: &str, state| {
            let row = rows.iter().find(|row| row.algorithm == name && row.state == state).unwrap();
            let private = master.open(&row.kid, &row.sealed).unwrap();
            let (key, algorithm) = if name == "ES256" {
                (EncodingKey::from_ec_der(&private), Algorithm::ES256)
            } else {
                let key = RsaPrivateKey::from_pkcs8_der(&private).unwrap().to_pkcs1_der().unwrap();
                (EncodingKey::from_rsa_der(key.as_bytes()), Algorithm::RS256)
            };
            Stolen { kid: row.kid.clone(), key, algorithm }
        };
        Self {
            es256: stolen("ES256", KeyState::Current),
            next: stolen("ES256", KeyState::Next),
            rs256: stolen("RS256", KeyState::Current),
        }
    }
}

impl Stolen {
    fn header(&self) -> Value {
        json!({ "typ": "at+jwt", "alg": format!("{:?}", self.algorithm), "kid": self.kid })
    }

    /// These texts, well signed.
    fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// 200 for a token that counts.
async fn status(server: &Server, access_token: String) -> u16 {
    let user = TokenUser { server, access_token, refresh_token: String::new() };
    let answer = user.get("/v1/auth/me").await;
    if answer.status != 200 {
        assert_eq!(
            (answer.header("www-authenticate"), answer.json()["code"].as_str()),
            ("Bearer", Some("invalid-session"))
        );
    }
    answer.status
}

fn with(object: &Value, name: &str, value: Option<Value>) -> String {
    let mut object = object.clone();
    match value {
        Some(value) => object[name] = value,
        None => drop(object.as_object_mut().unwrap().remove(name)),
    }
    object.to_string()
}

#[tokio::test]
async fn a_header_is_what_we_write_even_where_our_key_has_signed_it() {
    let server = Server::start_with(both_algorithms).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let Thief { es256, next, rs256 } = Thief::of(&server).await;
    let claims = opened(parts(&user.access_token)[1]).to_string();
    for key in [&es256, &next, &rs256] {
        assert_eq!(status(&server, key.sign(&key.header().to_string(), &claims)).await, 200, "the key is ours");
    }
    let header = es256.header();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("jku", json!("https://evil.test/keys")),
        ("jwk", json!({})),
        ("x5u", json!("https://evil.test/chain")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("abc")),
        ("cty", json!("JWT")),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("typ", json!("JWT")),
        ("typ", json!("AT+JWT")),
        ("typ", json!(["at+jwt"])),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("ES384")),
        ("alg", json!("RS256")),
        // Signed by another key of ours than the one it names, of the same algorithm or not.
        ("kid", json!(next.kid)),
        ("kid", json!(rs256.kid)),
        ("kid", json!("unknown")),
        ("kid", json!(null)),
    ] {
        assert_eq!(
            status(&server, es256.sign(&with(&header, name, Some(value.clone())), &claims)).await,
            401,
            "{name}: {value}"
        );
    }
    for name in ["typ", "alg", "kid"] {
        assert_eq!(status(&server, es256.sign(&with(&header, name, None), &claims)).await, 401, "no {name}");
    }
    // The other key's algorithm with this key's signature.
    let crossed = with(&rs256.header(), "alg", Some(json!("ES256")));
    assert_eq!(status(&server, es256.sign(&crossed, &claims)).await, 401);
    for twice in [r#"{"alg":"ES256","#, r#"{"kid":"x","#, r#"{"typ":"at+jwt","#] {
        let header = header.to_string().replacen('{', twice, 1);
        assert_eq!(status(&server, es256.sign(&header, &claims)).await, 401, "{twice}");
    }
}

#[tokio::test]
async fn claims_are_what_we_write_even_where_our_key_has_signed_them() {
    let server = Server::start_with(both_algorithms).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let Thief { es256, .. } = Thief::of(&server).await;
    let claims = opened(parts(&user.access_token)[1]);
    let header = es256.header().to_string();
    let now = claims["iat"].as_i64().unwrap();
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "ver", "role", "client_id"] {
        assert_eq!(status(&server, es256.sign(&header, &with(&claims, name, None))).await, 401, "no {name}");
    }
    for (name, value) in [
        ("exp", json!((now + 600).to_string())),
        ("exp", json!(1e300)),
        ("exp", json!(now as f64 + 0.5)),
        ("exp", json!(-1)),
        ("exp", json!(now - 30)),
        ("nbf", json!("0")),
        ("nbf", json!(now + 31)),
        ("iat", json!(null)),
        ("iat", json!(now + 31)),
        ("aud", json!("orders")),
        ("aud", json!(["bff"])),
        ("aud", json!("")),
        ("iss", json!("https://evil.test")),
        ("iss", json!(format!("{}/", server.url))),
        ("iss", json!(7)),
        ("sub", json!("somebody")),
        ("sub", json!(1)),
        ("role", json!("root")),
        ("role", json!(["admin"])),
        ("ver", json!("1")),
        ("client_id", json!("desktop")),
        ("scope", json!("everything")),
    ] {
        let altered = with(&claims, name, Some(value.clone()));
        assert_eq!(status(&server, es256.sign(&header, &altered)).await, 401, "{name}: {value}");
    }
    for twice in [r#"{"sub":"01890000-0000-7000-8000-000000000004","#, r#"{"role":"admin","#, r#"{"exp":1,"#] {
        let claims = claims.to_string().replacen('{', twice, 1);
        assert_eq!(status(&server, es256.sign(&header, &claims)).await, 401, "{twice}");
    }
    for other in ["[]", "null", "{}", ""] {
        assert_eq!(status(&server, es256.sign(&header, other)).await, 401, "{other}");
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let claims = opened(parts(&user.access_token)[1]);
    let kid = jsonwebtoken::decode_header(&user.access_token).unwrap().kid.unwrap();
    let key = serde_json::to_value(jwks(&server).await.find(&kid).unwrap()).unwrap();
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    // SubjectPublicKeyInfo of a point of P-256.
    let prefix =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
    let der = [&prefix[..], &bytes("x"), &bytes("y")].concat();
    let lines: Vec<String> =
        STANDARD.encode(&der).as_bytes().chunks(64).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    let forms = [
        ("PEM", pem.clone().into_bytes()),
        ("PEM without the last line break", pem.trim_end().as_bytes().to_vec()),
        ("DER", der),
        ("JWK", key.to_string().into_bytes()),
        ("x", bytes("x")),
        ("nothing", Vec::new()),
    ];
    for (form, secret) in forms {
        for (algorithm, name) in [(Algorithm::HS256, "HS256"), (Algorithm::HS384, "HS384"), (Algorithm::HS512, "HS512")]
        {
            let mut header = Header::new(algorithm);
            (header.typ, header.kid) = (Some("at+jwt".to_owned()), Some(kid.clone()));
            let secret = EncodingKey::from_secret(&secret);
            let forged = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
            assert_eq!(status(&server, forged.clone()).await, 401, "{name} with {form}");
            // The same with a header that claims what the key is for.
            let honest = json!({ "typ": "at+jwt", "alg": "ES256", "kid": kid });
            let [_, claims, signature] = parts(&forged);
            assert_eq!(status(&server, format!("{}.{claims}.{signature}", part(&honest))).await, 401, "{name}, {form}");
        }
    }
    assert_eq!(status(&server, user.access_token.clone()).await, 200);
}

#[tokio::test]
async fn the_text_of_a_token_has_one_form() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let [header, claims, signature] = parts(&user.access_token);
    // The last character of 64 bytes has four bits that mean nothing.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = signature.split_at(signature.len() - 1);
    let place = alphabet.find(last).unwrap();
    let altered = |part: &str, from: &str, to: &str| part.replacen(from, to, 1);
    let forms = [
        ("stray bits", format!("{header}.{claims}.{rest}{}", &alphabet[place + 1..=place + 1])),
        ("padding", format!("{header}.{claims}.{signature}==")),
        ("padded claims", format!("{header}.{claims}=.{signature}")),
        (
            "base64 of another alphabet",
            format!("{header}.{claims}.{}", altered(&altered(signature, "-", "+"), "_", "/")),
        ),
        ("a space", format!("{header}. {claims}.{signature}")),
        ("a leading dot", format!(".{header}.{claims}.{signature}")),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
    ];
    for (what, token) in forms.into_iter().filter(|(_, token)| *token != user.access_token) {
        let forger = TokenUser { server: &server, access_token: token, refresh_token: String::new() };
        assert_eq!(forger.get("/v1/auth/me").await.status, 401, "{what}");
    }
    assert_eq!(status(&server, user.access_token.clone()).await, 200);
}
