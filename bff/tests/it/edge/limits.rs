//! How many requests one address may make.

use std::num::NonZeroU32;

use axum::Router;
use axum::routing::get;
use bff::http::{Config, Network, RateLimit};
use bff::limits::Enforce;

use crate::harness::{Answer, Stack, client};

/// Lets three come at once, and one more each second; the header tells the clients apart.
async fn stack() -> Stack {
    let routes = Router::new().route("/", get(|| async { "hello" })).route("/healthz", get(|| async { "ok" }));
    let [per_second, burst] = [1, 3].map(|count| NonZeroU32::new(count).unwrap());
    let rate_limit = RateLimit { enforce: Enforce::On, per_second, burst };
    let trusted_proxies = vec![Network::try_from("127.0.0.1".to_owned()).unwrap()];
    Stack::start(routes, Config { rate_limit, trusted_proxies, ..Config::default() }).await
}

/// A slow machine may have a request or two let in meanwhile.
async fn ask_until_refused(stack: &Stack, from: &str) -> Answer {
    for _ in 0..100 {
        let answer = ask(stack, "/", from).await;
        if answer.status != 200 {
            return answer;
        }
    }
    panic!("{from} was never refused");
}

async fn ask(stack: &Stack, path: &str, from: &str) -> Answer {
    Answer::of(client().get(format!("{}{path}", stack.url)).header("x-forwarded-for", from)).await
}

#[tokio::test]
async fn an_address_has_a_bucket_and_is_told_what_is_left() {
    let stack = stack().await;
    let first = ask(&stack, "/", "198.51.100.1").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit-policy"), "\"address\";q=3;w=3");
    assert_eq!(first.header("ratelimit"), "\"address\";r=2;t=1");
    assert_eq!(first.header("x-ratelimit-limit"), "");

    let refused = ask_until_refused(&stack, "198.51.100.1").await;
    assert_eq!((refused.status, refused.header("content-type")), (429, "application/problem+json"));
    assert_eq!(refused.json()["code"], "too-many-requests");
    assert_eq!(refused.json()["requestId"], refused.header("x-request-id"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), "\"address\";r=0;t=3");

    assert_eq!(ask(&stack, "/", "198.51.100.2").await.status, 200, "somebody else");
    assert_eq!(ask(&stack, "/healthz", "198.51.100.1").await.status, 200, "health is not limited");
}

#[tokio::test]
async fn an_ipv6_network_of_64_bits_is_one_client() {
    let stack = stack().await;
    ask_until_refused(&stack, "2001:db8::1").await;
    assert!(ask(&stack, "/", "2001:db8:0:0:ffff::2").await.header("ratelimit") != "\"address\";r=2;t=1");
    assert_eq!(ask(&stack, "/", "2001:db8:0:1::1").await.header("ratelimit"), "\"address\";r=2;t=1");
}

#[tokio::test]
async fn development_has_no_limit_unless_it_asks_for_one() {
    let stack = Stack::start(Router::new().route("/", get(|| async { "hello" })), Config::default()).await;
    let answer = ask(&stack, "/", "198.51.100.1").await;
    assert_eq!((answer.status, answer.header("ratelimit")), (200, ""));
}
