//! What every request meets, whatever it asks for.

mod address;
mod capacity;
mod compression;
mod connections;
mod cors;
mod drain;
mod limits;
mod tls;
mod trace;

use axum::Router;
use axum::routing::{get, post};
use bff::http::Config;
use bff::identity::DEMO_PASSWORD;
use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Backend, Caller, Connection, Server, Stack, client};

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    let server = Server::start().await;
    let request = server.anonymous().request(Method::GET, "/nowhere").header("x-request-id", "abc-12345");
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.json(),
        json!({
            "type": "urn:bff:problem:not-found",
            "title": "There is nothing here",
            "status": 404,
            "code": "not-found",
            "requestId": "abc-12345",
        })
    );
}

#[tokio::test]
async fn a_wrong_method_says_which_are_right() {
    let server = Server::start().await;
    let caller = server.anonymous();
    for answer in [
        caller.post("/healthz", json!({})).await,
        caller.patch("/healthz", json!({})).await,
        caller.delete("/healthz").await,
    ] {
        assert_eq!(answer.status, 405);
        assert_eq!(answer.header("allow"), "GET,HEAD");
        assert_eq!(answer.json()["code"], "method-not-allowed");
    }
}

#[tokio::test]
async fn every_answer_has_an_id_and_security_headers() {
    let server = Server::start().await;
    for path in ["/healthz", "/nowhere"] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.header("x-request-id").len(), 36);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("strict-transport-security"), "", "plain http has no HSTS");
    }
}

#[tokio::test]
async fn an_id_from_outside_is_kept_only_if_it_is_a_short_token() {
    let server = Server::start().await;
    for bad in ["short", "with space in it", "<script>alert</script>", &"a".repeat(65)] {
        let request = server.anonymous().request(Method::GET, "/healthz").header("x-request-id", bad);
        assert_eq!(Answer::of(request).await.header("x-request-id").len(), 36, "{bad}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let server = Server::start_with(|mut config| {
        config.http.max_body_bytes = 1000;
        config
    })
    .await;
    let request = server.anonymous().request(Method::POST, "/healthz").body(vec![b'x'; 1001]);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["code"], "body-too-large");
}

#[tokio::test]
async fn json_is_what_it_says_it_is() {
    let server = Server::start().await;
    let log_in = async |kind: &str, encoding: Option<&str>| {
        let request = server.anonymous().request(Method::POST, "/v1/auth/login").header("content-type", kind);
        let request =
            encoding.into_iter().fold(request, |request, encoding| request.header("content-encoding", encoding));
        let body = json!({ "identifier": "user@shop.test", "password": DEMO_PASSWORD });
        Answer::of(request.body(body.to_string())).await.status
    };
    for kind in ["application/json", "Application/JSON; charset=\"UTF-8\"", "application/x+json;charset=utf-8;v=1"] {
        assert_eq!(log_in(kind, Some("identity")).await, 200, "{kind}");
    }
    for kind in
        ["application/json; charset=latin1", "application/json;charset=utf-16", "text/json", "application/jsonp"]
    {
        assert_eq!(log_in(kind, None).await, 415, "{kind}");
    }
    assert_eq!(log_in("application/json", Some("gzip")).await, 415);
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let stack = Stack::start(Router::new().route("/", get(|| async { "hello" })), Config::default()).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "200"),
        ("GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n", "200"),
        ("GET / HTTP/1.0\r\n\r\n", "200"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400"),
        ("GET / HTTP/1.0\r\nhost: a\r\nhost: a\r\n\r\n", "400"),
    ] {
        let answer = Connection::open(stack.address).await.unwrap().ask(request).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request}\n{answer}");
    }
}

#[tokio::test]
async fn readiness_names_the_source_that_is_away() {
    let backend = Backend::start(Router::new()).await;
    let url = backend.url();
    let server = Server::start_with(|mut config| {
        let source = bff::upstream::Config { http: Some(url), ..Default::default() };
        config.sources.insert("catalog".to_owned(), source);
        config
    })
    .await;
    let ready = || async { Answer::of(server.client.get(format!("{}/readyz", server.admin_url))).await };

    let answer = ready().await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "status": "ready", "away": {} })));

    backend.kill().await;
    let answer = ready().await;
    assert_eq!(answer.status, 503);
    let away = json!({ "catalog": "cannot connect: connection refused" });
    assert_eq!(answer.json(), json!({ "status": "unavailable", "away": away }));
    assert_eq!(server.anonymous().get("/healthz").await.status, 200);
}

#[tokio::test]
async fn operators_send_their_token_where_one_is_set() {
    let server = Server::start_with(|mut config| {
        config.admin.token = Some("sixteen-characters".into());
        config
    })
    .await;
    let ready = || server.client.get(format!("{}/readyz", server.admin_url));
    for request in [ready(), ready().bearer_auth("sixteen-charactera"), ready().bearer_auth("")] {
        let answer = Answer::of(request).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"));
    }
    assert_eq!(Answer::of(ready().bearer_auth("sixteen-characters")).await.status, 200);
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let routes = Router::new().route("/panic", get(|| async { panic!("a secret") as &str }));
    let stack = Stack::start(routes, Config::default()).await;
    let client = client();
    for _ in 0..2 {
        let answer = Answer::of(client.get(format!("{}/panic", stack.url))).await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.json()["code"], "internal");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
        assert_eq!(answer.json()["requestId"], answer.header("x-request-id"));
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_a_problem() {
    let routes = Router::new().route("/slow", get(std::future::pending::<&str>));
    let stack = Stack::start(routes, Config { timeout_ms: 20, ..Config::default() }).await;
    let answer = Answer::of(client().get(format!("{}/slow", stack.url))).await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.json()["code"], "timeout");
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_refused_while_it_is_read() {
    let routes = Router::new().route("/echo", post(|body: String| async { body }));
    let stack = Stack::start(routes, Config { max_body_bytes: 1000, ..Config::default() }).await;
    let chunks = (0..20).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 100]));
    let body = reqwest::Body::wrap(http_body_util::StreamBody::new(futures_util::stream::iter(
        chunks.map(|chunk| chunk.map(|bytes| hyper::body::Frame::data(bytes::Bytes::from(bytes)))),
    )));
    let answer = Answer::of(client().post(format!("{}/echo", stack.url)).body(body)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["code"], "body-too-large");
}
