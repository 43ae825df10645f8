//! What ends a stream, and how that looks to its reader.

use std::collections::BTreeSet;

use bff::identity::DEMO_PASSWORD;
use serde_json::json;

use super::{EVENT, Orders, USER, begun, open, server, server_with};
use crate::harness::{Caller, TokenUser, http2_client};
use crate::issuers::{self, fake::FakeIssuer};

#[tokio::test]
async fn a_stream_ends_with_the_session_that_opened_it() {
    let orders = Orders::start().await;
    let server = server(&orders).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let mut stream = open(&user).await;
    assert_eq!(stream.chunk().await.unwrap().unwrap(), EVENT);
    assert_eq!(user.post("/v1/auth/logout", json!({})).await.status, 204);
    // Although nothing happens on it.
    let last = stream.text().await.unwrap();
    assert!(last.starts_with("event: problem\n") && last.contains("\"code\":\"invalid-session\""), "{last}");
    assert!(!last.contains("orderId"), "{last}");
}

#[tokio::test]
async fn a_visitor_s_stream_ends_with_his_token() {
    let orders = Orders::start().await;
    let issuer = FakeIssuer::start().await;
    let server = server_with(&orders, |settings| {
        settings.identity.issuers = [("staff".to_owned(), issuers::fake::config(&issuer))].into();
    })
    .await;
    let visitor = |name: &str, seconds: i64| {
        let mut claims = issuer.claims(name);
        claims["exp"] = json!(claims["iat"].as_i64().unwrap() + seconds);
        TokenUser { server: &server, access_token: issuer.token(&claims), refresh_token: String::new() }
    };
    let [eve, adam] = [visitor("eve", 5), visitor("adam", 3_000)];
    let (mut short, mut long) = (open(&eve).await, open(&adam).await);
    for stream in [&mut short, &mut long] {
        assert_eq!(stream.chunk().await.unwrap().unwrap(), EVENT);
    }
    let last = short.text().await.unwrap();
    assert!(last.ends_with("\n\n") && last.contains("\"code\":\"invalid-session\""), "{last}");
    // Nobody has looked in vain for a session of the other one meanwhile.
    orders.changes.send(()).unwrap();
    assert_eq!(long.chunk().await.unwrap().unwrap(), EVENT);
}

#[tokio::test]
async fn a_stream_ends_when_its_account_becomes_another() {
    let orders = Orders::start().await;
    let server = server(&orders).await;
    let admin = TokenUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let (mut stream, mut everybodys) = (open(&user).await, begun(server.client.get(news(&server.url))).await);
    assert_eq!(stream.chunk().await.unwrap().unwrap(), EVENT);
    assert_eq!(everybodys.chunk().await.unwrap().unwrap(), EVENT);
    let path = "/v1/admin/users/01890000-0000-7000-8000-000000000001";
    assert_eq!(admin.patch(path, json!({ "role": "operator" })).await.status, 200);
    let last = stream.text().await.unwrap();
    assert!(last.starts_with("event: problem\n") && last.contains("\"code\":\"invalid-session\""), "{last}");
    orders.changes.send(()).unwrap();
    assert_eq!(everybodys.chunk().await.unwrap().unwrap(), EVENT);
    orders.until_open(1).await;
}

#[tokio::test]
async fn those_who_lost_a_stream_do_not_all_come_back_at_once() {
    let orders = Orders::start().await;
    let server = server(&orders).await;
    let mut waits = BTreeSet::new();
    for _ in 0..8 {
        let mut stream = server.client.get(news(&server.url)).send().await.unwrap();
        let first = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
        let wait: u64 = first.trim().strip_prefix("retry: ").unwrap().parse().unwrap();
        assert!((1_000..4_000).contains(&wait), "{wait}");
        waits.insert(wait);
    }
    assert!(waits.len() > 1, "{waits:?}");
}

fn news(url: &str) -> String {
    format!("{url}/v1/news/o1")
}

#[tokio::test]
async fn a_server_that_stops_ends_streams_as_if_they_were_over() {
    let orders = Orders::start().await;
    let server = server(&orders).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let mut streams = vec![open(&user).await];
    for client in [&server.client, &http2_client()] {
        streams.push(begun(client.get(news(&server.url))).await);
        let own = client.get(format!("{}/v1/orders/o1/status", server.url)).bearer_auth(&user.access_token);
        streams.push(begun(own).await);
    }
    for stream in &mut streams {
        assert_eq!(stream.chunk().await.unwrap().unwrap(), EVENT);
    }
    server.stop().await;
    for stream in streams {
        // Neither broken off nor refused: a browser comes back by itself, to the next server.
        assert_eq!(stream.text().await.unwrap(), "");
    }
    orders.until_open(0).await;
}
