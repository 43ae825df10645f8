//! What clients see of a server that stops.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bff::http::Config;
use http::Version;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::harness::{Answer, Connection, Stack, client};

#[tokio::test]
async fn an_open_request_is_finished_before_the_server_stops() {
    static ENTERED: Notify = Notify::const_new();
    static FINISH: Notify = Notify::const_new();
    let slow = || async {
        ENTERED.notify_one();
        FINISH.notified().await;
        "done"
    };
    let stack = Stack::start(Router::new().route("/slow", get(slow)), Config::default()).await;
    let request = client().get(format!("{}/slow", stack.url));
    let stop = async {
        ENTERED.notified().await;
        stack.shutdown.cancel();
        FINISH.notify_one();
        stack.running.wait().await;
    };
    let (answer, ()) = tokio::join!(Answer::of(request), stop);
    assert_eq!((answer.status, &answer.body[..]), (200, &b"done"[..]));
    assert!(client().get(&stack.url).send().await.is_err(), "the port is closed");
}

#[tokio::test]
async fn draining_is_bounded() {
    static ENTERED: Notify = Notify::const_new();
    let stuck = || async {
        ENTERED.notify_one();
        std::future::pending::<&str>().await
    };
    let routes = Router::new().route("/stuck", get(stuck));
    let stack = Stack::start(routes, Config { drain_ms: 20, ..Config::default() }).await;
    let stopped = async {
        ENTERED.notified().await;
        stack.shutdown.cancel();
        stack.running.wait().await;
    };
    tokio::select! {
        answer = client().get(format!("{}/stuck", stack.url)).send() => panic!("{answer:?}"),
        () = stopped => {}
    }
}

/// How a client that never stops asking uses its connections.
#[derive(Clone, Copy)]
enum Habit {
    /// One for every request.
    New,
    /// The same one, without a pause.
    Kept,
    /// The same one, with pauses, after which it looks whether the connection is still there.
    Paused,
}

/// Asks until the port is closed; every request that was sent must be answered.
async fn hammer(address: SocketAddr, habit: Habit) {
    let header = if matches!(habit, Habit::New) { "connection: close\r\n" } else { "" };
    while let Ok(mut connection) = Connection::open(address).await {
        loop {
            let answer = connection.ask(&format!("GET /hello HTTP/1.1\r\nhost: a\r\n{header}\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer:?}");
            if answer.contains("\r\nconnection: close\r\n") {
                break;
            }
            if matches!(habit, Habit::Paused) {
                sleep(Duration::from_millis(20)).await;
                if connection.is_closed() {
                    break;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_server_stops() {
    static ASKED: Notify = Notify::const_new();
    let hello = || async {
        ASKED.notify_one();
        "hello"
    };
    let stack = Stack::start(Router::new().route("/hello", get(hello)), Config::default()).await;
    let habits = [Habit::New, Habit::Kept, Habit::Paused].into_iter().cycle().take(12);
    let hammers: Vec<_> = habits.map(|habit| stack.running.spawn(hammer(stack.address, habit))).collect();
    for _ in 0..200 {
        ASKED.notified().await;
    }
    stack.shutdown.cancel();
    for hammer in hammers {
        hammer.await.unwrap();
    }
    stack.running.wait().await;
}

#[tokio::test]
async fn http_2_clients_are_told_to_go_away() {
    static ENTERED: Notify = Notify::const_new();
    static FINISH: Notify = Notify::const_new();
    let slow = || async {
        ENTERED.notify_one();
        FINISH.notified().await;
        "done"
    };
    let stack = Stack::start(Router::new().route("/slow", get(slow)), Config::default()).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().tls_certs_only([]).build().unwrap();
    let tasks = TaskTracker::new();
    let request = client.get(format!("{}/slow", stack.url));
    let open = tasks.spawn(async move { request.send().await.unwrap() });
    ENTERED.notified().await;
    stack.shutdown.cancel();
    FINISH.notify_one();
    let answer = open.await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
    assert_eq!(answer.text().await.unwrap(), "done");
    // The client still holds its connection; only a GOAWAY ends it before the drain does.
    stack.running.wait().await;
    assert!(client.get(&stack.url).send().await.unwrap_err().is_connect());
}
