//! Which answers are compressed.

use std::convert::Infallible;

use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use bff::http::Config;
use futures_util::stream;
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
        .route("/small", get(move || async move { items(2) }))
        .route("/events", get(move || async move { events(50) }))
        .route("/image", get(|| async { ([("content-type", "image/png")], vec![0; 5000]) }));
    Stack::start(routes, Config::default()).await
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
async fn small_answers_images_and_events_are_not() {
    let stack = stack().await;
    for path in ["/small", "/image", "/events"] {
        let answer = ask(&stack, path, "gzip, br").await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, ""), "{path}");
    }
}
