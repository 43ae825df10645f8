//! Which answers are compressed.

use std::convert::Infallible;

use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bff::http::Config;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::harness::{Answer, Stack, client};

async fn stack() -> Stack {
    let items = |count: usize| axum::Json(json!({ "items": vec!["something to sell"; count] }));
    let events = |count: usize| {
        let events = (0..count).map(|_| Ok::<_, Infallible>(Event::default().data("x".repeat(100))));
        Sse::new(stream::iter(events))
    };
    let routes = Router::new()
        .route("/large", get(move || async move { items(200) }))
        .route("/tagged", get(move |headers: HeaderMap| async move { tagged(&headers, "\"7a\"") }))
        .route("/weak", get(move |headers: HeaderMap| async move { tagged(&headers, "W/\"7a\"") }))
        .route("/small", get(move || async move { items(2) }))
        .route("/events", get(move || async move { events(50) }))
        .route("/image", get(|| async { ([("content-type", "image/png")], vec![0; 5000]) }));
    Stack::start(routes, Config::default()).await
}

/// What the handler is told of the tags that the client has stands in `x-told`.
fn tagged(headers: &HeaderMap, tag: &'static str) -> Response {
    let told = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let known = told("if-none-match").contains("\"7a\"");
    let told = format!("{}|{}", told("if-none-match"), told("if-match"));
    let head = [("etag", tag), ("x-told", told.as_str())];
    match known {
        true => (StatusCode::NOT_MODIFIED, head).into_response(),
        false => (head, axum::Json(vec!["something to sell"; 200])).into_response(),
    }
}

async fn ask(stack: &Stack, path: &str, accept: &str) -> Answer {
    Answer::of(client().get(format!("{}{path}", stack.url)).header("accept-encoding", accept)).await
}

#[tokio::test]
async fn json_is_compressed_as_the_client_prefers() {
    let stack = stack().await;
    let cases = [
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("deflate, zstd", ""),
        ("gzip;q=0", ""),
        ("identity", ""),
    ];
    for (accept, expected) in cases {
        let answer = ask(&stack, "/large", accept).await;
        assert_eq!(answer.header("content-encoding"), expected, "{accept}");
        assert_eq!(answer.header("vary"), "accept-encoding", "{accept}");
        assert_eq!(answer.body.len() < 1000, !expected.is_empty(), "{accept}");
    }
    assert_eq!(ask(&stack, "/large", "gzip").await.body[..3], [0x1f, 0x8b, 8]);
}

#[tokio::test]
async fn compressed_bytes_have_a_tag_of_their_own_that_only_clients_see() {
    let stack = stack().await;
    for (accept, tag) in [("br", "\"7a;br\""), ("gzip", "\"7a;gzip\""), ("identity", "\"7a\"")] {
        let answer = ask(&stack, "/tagged", accept).await;
        assert_eq!((answer.status, answer.header("etag")), (200, tag));
        assert_eq!(ask(&stack, "/weak", accept).await.header("etag"), "W/\"7a\"");
        let list = format!("\"6;br\", {tag}, W/\"5;gzip\"");
        let again = client().get(format!("{}/tagged", stack.url)).header("accept-encoding", accept);
        let again = Answer::of(again.header("if-none-match", list).header("if-match", tag)).await;
        assert_eq!((again.status, again.header("etag"), again.header("vary")), (304, tag, "accept-encoding"));
        assert_eq!(again.header("x-told"), "\"6\", \"7a\", W/\"5\"|\"7a\"");
    }
}

#[tokio::test]
async fn small_answers_images_and_events_are_not() {
    let stack = stack().await;
    for path in ["/small", "/image", "/events"] {
        let answer = ask(&stack, path, "gzip, br").await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, ""), "{path}");
    }
}
