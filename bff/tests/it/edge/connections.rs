//! How long and how many connections are kept, and what a client is told that sends too slowly or too much.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bff::http::{Config, Json};
use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::harness::{Connection, Stack};

const HELLO: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

async fn stack(config: Config) -> Stack {
    let routes = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|Json(body): Json<Value>| async { axum::Json(body) }));
    Stack::start(routes, config).await
}

/// By default the system would keep 128 waiting, and drop the others' first packets.
#[tokio::test]
async fn many_who_come_at_once_are_let_in_before_anyone_is_served() {
    let listener = bff::http::listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let all = join_all((0..500).map(|_| TcpStream::connect(address)));
    let inside = timeout(Duration::from_secs(60), all).await.expect("no one is left outside");
    assert!(inside.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let stack = stack(Config { read_timeout_ms: 20, ..Config::default() }).await;
    for begun in ["", "P", "GET / HTTP/1.1\r\nhost: a\r\n", "PRI * HTTP/2.0\r\n"] {
        let connection = Connection::open(stack.address).await.unwrap();
        assert_eq!(connection.ask_to_the_end(begun).await, "", "{begun:?}");
    }
}

#[tokio::test]
async fn a_connection_that_had_a_request_may_idle_longer() {
    let stack = stack(Config { read_timeout_ms: 300, ..Config::default() }).await;
    let mut connection = Connection::open(stack.address).await.unwrap();
    connection.ask(HELLO).await;
    sleep(Duration::from_millis(400)).await;
    assert!(connection.ask(HELLO).await.ends_with("hello"));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let stack = stack(Config { idle_timeout_ms: 300, ..Config::default() }).await;
    let mut connection = Connection::open(stack.address).await.unwrap();
    connection.ask(HELLO).await;
    assert_eq!(connection.ask_to_the_end("").await, "");
}

#[tokio::test]
async fn an_idle_http_2_connection_is_closed() {
    let stack = stack(Config { idle_timeout_ms: 300, ..Config::default() }).await;
    let stream = TokioIo::new(TcpStream::connect(stack.address).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let asking = async {
        let request = Request::get(&stack.url).body(Empty::<Bytes>::new()).unwrap();
        let answer = client.send_request(request).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    let (ended, answer) = tokio::join!(connection, asking);
    assert_eq!((ended.is_ok(), &answer[..]), (true, &b"hello"[..]), "it ends while the client holds it");
}

/// Whoever lets nothing be sent holds an answer for each of two hundred requests.
#[tokio::test]
async fn an_http_2_connection_whose_client_takes_no_answer_is_closed() {
    let stack = stack(Config { idle_timeout_ms: 300, ..Config::default() }).await;
    let stream = TcpStream::connect(stack.address).await.unwrap();
    let (client, connection) =
        h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(stream).await.unwrap();
    let asking = async {
        let request = Request::get(&stack.url).body(()).unwrap();
        let (answer, _) = client.ready().await.unwrap().send_request(request, true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        answer
    };
    let ended = timeout(Duration::from_secs(60), async { tokio::join!(connection, asking) }).await;
    assert!(ended.is_ok(), "its client holds it for ever");
}

/// Much slower than what idles is closed, but never silent for long.
#[tokio::test]
async fn an_answer_that_is_read_slowly_over_http_2_comes_whole() {
    const LENGTH: usize = 400_000;
    let routes = Router::new().route("/large", get(|| async { vec![b'x'; LENGTH] }));
    let stack = Stack::start(routes, Config { idle_timeout_ms: 1_000, ..Config::default() }).await;
    let stream = TcpStream::connect(stack.address).await.unwrap();
    let (client, connection) =
        h2::client::Builder::new().initial_window_size(16_384).handshake::<_, Bytes>(stream).await.unwrap();
    let reading = async {
        let request = Request::get(format!("{}/large", stack.url)).body(()).unwrap();
        let (answer, _) = client.ready().await.unwrap().send_request(request, true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        let mut length = 0;
        while let Some(piece) = body.data().await {
            let piece = piece.expect("the answer is still being read");
            length += piece.len();
            sleep(Duration::from_millis(150)).await;
            body.flow_control().release_capacity(piece.len()).unwrap();
        }
        length
    };
    let (_, length) = tokio::join!(connection, reading);
    assert_eq!(length, LENGTH);
}

#[tokio::test]
async fn a_body_that_stalls_is_a_problem() {
    let stack = stack(Config { read_timeout_ms: 300, ..Config::default() }).await;
    let connection = Connection::open(stack.address).await.unwrap();
    let request = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{\"a";
    let answer = connection.ask_to_the_end(request).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("\"code\":\"request-timeout\""), "{answer}");
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let stack = stack(Config::default()).await;
    let connection = Connection::open(stack.address).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-large: {}\r\n\r\n", "x".repeat(70_000));
    let answer = connection.ask_to_the_end(&request).await;
    assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let stack = stack(Config { max_connections: 1, ..Config::default() }).await;
    let mut first = Connection::open(stack.address).await.unwrap();
    first.ask(HELLO).await;
    let mut second = Connection::open(stack.address).await.unwrap();
    let (answer, ()) = tokio::join!(second.ask(HELLO), async {
        assert!(first.ask(HELLO).await.ends_with("hello"), "the first is still served");
        drop(first);
    });
    assert!(answer.ends_with("hello"));
}
