//! How much a service may be busy with for us.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use bff::upstream::{Config, Kind};
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::asking::{Client, LATE, LONG, plain, until};
use crate::harness::{Backend, grpc_reply};

/// A service that answers as often as the gate lets it.
struct Gated {
    backend: Backend,
    gate: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
    /// Of those that were asked, the ones that it has neither answered nor seen reset.
    under_way: Arc<AtomicUsize>,
}

struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gated {
    async fn start() -> Self {
        let [asked, under_way] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let gate = Arc::new(Semaphore::new(0));
        let shared = (Arc::clone(&gate), Arc::clone(&asked), Arc::clone(&under_way));
        let answer = move |method: Method| {
            let (passed, counted, at_once) = shared.clone();
            async move {
                counted.fetch_add(1, Ordering::SeqCst);
                at_once.fetch_add(1, Ordering::SeqCst);
                let _under_way = UnderWay(at_once);
                passed.acquire().await.unwrap().forget();
                // The client of gRPC says POST, and this test's of HTTP GET.
                if method == Method::POST { grpc_reply(b"x") } else { axum::response::Response::new("x".into()) }
            }
        };
        Self { backend: Backend::start(Router::new().fallback(any(answer))).await, gate, asked, under_way }
    }

    fn client(&self, queue_ms: u64) -> Client {
        let (http, grpc) = (Some(self.backend.url()), Some(self.backend.url()));
        Client::of(Config { http, grpc, max_in_flight: 2, queue_ms, ..plain() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

type Answer = tokio::task::JoinHandle<Result<Bytes, bff::upstream::Error>>;

fn spawned(client: &Client) -> Answer {
    let (client, tasks) = (client.clone(), tokio_util::task::TaskTracker::new());
    tasks.spawn(async move { client.get("/", LONG).await })
}

#[tokio::test]
async fn one_too_many_waits_a_little_and_is_refused() {
    let service = Gated::start().await;
    let client = service.client(100);
    let held = [spawned(&client), spawned(&client)];
    until("both are under way", || service.asked() == 2).await;
    let began = Instant::now();
    let error = client.get("/", LONG).await.unwrap_err();
    assert_eq!(error.kind, Kind::Refused, "{error}");
    let waited = began.elapsed();
    assert!((Duration::from_millis(100)..Duration::from_millis(100) + LATE).contains(&waited), "{waited:?}");
    assert_eq!(service.asked(), 2);
    service.gate.add_permits(2);
    for answer in held {
        assert_eq!(answer.await.unwrap().unwrap(), "x");
    }
}

#[tokio::test]
async fn a_place_that_becomes_free_is_taken() {
    let service = Gated::start().await;
    let client = service.client(15_000);
    let mut answers: Vec<Answer> = (0..10).map(|_| spawned(&client)).collect();
    until("two are under way", || service.asked() == 2).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(service.asked(), 2, "and no more");
    service.gate.add_permits(10);
    for answer in answers.drain(..) {
        assert_eq!(answer.await.unwrap().unwrap(), "x");
    }
}

#[tokio::test]
async fn nobody_waits_beyond_the_deadline() {
    let service = Gated::start().await;
    let client = service.client(60_000);
    let _held = [spawned(&client), spawned(&client)];
    until("both are under way", || service.asked() == 2).await;
    let began = Instant::now();
    client.get("/", Duration::from_millis(50)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(50) + LATE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn nobody_waits_for_a_service_that_is_left_alone() {
    let unavailable = || async { (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "15")]) };
    let backend = Backend::start(Router::new().fallback(any(unavailable))).await;
    let rules = Config { breaker_failures: 1, breaker_open_ms: 60_000, retries: 1, ..plain() };
    let client = Client::of(Config { http: Some(backend.url()), max_in_flight: 1, queue_ms: 60_000, ..rules });
    // It opens the breaker, and keeps the only place while it waits to try again.
    let held = spawned(&client);
    until("the breaker is open", || client.measure("bff_breaker_state") == 2.0).await;
    let error = client.get("/", LONG).await.unwrap_err();
    assert_eq!(error.kind, Kind::Refused, "{error}");
    assert!(error.to_string().contains("left alone"), "{error}");
    assert!(!held.is_finished(), "it was refused at once");
}

#[tokio::test]
async fn callers_that_leave_do_not_pile_up_work_at_the_service() {
    let service = Gated::start().await;
    let client = service.client(0);
    client.grpc(b"", Duration::from_millis(50)).await.unwrap_err();
    let patience = LONG * 10;
    for _ in 0..200 {
        // Sent, and given up at once.
        let _ = tokio::time::timeout(Duration::from_millis(2), client.grpc(b"", patience)).await;
    }
    until("the others are given up", || service.under_way.load(Ordering::SeqCst) <= 4).await;
}
