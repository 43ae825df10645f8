//! What is not a good token of another issuer, whoever made it.

use bff::identity::SigningAlgorithm;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::fake::FakeIssuer;
use super::{server, visitor};
use crate::harness::{Caller, Server};

async fn status(server: &Server, token: String) -> u16 {
    let answer = visitor(server, token).get("/v1/whoami").await;
    if answer.status == 401 {
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(answer.json()["code"], "invalid-session");
    }
    answer.status
}

/// The object with one member set, or taken away.
fn with(object: &Value, name: &str, value: Option<Value>) -> Value {
    let mut object = object.clone();
    match value {
        Some(value) => object[name] = value,
        None => drop(object.as_object_mut().unwrap().remove(name)),
    }
    object
}

#[tokio::test]
async fn a_header_names_a_key_and_nothing_more() {
    let issuer = FakeIssuer::start().await;
    let server = server(&[("staff", &issuer)], |_| {}).await;
    let claims = issuer.claims("eve").to_string();
    let altered =
        |name: &str, value: Option<Value>| issuer.sign(&with(&issuer.header(), name, value).to_string(), &claims);
    for fine in [None, Some(json!("JWT")), Some(json!("application/AT+jwt"))] {
        assert_eq!(status(&server, altered("typ", fine.clone())).await, 200, "{fine:?}");
    }
    assert_eq!(status(&server, altered("x5t", Some(json!("abc")))).await, 200);
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("es256")),
        ("alg", json!(["ES256"])),
        ("typ", json!("dpop+jwt")),
        ("typ", json!(1)),
        ("kid", json!("another")),
        ("kid", json!(1)),
        ("crit", json!(["exp"])),
        ("jku", json!(format!("{}/keys", issuer.url))),
        ("x5u", json!("https://evil.test")),
        ("x5c", json!(["MIIB"])),
        ("jwk", issuer.public_key()),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("unheard-of", json!(1)),
    ] {
        assert_eq!(status(&server, altered(name, Some(value.clone()))).await, 401, "{name}: {value}");
    }
    for name in ["alg", "kid"] {
        assert_eq!(status(&server, altered(name, None)).await, 401, "no {name}");
    }
    let twice = issuer.header().to_string().replacen('{', r#"{"alg":"ES256","#, 1);
    assert_eq!(status(&server, issuer.sign(&twice, &claims)).await, 401);
}

#[tokio::test]
async fn claims_are_there_and_of_their_type() {
    let issuer = FakeIssuer::start().await;
    let server = server(&[("staff", &issuer)], |_| {}).await;
    let claims = issuer.claims("eve");
    let now = claims["iat"].as_i64().unwrap();
    let altered = |name: &str, value: Option<Value>| issuer.token(&with(&claims, name, value));
    for (name, value) in [
        ("aud", json!(["https://other.test", "https://api.shop.test"])),
        ("nbf", json!(now)),
        ("exp", json!(now - 29)),
        ("iat", json!(now + 30)),
        ("azp", json!("shop-app")),
        ("anything", json!({ "else": [1, 2] })),
    ] {
        assert_eq!(status(&server, altered(name, Some(value.clone()))).await, 200, "{name}: {value}");
    }
    for (name, value) in [
        ("exp", json!(now - 30)),
        ("exp", json!((now + 300).to_string())),
        ("exp", json!(now as f64 + 300.5)),
        ("exp", json!(1e300)),
        ("exp", Value::Null),
        ("nbf", json!(now + 31)),
        ("nbf", json!("0")),
        ("iat", json!(now + 31)),
        ("iat", json!("now")),
        ("iss", json!("https://other.test")),
        ("iss", json!([issuer.url])),
        ("iss", json!(format!("{}/", issuer.url))),
        ("aud", json!("bff")),
        ("aud", json!([])),
        ("aud", json!(["https://api.shop.test", 1])),
        ("aud", json!({ "https://api.shop.test": true })),
        ("sub", json!("")),
        ("sub", json!("..")),
        ("sub", json!(7)),
        ("sub", json!("a\nb")),
        ("sub", json!("x".repeat(201))),
        ("azp", json!("another")),
        ("client_id", json!(1)),
    ] {
        assert_eq!(status(&server, altered(name, Some(value.clone()))).await, 401, "{name}: {value}");
    }
    for name in ["exp", "iat", "iss", "aud", "sub"] {
        assert_eq!(status(&server, altered(name, None)).await, 401, "no {name}");
    }
    let text = claims.to_string();
    let header = issuer.header().to_string();
    for twice in [r#"{"sub":"adam","#, r#"{"role":"user","role":"user","#, r#"{"a":{"b":1,"b":1},"#] {
        assert_eq!(status(&server, issuer.sign(&header, &text.replacen('{', twice, 1))).await, 401, "{twice}");
    }
    for other in ["[]", "null", "\"text\"", &format!("{text} x")] {
        assert_eq!(status(&server, issuer.sign(&header, other)).await, 401, "{other}");
    }
}

#[tokio::test]
async fn the_text_of_a_token_has_one_form() {
    let issuer = FakeIssuer::start().await;
    let server = server(&[("staff", &issuer)], |_| {}).await;
    let good = issuer.token(&issuer.claims("eve"));
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    // 64 bytes end in four bits that mean nothing.
    let stray = {
        let last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let place = last.find(&signature[signature.len() - 1..]).unwrap();
        format!("{}{}", &signature[..signature.len() - 1], &last[place + 1..=place + 1])
    };
    for (what, token) in [
        ("stray bits", format!("{header}.{claims}.{stray}")),
        ("padding", format!("{good}==")),
        ("a line break", format!("{header}.{claims}%0A.{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{good}.x")),
        ("another signature", format!("{header}.{claims}.{}", "A".repeat(86))),
        ("too long", issuer.token(&with(&issuer.claims("eve"), "filler", Some(json!("x".repeat(9_000)))))),
    ] {
        assert_eq!(status(&server, token).await, 401, "{what}");
    }
    assert_eq!(status(&server, good.clone()).await, 200);
}

#[tokio::test]
async fn an_issuer_speaks_for_itself_alone() {
    let (staff, partner) = (FakeIssuer::start().await, FakeIssuer::start().await);
    let server = server(&[("staff", &staff), ("partner", &partner)], |settings| {
        let staff = settings.identity.issuers.get_mut("staff").unwrap();
        staff.clients = vec!["shop-app".to_owned()];
    })
    .await;
    assert_eq!(status(&server, staff.token(&staff.claims("eve"))).await, 200);
    // One issuer in the other's name, and in ours.
    assert_eq!(status(&server, partner.token(&staff.claims("eve"))).await, 401);
    let ours = with(&partner.claims("eve"), "iss", Some(json!(server.url)));
    assert_eq!(status(&server, partner.token(&ours)).await, 401);
    // A client that does not count, or none.
    for client in [Some(json!("stranger")), None] {
        assert_eq!(status(&server, staff.token(&with(&staff.claims("eve"), "client_id", client))).await, 401);
    }
    // The public key as if it were a secret.
    let public = staff.public_key();
    let mut header = Header::new(Algorithm::HS256);
    (header.typ, header.kid) = (Some("at+jwt".to_owned()), Some(staff.kid.clone()));
    for secret in [public.to_string(), public["x"].as_str().unwrap().to_owned()] {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let confused = jsonwebtoken::encode(&header, &staff.claims("eve"), &key).unwrap();
        assert_eq!(status(&server, confused).await, 401);
    }
}

#[tokio::test]
async fn a_key_is_good_for_what_its_set_and_the_configuration_say() {
    let issuer = FakeIssuer::start().await;
    let plain = issuer.public_key();
    let served = |change: &[(&str, Value)]| {
        let changed = change.iter().fold(plain.clone(), |key, (name, value)| with(&key, name, Some(value.clone())));
        // Keys of kinds that nobody here knows must not hide the others.
        issuer.serve(vec![json!({ "kty": "oct", "kid": "first", "k": "AAAA" }), json!(7), changed]);
    };
    for (change, expected) in [
        (vec![], 200),
        (vec![("use", json!("sig")), ("alg", json!("ES256"))], 200),
        (vec![("use", json!("enc"))], 401),
        (vec![("alg", json!("ES384"))], 401),
        (vec![("alg", json!("HS256"))], 401),
    ] {
        served(&change);
        let server = server(&[("staff", &issuer)], |_| {}).await;
        assert_eq!(status(&server, issuer.token(&issuer.claims("eve"))).await, expected, "{change:?}");
    }
    served(&[]);
    let narrow = server(&[("staff", &issuer)], |settings| {
        settings.identity.issuers.get_mut("staff").unwrap().algorithms = vec![SigningAlgorithm::Rs256];
    })
    .await;
    assert_eq!(status(&narrow, issuer.token(&issuer.claims("eve"))).await, 401);
}
