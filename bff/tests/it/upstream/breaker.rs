//! A service that only fails is left alone, and comes back gently.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bff::upstream::{Config, Kind};
use http::StatusCode;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};

use super::asking::{Client, LONG};
use crate::harness::Backend;

const PAUSE_MS: u64 = 300;
const PAUSE: Duration = Duration::from_millis(PAUSE_MS);
const CLOSED: f64 = 0.0;
const TRYING: f64 = 1.0;
const OPEN: f64 = 2.0;

/// What the service does, and what it has seen.
#[derive(Default)]
struct Shop {
    fails: AtomicBool,
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    delay_ms: AtomicUsize,
}

async fn shop(State(shop): State<Arc<Shop>>) -> Response {
    shop.asked.fetch_add(1, Ordering::SeqCst);
    shop.most_at_once.fetch_max(shop.at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    sleep(Duration::from_millis(shop.delay_ms.load(Ordering::SeqCst) as u64)).await;
    shop.at_once.fetch_sub(1, Ordering::SeqCst);
    let status = if shop.fails.load(Ordering::SeqCst) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, "{}").into_response()
}

async fn failing() -> (Backend, Arc<Shop>) {
    let state = Arc::new(Shop { fails: true.into(), ..Shop::default() });
    (Backend::start(Router::new().fallback(any(shop)).with_state(Arc::clone(&state))).await, state)
}

fn config(backend: &Backend) -> Config {
    let http = Some(backend.url());
    Config { http, breaker_failures: 5, breaker_percent: 0, breaker_open_ms: PAUSE_MS, ..Config::default() }
}

async fn opened(client: &Client) {
    for _ in 0..5 {
        assert_eq!(client.post("/", LONG).await.unwrap_err().kind, Kind::Answered);
    }
    assert_eq!(client.measure("bff_breaker_state"), OPEN);
}

#[tokio::test]
async fn it_opens_after_failures_in_a_row_and_refuses_at_once() {
    let (backend, shop) = failing().await;
    let client = Client::of(Config { breaker_open_ms: 60_000, ..config(&backend) });
    assert_eq!(client.measure("bff_breaker_state"), CLOSED);
    opened(&client).await;
    let began = Instant::now();
    for _ in 0..500 {
        // Both what may be repeated and what may not.
        for error in [client.get("/", LONG).await.unwrap_err(), client.post("/", LONG).await.unwrap_err()] {
            assert_eq!((error.code, error.kind), (Code::Unavailable, Kind::Refused));
        }
    }
    let each = began.elapsed() / 1_000;
    assert!(each < Duration::from_millis(1), "a refusal takes {each:?}");
    assert_eq!(shop.asked.load(Ordering::SeqCst), 5);
    assert_eq!(client.measure("bff_retries_total"), 0.0, "a refusal is not worth another try");
}

#[tokio::test]
async fn it_opens_at_a_share_of_failures() {
    let (backend, shop) = failing().await;
    let client = Client::of(Config { breaker_failures: 0, breaker_percent: 50, ..config(&backend) });
    for turn in 0..40 {
        shop.fails.store(turn % 3 == 0, Ordering::SeqCst);
        let _ = client.post("/", LONG).await;
        assert_eq!(client.measure("bff_breaker_state"), CLOSED, "a third is few");
    }
    let mut turns = 0;
    while client.measure("bff_breaker_state") == CLOSED {
        shop.fails.store(turns % 5 != 0, Ordering::SeqCst);
        let _ = client.post("/", LONG).await;
        turns += 1;
        assert!(turns < 60, "four fifths are many");
    }
    assert!(turns > 10, "it takes a share of all calls of the last seconds");
}

#[tokio::test]
async fn one_probe_at_a_time_goes_through_and_success_closes_it() {
    let (backend, shop) = failing().await;
    let client = Client::of(config(&backend));
    opened(&client).await;
    shop.fails.store(false, Ordering::SeqCst);
    shop.delay_ms.store(100, Ordering::SeqCst);
    sleep(PAUSE + Duration::from_millis(50)).await;
    let asked_before = shop.asked.load(Ordering::SeqCst);
    let herd = (0..100).map(|_| client.post("/", LONG));
    let answers = futures_util::future::join_all(herd).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().flat_map(|answer| answer.as_ref().err()).all(|error| error.kind == Kind::Refused));
    assert_eq!(shop.asked.load(Ordering::SeqCst) - asked_before, 1, "one of a hundred asks");
    assert_eq!(client.measure("bff_breaker_state"), TRYING);
    shop.delay_ms.store(0, Ordering::SeqCst);
    for _ in 0..2 {
        client.post("/", LONG).await.unwrap();
    }
    assert_eq!(client.measure("bff_breaker_state"), CLOSED);
    let all = futures_util::future::join_all((0..100).map(|_| client.post("/", LONG))).await;
    assert!(all.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_probe_that_fails_opens_it_for_longer() {
    let (backend, shop) = failing().await;
    let client = Client::of(config(&backend));
    opened(&client).await;
    sleep(PAUSE + Duration::from_millis(50)).await;
    assert_eq!(client.post("/", LONG).await.unwrap_err().kind, Kind::Answered, "the probe");
    let failed = Instant::now();
    shop.fails.store(false, Ordering::SeqCst);
    assert_eq!(client.measure("bff_breaker_state"), OPEN);
    while client.post("/", LONG).await.is_err() {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(failed.elapsed() >= PAUSE * 2, "{:?}", failed.elapsed());
}

#[tokio::test]
async fn a_probe_whose_caller_leaves_does_not_block_the_next() {
    let (backend, shop) = failing().await;
    let client = Client::of(config(&backend));
    opened(&client).await;
    shop.fails.store(false, Ordering::SeqCst);
    shop.delay_ms.store(60_000, Ordering::SeqCst);
    sleep(PAUSE + Duration::from_millis(50)).await;
    let probe = tokio::time::timeout(Duration::from_millis(100), client.post("/", LONG)).await;
    assert!(probe.is_err(), "its caller has left");
    shop.delay_ms.store(0, Ordering::SeqCst);
    client.post("/", LONG).await.unwrap();
}

#[tokio::test]
async fn a_service_that_answers_no_is_well() {
    let answer = |Path(status): Path<u16>| async move { StatusCode::from_u16(status).unwrap() };
    let no = |Path(code): Path<i32>| async move { Status::new(Code::from(code), "no").into_http::<axum::body::Body>() };
    let routes = Router::new().route("/{status}", any(answer)).route("/code/{code}", any(no));
    let backend = Backend::start(routes).await;
    let config = Config { breaker_failures: 2, breaker_percent: 10, grpc: Some(backend.url()), ..config(&backend) };
    let client = Client::of(config);
    for status in [400, 401, 403, 404, 409, 410, 412, 422, 429] {
        for _ in 0..20 {
            let error = client.post(&format!("/{status}"), LONG).await.unwrap_err();
            assert_eq!(error.kind, Kind::Answered, "{status}");
        }
    }
    use Code::{AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted};
    for code in [NotFound, InvalidArgument, PermissionDenied, AlreadyExists, FailedPrecondition, ResourceExhausted] {
        let path = http::uri::PathAndQuery::try_from(format!("/code/{}", code as i32)).unwrap();
        for _ in 0..20 {
            let error = client.grpc_at(&path, b"", LONG, false).await.unwrap_err();
            assert_eq!((error.code, error.kind), (code, Kind::Answered));
        }
    }
    assert_eq!(client.measure("bff_breaker_state"), CLOSED);
}

#[tokio::test]
async fn a_service_that_is_away_or_never_answers_opens_it() {
    let hangs = Backend::start(Router::new().fallback(any(std::future::pending::<&str>))).await;
    let client = Client::of(Config { retries: 0, ..config(&hangs) });
    for _ in 0..5 {
        assert_eq!(client.get("/", Duration::from_millis(30)).await.unwrap_err().code, Code::DeadlineExceeded);
    }
    assert_eq!(client.measure("bff_breaker_state"), OPEN);
    let client = Client::of(Config { retries: 0, ..config(&hangs) });
    hangs.kill().await;
    for _ in 0..5 {
        assert_eq!(client.get("/", LONG).await.unwrap_err().kind, Kind::Unreached);
    }
    assert_eq!(client.measure("bff_breaker_state"), OPEN);
}
