//! Further tries: only where they do no harm, and never more than a share of the calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::any;
use bff::upstream::{Config, Kind};
use http::StatusCode;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::asking::{Client, LATE, LONG};
use super::scripted::Scripted;
use crate::harness::{Backend, grpc_reply};

fn config() -> Config {
    Config { breaker_failures: 0, breaker_percent: 0, ..Config::default() }
}

/// A service that says 503 so many times, and then something better; how often it was asked.
async fn unavailable_at_first(times: usize) -> (Backend, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let answer = move || {
        let turn = counted.fetch_add(1, Ordering::SeqCst);
        let status = if turn < times { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        std::future::ready((status, "{}").into_response())
    };
    (Backend::start(Router::new().fallback(any(answer))).await, asked)
}

#[tokio::test]
async fn what_may_be_repeated_is_tried_again() {
    let (backend, asked) = unavailable_at_first(2).await;
    let client = Client::of(Config { http: Some(backend.url()), ..config() });
    assert_eq!(client.get("/", LONG).await.unwrap(), "{}");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(client.measure("bff_retries_total"), 2.0);
    assert_eq!(client.measure("bff_retries_spent_total"), 0.0);
}

#[tokio::test]
async fn what_may_not_be_repeated_is_sent_once() {
    let (backend, asked) = unavailable_at_first(2).await;
    let client = Client::of(Config { http: Some(backend.url()), ..config() });
    let error = client.post("/", LONG).await.unwrap_err();
    assert_eq!((error.code, error.kind), (Code::Unavailable, Kind::Answered));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(client.measure("bff_retries_total"), 0.0);
}

#[tokio::test]
async fn what_was_never_sent_is_tried_again_whatever_it_changes() {
    let (backend, asked) = unavailable_at_first(0).await;
    let address = backend.address;
    backend.kill().await;
    let config = Config { http: Some(format!("http://{address}")), retries: 8, ..config() };
    let client = Client::of(config);
    let call = client.post("/", LONG);
    let restart = async {
        until_retried(&client).await;
        let answer = Router::new().fallback(any(|| async { "{}" }));
        Backend::start_at(address, answer).await
    };
    let (answer, _backend) = tokio::join!(call, restart);
    assert_eq!(answer.unwrap(), "{}");
    assert_eq!(asked.load(Ordering::SeqCst), 0, "the old one was never asked");
}

async fn until_retried(client: &Client) {
    super::asking::until("it is tried again", || client.measure("bff_retries_total") > 0.0).await;
}

#[tokio::test]
async fn grpc_is_tried_again_where_its_author_allows_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let answer = move || {
        let turn = counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(match turn % 2 {
            0 => Status::unavailable("later").into_http::<axum::body::Body>(),
            _ => grpc_reply(b"x"),
        })
    };
    let backend = Backend::start(Router::new().fallback(any(answer))).await;
    let client = Client::of(Config { grpc: Some(backend.url()), ..config() });
    assert_eq!(client.grpc_again(b"", LONG).await.unwrap(), "x");
    assert_eq!(client.grpc(b"", LONG).await.unwrap_err().kind, Kind::Answered);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

/// A service that asks for a pause of a second each time.
async fn asks_for_a_pause() -> Scripted {
    const ANSWER: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    Scripted::start(|stream, _| super::scripted::answer_all(stream, ANSWER)).await
}

#[tokio::test]
async fn the_pause_that_a_service_asks_for_is_kept() {
    let service = asks_for_a_pause().await;
    let client = Client::of(Config { http: Some(service.url()), retries: 1, ..config() });
    let began = Instant::now();
    let error = client.get("/", LONG).await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(1)));
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(client.measure("bff_retries_total"), 1.0);
}

#[tokio::test]
async fn no_try_begins_after_the_deadline_and_none_is_paid_for_that_is_not_made() {
    let service = asks_for_a_pause().await;
    let client = Client::of(Config { http: Some(service.url()), retry_percent: 0, ..config() });
    for _ in 0..20 {
        let began = Instant::now();
        let error = client.get("/", Duration::from_millis(900)).await.unwrap_err();
        assert_eq!(error.kind, Kind::Answered, "{error}");
        assert!(began.elapsed() < LATE, "it waits for nothing: {:?}", began.elapsed());
    }
    assert_eq!(client.measure("bff_retries_total"), 0.0);
    assert_eq!(client.measure("bff_retries_spent_total"), 0.0, "what was not tried has cost nothing");
}

#[tokio::test]
async fn tries_are_a_tenth_of_the_calls_of_a_service_that_only_fails() {
    let (backend, asked) = unavailable_at_first(usize::MAX).await;
    let client = Client::of(Config { http: Some(backend.url()), ..config() });
    for _ in 0..50 {
        let calls = (0..20).map(|_| client.get("/", LONG));
        for answer in futures_util::future::join_all(calls).await {
            assert_eq!(answer.unwrap_err().kind, Kind::Answered);
        }
    }
    let further = asked.load(Ordering::SeqCst) - 1_000;
    // Ten are saved up at the beginning.
    assert!((100..=110).contains(&further), "{further} further tries");
    assert_eq!(client.measure("bff_retries_total"), further as f64);
    assert!(client.measure("bff_retries_spent_total") > 0.0);
}

#[tokio::test]
async fn no_further_tries_are_made_where_none_are_wanted() {
    let (backend, asked) = unavailable_at_first(1).await;
    let client = Client::of(Config { http: Some(backend.url()), retries: 0, ..config() });
    client.get("/", LONG).await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
