//! Wrong passwords: how many may be tried, by whom, and what does not keep an owner out.

mod replicas;

use std::time::Duration;

use bff::config::Config;
use bff::http::Network;
use bff::identity::DEMO_PASSWORD;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Answer, Caller, Server};

pub const USER: &str = "user@shop.test";
const NOBODY: &str = "nobody@shop.test";
const HERE: &str = "198.51.100.1";

/// This machine is a proxy: a header says where a request comes from.
pub fn behind_a_proxy(config: Config) -> Config {
    let mut config = config;
    config.http.trusted_proxies = vec![Network::try_from("127.0.0.1".to_owned()).unwrap()];
    config
}

/// A login from an address, with headers of its own.
pub async fn try_from(server: &Server, address: &str, name: &str, password: &str, more: &[(&str, &str)]) -> Answer {
    let body = json!({ "identifier": name, "password": password });
    let request = server.anonymous().request(http::Method::POST, "/v1/auth/login").header("x-forwarded-for", address);
    Answer::of(more.iter().fold(request, |request, (name, value)| request.header(*name, *value)).json(&body)).await
}

async fn wrong(server: &Server, address: &str, name: &str) -> u16 {
    try_from(server, address, name, "wrong", &[]).await.status
}

#[tokio::test]
async fn five_wrong_ones_are_free_then_waits_begin_for_known_and_unknown_accounts_alike() {
    let server = Server::start_with(behind_a_proxy).await;
    let mut told = Vec::new();
    for name in [USER, NOBODY] {
        for _ in 0..5 {
            assert_eq!(wrong(&server, HERE, name).await, 401);
        }
        // Whoever gives the right one has to wait too: nothing is compared.
        let refused = try_from(&server, "198.51.100.2", name, DEMO_PASSWORD, &[]).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
        let mut problem = refused.json();
        problem.as_object_mut().unwrap().remove("requestId");
        let mut names: Vec<String> = refused.headers.keys().map(ToString::to_string).collect();
        names.sort();
        told.push((problem, names));
    }
    assert_eq!(told[0], told[1], "nobody learns which account exists");
    assert_eq!(told[0].0["code"], "too-many-requests");

    for wait in [1, 2, 4] {
        server.clock.advance(Duration::from_secs(wait - 1));
        assert_eq!(wrong(&server, HERE, USER).await, 429, "too early for {wait} s");
        server.clock.advance(Duration::from_secs(1));
        assert_eq!(wrong(&server, HERE, USER).await, 401, "after {wait} s");
    }
    server.clock.advance(Duration::from_secs(8));
    assert_eq!(try_from(&server, HERE, USER, DEMO_PASSWORD, &[]).await.status, 200);
    // It took back what came from here, which was all.
    for _ in 0..5 {
        assert_eq!(wrong(&server, HERE, USER).await, 401);
    }
    assert_eq!(wrong(&server, HERE, USER).await, 429);
}

#[tokio::test]
async fn a_right_password_takes_back_nothing_of_strangers() {
    let server = Server::start_with(behind_a_proxy).await;
    for _ in 0..4 {
        assert_eq!(wrong(&server, "203.0.113.7", USER).await, 401);
    }
    assert_eq!(try_from(&server, HERE, USER, DEMO_PASSWORD, &[]).await.status, 200);
    assert_eq!(wrong(&server, "203.0.113.7", USER).await, 401);
    assert_eq!(wrong(&server, "203.0.113.8", USER).await, 429, "the owner's login did not begin the count anew");
}

#[tokio::test]
async fn an_address_has_twenty_wrong_ones_whosever_they_are() {
    let server = Server::start_with(behind_a_proxy).await;
    for number in 0..20 {
        assert_eq!(wrong(&server, "2001:db8::1", &format!("user{number}@shop.test")).await, 401);
    }
    let refused = try_from(&server, "2001:db8::2", "another@shop.test", "wrong", &[]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "45"));
    assert_eq!(refused.header("ratelimit-policy"), "\"login\";q=20;w=900");
    assert_eq!(wrong(&server, HERE, "another@shop.test").await, 401, "another address");
    // A right one costs nothing, and gives nothing back of the wrong ones.
    server.clock.advance(Duration::from_secs(45));
    for _ in 0..3 {
        assert_eq!(try_from(&server, "2001:db8::1", USER, DEMO_PASSWORD, &[]).await.status, 200);
    }
    assert_eq!(wrong(&server, "2001:db8::1", "another@shop.test").await, 401);
    assert_eq!(try_from(&server, "2001:db8::1", USER, DEMO_PASSWORD, &[]).await.status, 429);
}

#[tokio::test]
async fn a_forged_address_opens_no_other_bucket() {
    let server = Server::start().await;
    for number in 0..20 {
        assert_eq!(wrong(&server, &format!("198.51.100.{number}"), &format!("user{number}@shop.test")).await, 401);
    }
    assert_eq!(wrong(&server, "203.0.113.1", "another@shop.test").await, 429, "the peer is no proxy");
    let server = Server::start_with(behind_a_proxy).await;
    for number in 0..20 {
        let forged = format!("198.51.100.{number}, 203.0.113.1");
        assert_eq!(wrong(&server, &forged, &format!("user{number}@shop.test")).await, 401);
    }
    assert_eq!(wrong(&server, "198.51.100.77, 203.0.113.1", "another@shop.test").await, 429, "the proxy's word counts");
}

#[tokio::test]
async fn strangers_do_not_lock_a_known_device_out() {
    let server = Server::start_with(behind_a_proxy).await;
    let first = try_from(&server, HERE, USER, DEMO_PASSWORD, &[]).await;
    let device = first.header("bff-device").to_owned();
    assert!(device.starts_with("kd1.") && first.header("set-cookie").is_empty(), "{device}");
    let other = try_from(&server, HERE, "operator@shop.test", DEMO_PASSWORD, &[]).await;
    let others_device = other.header("bff-device").to_owned();

    for _ in 0..5 {
        assert_eq!(wrong(&server, "203.0.113.7", USER).await, 401);
    }
    let login = async |headers: &[(&str, &str)]| try_from(&server, HERE, USER, DEMO_PASSWORD, headers).await.status;
    assert_eq!(login(&[]).await, 429);
    assert_eq!(login(&[("bff-device", &others_device)]).await, 429, "known to another account");
    assert_eq!(login(&[("bff-device", &device)]).await, 200);
    assert_eq!(login(&[("cookie", &format!("device={device}"))]).await, 200);

    // Its own wrong ones count, apart from everybody else's.
    let mine = [("bff-device", device.as_str())];
    for _ in 0..5 {
        assert_eq!(try_from(&server, HERE, USER, "wrong", &mine).await.status, 401);
    }
    assert_eq!(login(&mine).await, 429);
}

#[tokio::test]
async fn a_browser_keeps_its_device_in_a_cookie_that_no_script_reads() {
    let server = Server::start_with(|config| {
        let mut config = behind_a_proxy(config);
        config.http.public_url = Some("https://shop.test".to_owned());
        config
    })
    .await;
    let body = json!({ "identifier": USER, "password": DEMO_PASSWORD, "session": "cookie" });
    let request = server.anonymous().request(http::Method::POST, "/v1/auth/login");
    let answer = Answer::of(request.header("sec-fetch-site", "same-origin").json(&body)).await;
    assert_eq!((answer.status, answer.header("bff-device")), (200, ""));
    let cookies: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    let [session, device] = cookies[..] else { panic!("{cookies:?}") };
    assert!(session.starts_with("__Host-sid="), "{session}");
    assert!(device.starts_with("__Host-device=kd1."), "{device}");
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Max-Age=34560000"] {
        assert!(device.contains(attribute), "{attribute}: {device}");
    }
}

/// How many of these may be tried, and the rest be told to wait: nothing else.
fn counted(answers: &[Answer]) -> (usize, usize) {
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    let (tried, told_to_wait) = (count(401), count(429));
    assert_eq!(tried + told_to_wait, answers.len(), "{:?}", answers.iter().map(|it| it.status).collect::<Vec<_>>());
    (tried, told_to_wait)
}

#[tokio::test]
async fn tries_at_the_same_time_all_count() {
    let server = Server::start_with(behind_a_proxy).await;
    let addresses: Vec<String> = (0..30).map(|number| format!("198.51.100.{number}")).collect();
    let answers = join_all(addresses.iter().map(|address| try_from(&server, address, USER, "wrong", &[]))).await;
    assert_eq!(counted(&answers), (5, 25));
}

/// Reads by signed-in users and strangers while many log in.
#[tokio::test]
async fn a_storm_of_500_logins_is_bounded_and_leaves_the_rest_alone() {
    let server = Server::start_with(behind_a_proxy).await;
    let names: Vec<(String, String)> =
        (0..500).map(|n| (format!("10.0.{}.{}", n / 250, n % 250), format!("user{n}@shop.test"))).collect();
    let storm = join_all(names.iter().map(|(address, name)| try_from(&server, address, name, "wrong", &[])));
    let calm = join_all((0..64).map(|_| async { server.anonymous().get("/healthz").await }));
    let (logins, others) = tokio::join!(storm, calm);
    assert!(others.iter().all(|answer| answer.status == 200));
    assert!(logins.iter().any(|answer| answer.status == 401), "some are served");
    for answer in logins.iter().filter(|answer| answer.status != 401) {
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    }
    // Nothing was compared of those, so nothing counts: everyone may try all five.
    let (address, name) = &names[499];
    for _ in 0..4 {
        assert_eq!(wrong(&server, address, name).await, 401);
    }
}
