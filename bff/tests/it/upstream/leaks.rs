//! Many calls, some of which nobody waits for: nothing is left behind.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bff::upstream::Config;
use futures_util::stream::{self, StreamExt};
use tokio::time::{sleep, timeout};

use super::asking::{Client, LONG, plain};
use crate::harness::{Backend, grpc_reply};

const CALLS: usize = 20_000;
const AT_ONCE: usize = 32;

async fn shop(request: Request) -> Response {
    if request.headers().contains_key("grpc-timeout") {
        return grpc_reply(b"x");
    }
    "x".into_response()
}

/// Connections to a port, in whichever state but listening.
fn sockets(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{port:04X}");
    let open = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Established, or half closed by either side.
        fields[2].ends_with(&port) && ["01", "04", "05", "08"].contains(&fields[3])
    };
    table.lines().skip(1).filter(open).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_calls_leave_few_connections_and_none_in_flight() {
    let backend = Backend::start(Router::new().fallback(any(shop))).await;
    let url = Some(backend.url());
    let client = Client::of(Config { http: url.clone(), grpc: url, max_in_flight: AT_ONCE * 2, ..plain() });
    let _kept_up = client.kept_up();
    let calls = stream::iter(0..CALLS).map(|turn| {
        let client = client.clone();
        async move {
            let call = async {
                match turn % 2 {
                    0 => client.get("/", LONG).await,
                    _ => client.grpc(b"", LONG).await,
                }
            };
            if turn % 20 < 18 {
                assert_eq!(call.await.unwrap(), "x");
            } else {
                // A twentieth of each protocol's callers leaves, at every possible moment.
                let _ = timeout(Duration::from_micros(turn as u64 % 400), call).await;
            }
        }
    });
    calls.buffer_unordered(AT_ONCE).for_each(async |()| {}).await;
    sleep(Duration::from_millis(1_500)).await;
    let open = sockets(backend.address.port());
    assert!(open <= AT_ONCE + 2, "{open} connections");
    assert!(client.measure("bff_upstream_connections") <= open as f64);
    // As many at once as ever may be: nobody holds a place.
    let all = futures_util::future::join_all((0..AT_ONCE * 2).map(|_| client.grpc(b"", LONG))).await;
    assert!(all.iter().all(Result::is_ok));
}
