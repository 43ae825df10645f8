//! Connections that are made ahead, kept for a while, and closed.

use std::time::Duration;

use bff::upstream::{Config, HttpVersion};
use futures_util::future::join_all;
use tokio_util::task::TaskTracker;

use super::asking::{Client, LONG, plain, until};
use super::scripted::{Scripted, answer, answer_all, answer_h2};

async fn http1() -> Scripted {
    Scripted::start(|stream, _| async move { answer_all(stream, &answer("{}")).await }).await
}

async fn http2() -> Scripted {
    Scripted::start(|stream, _| async move {
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        let tasks = TaskTracker::new();
        while let Some(Ok(call)) = connection.accept().await {
            tasks.spawn(answer_h2(call, b"x"));
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_is_there_before_the_first_call() {
    let (http, grpc) = (http1().await, http2().await);
    let client = Client::of(Config { http: Some(http.url()), grpc: Some(grpc.url()), ..plain() });
    assert_eq!((http.connections(), grpc.connections()), (0, 0), "not before somebody keeps it up");
    let _kept_up = client.kept_up();
    until("both are there", || (http.connections(), grpc.connections()) == (1, 1)).await;
    until("both are counted", || client.measure("bff_upstream_connections") == 2.0).await;
    client.get("/", LONG).await.unwrap();
    client.grpc(b"", LONG).await.unwrap();
    assert_eq!((http.connections(), grpc.connections()), (1, 1), "and both are used");
}

#[tokio::test]
async fn none_is_made_ahead_where_that_is_not_wanted() {
    let http = http1().await;
    let client = Client::of(Config { http: Some(http.url()), warm_up: false, ..plain() });
    let _kept_up = client.kept_up();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(http.connections(), 0);
}

#[tokio::test]
async fn one_that_has_waited_too_long_is_not_used_and_closed() {
    let http = http1().await;
    let config = Config { http: Some(http.url()), idle_timeout_ms: 50, warm_up: false, ..plain() };
    let client = Client::of(config);
    for turn in 1..=3 {
        client.get("/", LONG).await.unwrap();
        assert_eq!(http.connections(), turn);
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
    let _kept_up = client.kept_up();
    until("none waits any more", || client.measure("bff_upstream_connections") == 0.0).await;
}

#[tokio::test]
async fn only_so_many_wait() {
    let http = http1().await;
    let client = Client::of(Config { http: Some(http.url()), max_idle: 3, ..plain() });
    join_all((0..10).map(|_| client.get("/", LONG))).await;
    let before = http.connections();
    assert_eq!(before, 10);
    join_all((0..10).map(|_| client.get("/", LONG))).await;
    assert_eq!(http.connections() - before, 7, "three were kept");
}

#[tokio::test]
async fn http_2_is_spoken_without_tls_where_that_is_said() {
    let service = http2().await;
    let client = Client::of(Config { http: Some(service.url()), http_version: HttpVersion::Http2, ..plain() });
    for answer in join_all((0..20).map(|_| client.get("/", LONG))).await {
        assert!(answer.unwrap().ends_with(b"x"));
    }
    assert_eq!(service.connections(), 1);
}
