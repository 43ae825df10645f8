//! How many streams one account, or one address, may hold open.

use bff::http::Network;
use bff::identity::DEMO_PASSWORD;
use reqwest::Method;

use super::{OPERATOR, Orders, USER, begun, open, server, server_with};
use crate::conformance::eventually;
use crate::harness::{Answer, Caller, CookieUser, Server, TokenUser};

#[tokio::test]
async fn one_account_cannot_take_every_stream() {
    let orders = Orders::start().await;
    let server = server(&orders).await;
    let greedy = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let again = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    let other = TokenUser::login(&server, OPERATOR, DEMO_PASSWORD).await;

    let mut streams = Vec::new();
    for _ in 0..32 {
        let stream = open(&greedy).await;
        assert_eq!(stream.status(), 200);
        streams.push(stream);
    }
    let refused = again.get("/v1/orders/o1/status").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "5"));
    assert_eq!(refused.json()["code"], "too-many-streams");
    assert_eq!(greedy.get("/v1/orders/o1").await.status, 200);
    assert_eq!(open(&other).await.status(), 200);

    // A page that is closed makes room for the next.
    drop(streams);
    eventually(async || (open(&again).await.status() == 200).then_some(())).await;
}

/// A stream that everybody may open, from this address.
async fn from(server: &Server, address: &str) -> reqwest::Response {
    let request = server.anonymous().request(Method::GET, "/v1/news/o1");
    begun(request.header("x-forwarded-for", address)).await
}

#[tokio::test]
async fn one_address_cannot_take_every_stream_that_is_open_to_everybody() {
    let orders = Orders::start().await;
    let server = server_with(&orders, |config| {
        config.http.streams_per_address = 3;
        config.http.trusted_proxies = vec![Network::try_from("127.0.0.1".to_owned()).unwrap()];
    })
    .await;
    let mut streams = Vec::new();
    for address in ["198.51.100.1", "198.51.100.1", "198.51.100.1", "2001:db8::1", "2001:db8::2", "2001:db8::3"] {
        streams.push(from(&server, address).await);
        assert_eq!(streams.last().unwrap().status(), 200);
    }
    for address in ["198.51.100.1", "2001:db8:0:0:ffff::9"] {
        let refused = from(&server, address).await;
        assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"5".parse().unwrap()));
        let problem: serde_json::Value = refused.json().await.unwrap();
        assert_eq!(problem["code"], "too-many-streams");
        assert!(problem["detail"].as_str().unwrap().contains("At most 3"), "{problem}");
    }
    let metrics = async || Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await;
    let page = String::from_utf8(metrics().await.body.to_vec()).unwrap();
    for line in ["bff_rate_limited_total{policy=\"address-streams\"} 2", "bff_streams_open 6"] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    // Others are not kept out, nor are those who sign in there.
    assert_eq!(from(&server, "198.51.100.2").await.status(), 200);
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let request = user.request(Method::GET, "/v1/news/o1").header("x-forwarded-for", "198.51.100.1");
    assert_eq!(begun(request).await.status(), 200);

    drop(streams);
    eventually(async || (from(&server, "198.51.100.1").await.status() == 200).then_some(())).await;
}
