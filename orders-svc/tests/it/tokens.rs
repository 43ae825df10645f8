use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use orders_svc::pb::ListOrdersRequest;
use orders_svc::pb::order_service_client::OrderServiceClient;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::harness::{Shop, code, in_each_shop};
use crate::issuer::{KEYS, Mood, claims, header, token};

async fn list(shop: &Shop, token: String) -> Result<(), Status> {
    shop.with_token(token).orders.list_orders(ListOrdersRequest::default()).await.map(drop)
}

fn changed(claim: &str, value: Value) -> String {
    let mut claims = claims("ann", "user");
    claims[claim] = value;
    token(&claims)
}

fn without(claim: &str) -> String {
    let mut claims = claims("ann", "user");
    claims.as_object_mut().unwrap().remove(claim);
    token(&claims)
}

#[tokio::test]
async fn every_algorithm_of_the_issuer_is_good() {
    in_each_shop(async |shop| {
        for key in KEYS.iter() {
            let token = encode(&header(key), &claims("ann", "user"), &key.private).unwrap();
            assert!(list(shop, token).await.is_ok(), "{}", key.kid);
        }
        assert!(list(shop, changed("aud", json!(["others", "orders"]))).await.is_ok());
        assert!(list(shop, changed("exp", json!(get_current_timestamp() - 20))).await.is_ok());
        assert_eq!(shop.issuer.times_asked(), 1);
    })
    .await;
}

#[tokio::test]
async fn bad_claims_are_refused() {
    in_each_shop(async |shop| {
        let now = get_current_timestamp();
        let bad = [
            changed("aud", json!("profiles")),
            changed("iss", json!("https://elsewhere.test")),
            changed("exp", json!(now - 60)),
            changed("nbf", json!(now + 60)),
            changed("sub", json!("")),
            changed("sub", json!("nul\0")),
            changed("sub", json!(7)),
            without("aud"),
            without("iss"),
            without("exp"),
            without("sub"),
        ];
        for token in bad {
            assert_eq!(code(list(shop, token.clone()).await), Code::Unauthenticated, "{token}");
        }
    })
    .await;
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    in_each_shop(async |shop| {
        let (ec, rs) = (&KEYS[0], &KEYS[1]);
        let claims = claims("ann", "admin");
        let good = token(&claims);
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (_, payload) = signed.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "typ": "at+jwt", "kid": ec.kid }).to_string());
        let public = EncodingKey::from_secret(&serde_json::to_vec(&ec.public).unwrap());
        let with = |header: Header, key| encode(&header, &claims, key).unwrap();
        let forged = [
            format!("{none}.{payload}."),
            format!("{none}.{payload}.{signature}"),
            format!("{signed}."),
            with(Header { alg: Algorithm::HS256, ..header(ec) }, &public),
            with(
                Header { kid: Some("shared".to_owned()), alg: Algorithm::HS256, ..header(ec) },
                &EncodingKey::from_secret(b"secret"),
            ),
            with(Header { alg: Algorithm::PS256, ..header(rs) }, &rs.private),
            with(Header { kid: Some(rs.kid.to_owned()), ..header(ec) }, &ec.private),
            with(Header { kid: None, ..header(ec) }, &ec.private),
            with(Header { kid: Some("unknown".to_owned()), ..header(ec) }, &ec.private),
            with(Header { typ: Some("JWT".to_owned()), ..header(ec) }, &ec.private),
            with(Header { crit: Some(vec!["exp".to_owned()]), ..header(ec) }, &ec.private),
            "x".repeat(9_000),
            String::new(),
        ];
        for token in forged {
            assert_eq!(code(list(shop, token.clone()).await), Code::Unauthenticated, "{token}");
        }
        let mut nobody = OrderServiceClient::new(shop.channel.clone());
        assert_eq!(code(nobody.list_orders(ListOrdersRequest::default()).await), Code::Unauthenticated);
        assert!(shop.issuer.times_asked() <= 1);
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_is_away_is_no_fault_of_the_caller() {
    in_each_shop(async |shop| {
        shop.issuer.set_mood(Mood::Broken);
        let good = token(&claims("ann", "user"));
        assert_eq!(code(list(shop, good.clone()).await), Code::Unavailable);
        shop.issuer.set_mood(Mood::Good);
        assert_eq!(code(list(shop, good).await), Code::Unavailable);
        assert_eq!(shop.issuer.times_asked(), 1);
    })
    .await;
}
