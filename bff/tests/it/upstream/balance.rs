//! Several addresses for one service: who takes a call, who rests, and who comes back.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bff::upstream::{Config, Kind};
use futures_util::future::join_all;
use http::StatusCode;
use tokio::time::sleep;

use super::asking::{Client, LONG, plain, until};
use crate::harness::{Backend, grpc_reply};

/// One of several that are one service, and what it does.
struct Replica {
    address: SocketAddr,
    backend: Option<Backend>,
    does: Arc<Does>,
}

#[derive(Default)]
struct Does {
    asked: AtomicUsize,
    fails: AtomicBool,
    slow: AtomicBool,
}

async fn shop(State(does): State<Arc<Does>>, request: Request) -> Response {
    does.asked.fetch_add(1, Ordering::SeqCst);
    if does.slow.load(Ordering::SeqCst) {
        sleep(Duration::from_secs(3)).await;
    }
    if does.fails.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if request.headers().contains_key("grpc-timeout") { grpc_reply(b"x") } else { "x".into_response() }
}

impl Replica {
    async fn start(last: u8) -> Self {
        let does = Arc::new(Does::default());
        let address = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
        let backend = Backend::start_at(address, Self::routes(&does)).await;
        Self { address: backend.address, backend: Some(backend), does }
    }

    fn routes(does: &Arc<Does>) -> Router {
        Router::new().fallback(any(shop)).with_state(Arc::clone(does))
    }

    async fn kill(&mut self) {
        self.backend.take().unwrap().kill().await;
    }

    async fn restart(&mut self) {
        self.backend = Some(Backend::start_at(self.address, Self::routes(&self.does)).await);
    }

    fn asked(&self) -> usize {
        self.does.asked.load(Ordering::SeqCst)
    }
}

async fn three() -> [Replica; 3] {
    [Replica::start(1).await, Replica::start(2).await, Replica::start(3).await]
}

fn urls(replicas: &[Replica]) -> Option<String> {
    let addresses: Vec<String> = replicas.iter().map(|replica| replica.address.to_string()).collect();
    Some(format!("http://{}", addresses.join(",")))
}

fn client(replicas: &[Replica]) -> Client {
    Client::of(Config { http: urls(replicas), grpc: urls(replicas), ..plain() })
}

#[derive(Clone, Copy, Debug)]
enum Over {
    Get,
    Post,
    Grpc,
}

const ALL: [Over; 3] = [Over::Get, Over::Post, Over::Grpc];

impl Over {
    async fn call(self, client: &Client) -> Result<bytes::Bytes, bff::upstream::Error> {
        match self {
            Self::Get => client.get("/", LONG).await,
            Self::Post => client.post("/", LONG).await,
            Self::Grpc => client.grpc(b"", LONG).await,
        }
    }
}

fn counts(replicas: &[Replica]) -> Vec<usize> {
    replicas.iter().map(|replica| replica.does.asked.swap(0, Ordering::SeqCst)).collect()
}

#[tokio::test]
async fn all_addresses_share_the_calls() {
    let replicas = three().await;
    let client = client(&replicas);
    for over in ALL {
        for _ in 0..300 {
            assert_eq!(over.call(&client).await.unwrap(), "x");
        }
        let counts = counts(&replicas);
        assert!(counts.iter().all(|count| (50..=150).contains(count)), "{over:?}: {counts:?}");
    }
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let replica = Replica::start(1).await;
    let port = replica.address.port();
    for url in [format!("dns:///localhost:{port}"), format!("http://localhost:{port}/")] {
        let client = Client::of(Config { http: Some(url.clone()), grpc: Some(url), ..plain() });
        for over in ALL {
            assert_eq!(over.call(&client).await.unwrap(), "x");
        }
        client.source.check().await.unwrap();
    }
    let nowhere = Some("http://no.such.name.invalid:1".to_owned());
    let client = Client::of(Config { http: nowhere, ..plain() });
    let error = client.get("/", LONG).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreached);
    assert!(error.message.contains("cannot look up `no.such.name.invalid`"), "{error}");
}

#[tokio::test]
async fn names_and_addresses_mix_and_one_that_nobody_knows_does_no_harm() {
    let replicas = three().await;
    let [first, second, _] = &replicas;
    let hosts = format!("localhost:{},{},no.such.name.invalid:1", first.address.port(), second.address);
    let client = Client::of(Config { http: Some(format!("http://{hosts}/base")), ..plain() });
    for _ in 0..100 {
        client.post("/", LONG).await.unwrap();
    }
    assert!(first.asked() > 20 && second.asked() > 20, "{:?}", counts(&replicas));
}

#[tokio::test]
async fn the_less_busy_is_preferred() {
    let replicas = [Replica::start(1).await, Replica::start(2).await];
    let client = client(&replicas);
    replicas[0].does.slow.store(true, Ordering::SeqCst);
    let busy: Vec<_> = (0..20).map(|_| client.post("/", LONG)).collect();
    let busy = join_all(busy);
    let meanwhile = async {
        until("some are held", || replicas[0].asked() > 2).await;
        sleep(Duration::from_millis(100)).await;
        counts(&replicas);
        for _ in 0..100 {
            client.post("/", Duration::from_secs(1)).await.unwrap();
        }
        counts(&replicas)
    };
    let (_, counts) = tokio::join!(busy, meanwhile);
    assert_eq!(counts, [0, 100], "the first has calls of ours open all the time");
}

#[tokio::test]
async fn a_killed_one_costs_no_call_and_comes_back() {
    for over in ALL {
        let mut replicas = three().await;
        let client = client(&replicas);
        let _kept_up = client.kept_up();
        for _ in 0..30 {
            over.call(&client).await.unwrap();
        }
        replicas[1].kill().await;
        // What is sent before the end of a connection has arrived may not be sent twice.
        sleep(Duration::from_millis(50)).await;
        counts(&replicas);
        for turn in 0..300 {
            let answer = over.call(&client).await;
            assert!(answer.is_ok(), "{over:?}, {turn}: {answer:?}");
        }
        let seen = counts(&replicas);
        assert!(seen[0] > 100 && seen[2] > 100, "{over:?}: {seen:?}");
        assert!(client.measure("bff_upstream_ejections_total") >= 1.0);
        replicas[1].restart().await;
        let mut turns = 0;
        while replicas[1].asked() == 0 {
            over.call(&client).await.unwrap();
            sleep(Duration::from_millis(10)).await;
            turns += 1;
            assert!(turns < 1_000, "{over:?}: it comes back");
        }
    }
}

#[tokio::test]
async fn all_may_be_away_and_come_back() {
    let mut replicas = [Replica::start(1).await, Replica::start(2).await];
    let client = client(&replicas);
    let _kept_up = client.kept_up();
    for replica in &mut replicas {
        replica.kill().await;
    }
    for over in ALL {
        assert_eq!(over.call(&client).await.unwrap_err().kind, Kind::Unreached, "{over:?}");
    }
    for replica in &mut replicas {
        replica.restart().await;
    }
    for over in ALL {
        let mut turns = 0;
        while over.call(&client).await.is_err() {
            sleep(Duration::from_millis(10)).await;
            turns += 1;
            assert!(turns < 1_000, "{over:?}");
        }
    }
}

#[tokio::test]
async fn one_that_only_fails_rests_and_comes_back_by_itself() {
    let replicas = three().await;
    let client = client(&replicas);
    replicas[2].does.fails.store(true, Ordering::SeqCst);
    let mut failed = 0;
    for _ in 0..300 {
        failed += usize::from(client.post("/", LONG).await.is_err());
    }
    assert!((5..=15).contains(&failed), "five in a row, and its rest: {failed}");
    let before = replicas[2].asked();
    for _ in 0..50 {
        let _ = client.post("/", LONG).await;
    }
    assert!(replicas[2].asked() - before <= 5, "it rests");
    replicas[2].does.fails.store(false, Ordering::SeqCst);
    let before = replicas[2].asked();
    let mut turns = 0;
    while replicas[2].asked() < before + 20 {
        let _ = client.post("/", LONG).await;
        sleep(Duration::from_millis(5)).await;
        turns += 1;
        assert!(turns < 2_000, "it comes back");
    }
}

#[tokio::test]
async fn half_of_them_go_on_however_badly() {
    let replicas = three().await;
    let client = client(&replicas);
    for replica in &replicas[..2] {
        replica.does.fails.store(true, Ordering::SeqCst);
    }
    for _ in 0..200 {
        let _ = client.post("/", LONG).await;
    }
    let asked = counts(&replicas);
    assert!(asked[0].max(asked[1]) > 40, "one of the two that fail goes on: {asked:?}");
    assert!(asked[2] > 40, "{asked:?}");
    for replica in &replicas {
        replica.does.fails.store(true, Ordering::SeqCst);
    }
    for _ in 0..100 {
        assert_eq!(client.post("/", LONG).await.unwrap_err().kind, Kind::Answered, "somebody is asked");
    }
}

#[tokio::test]
async fn what_is_known_is_used_while_names_cannot_be_looked_up() {
    let mut replica = Replica::start(1).await;
    let url = Some(format!("http://{},no.such.name.invalid:1", replica.address));
    let client = Client::of(Config { http: url, ..plain() });
    client.post("/", LONG).await.unwrap();
    replica.kill().await;
    client.post("/", LONG).await.unwrap_err();
    replica.restart().await;
    // Longer than what was looked up is believed, and the address rests still, because nobody has dialled it.
    sleep(Duration::from_millis(1_100)).await;
    client.post("/", LONG).await.unwrap();
}

#[tokio::test]
async fn whether_a_source_is_there_is_whether_one_address_is() {
    let mut replicas = [Replica::start(1).await, Replica::start(2).await];
    let client = client(&replicas);
    replicas[0].kill().await;
    assert_eq!(client.source.check().await, Ok(()));
    replicas[1].kill().await;
    assert_eq!(client.source.check().await.unwrap_err(), "cannot connect: connection refused");
}
