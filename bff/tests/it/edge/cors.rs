//! What other sites' pages may do.

use bff::identity::DEMO_PASSWORD;
use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Caller, CookieUser, Server};

const APP: &str = "https://app.shop.test";

async fn server(origins: &[&str]) -> Server {
    let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    Server::start_with(|mut config| {
        config.http.cors_origins = origins;
        config
    })
    .await
}

async fn from(server: &Server, origin: &str, path: &str) -> Answer {
    Answer::of(server.anonymous().request(Method::GET, path).header("origin", origin)).await
}

async fn preflight(server: &Server, origin: &str) -> Answer {
    let request = server.anonymous().request(Method::OPTIONS, "/v1/auth/me").header("origin", origin);
    let request = request.header("access-control-request-method", "PATCH");
    Answer::of(request.header("access-control-request-headers", "authorization,content-type")).await
}

#[tokio::test]
async fn a_listed_site_may_read_answers_and_problems() {
    let server = server(&[APP, "https://other.shop.test"]).await;
    for (path, status) in [("/healthz", 200), ("/nowhere", 404), ("/v1/auth/me", 401)] {
        let answer = from(&server, APP, path).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), APP);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert!(answer.header("vary").to_lowercase().contains("origin"));
        assert!(answer.header("access-control-expose-headers").contains("x-request-id"));
    }
    let answer = preflight(&server, APP).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, APP));
    assert!(answer.header("access-control-allow-methods").contains("PATCH"));
    assert_eq!(answer.header("access-control-allow-headers"), "authorization,content-type");
    assert_eq!(answer.header("access-control-max-age"), "7200");
}

#[tokio::test]
async fn no_other_site_may() {
    let server = server(&[APP]).await;
    for origin in ["https://evil.test", "null", "http://app.shop.test", "https://app.shop.test.evil.test"] {
        for answer in [from(&server, origin, "/healthz").await, preflight(&server, origin).await] {
            assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
            assert_eq!(answer.header("access-control-allow-credentials"), "", "{origin}");
            assert!(answer.header("vary").to_lowercase().contains("origin"));
        }
    }
}

#[tokio::test]
async fn without_a_list_there_is_no_cors() {
    let server = server(&[]).await;
    assert_eq!(from(&server, APP, "/healthz").await.header("access-control-allow-origin"), "");
    assert_eq!(preflight(&server, APP).await.status, 405);
}

#[tokio::test]
async fn everybody_may_read_but_not_as_the_signed_in_user() {
    let server = server(&["*"]).await;
    let answer = from(&server, APP, "/healthz").await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn a_cookie_counts_for_pages_of_listed_sites() {
    let server = server(&[APP]).await;
    let user = CookieUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    let logout = |origin: &'static str| {
        let request = server.anonymous().request(Method::POST, "/v1/auth/logout").json(&json!({}));
        request.header("cookie", &user.cookie).header("origin", origin).header("sec-fetch-site", "same-site")
    };
    assert_eq!(Answer::of(logout("https://evil.test")).await.json()["code"], "cross-site");
    assert_eq!(Answer::of(logout(APP)).await.status, 204);
}
