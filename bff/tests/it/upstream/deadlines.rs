//! Nothing returns later than its deadline, and the service is told how long somebody waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use bff::upstream::{Config, Error};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::HeaderMap;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::asking::{Client, LATE, plain};
use super::scripted::{Scripted, request};
use crate::harness::{Backend, grpc_frame, grpc_reply};

const PATIENCE: Duration = Duration::from_millis(150);

async fn is_in_time(what: &str, call: impl Future<Output = Result<Bytes, Error>>) {
    let began = Instant::now();
    let error = call.await.unwrap_err();
    assert_eq!(error.code, Code::DeadlineExceeded, "{what}: {error}");
    assert!((PATIENCE..PATIENCE + LATE).contains(&began.elapsed()), "{what}: {:?}", began.elapsed());
}

#[tokio::test]
async fn over_http_1() {
    type Script = fn(tokio::net::TcpStream) -> futures_util::future::BoxFuture<'static, ()>;
    let scripts: [(&str, Script); 5] = [
        ("never reads", |stream| Box::pin(async move { drop((sleep(PATIENCE * 20).await, stream)) })),
        ("never answers", |mut stream| {
            Box::pin(async move {
                request(&mut stream).await;
                sleep(PATIENCE * 20).await;
            })
        }),
        ("trickles its head", |stream| Box::pin(trickles(stream, "HTTP/1.1 200 OK\r\nx: ", "y"))),
        ("trickles its body", |stream| {
            Box::pin(trickles(stream, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", "z"))
        }),
        ("trickles its chunks", |stream| {
            Box::pin(trickles(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nz\r\n"))
        }),
    ];
    for (what, script) in scripts {
        let service = Scripted::start(move |stream, _| script(stream)).await;
        let client = Client::of(Config { http: Some(service.url()), ..plain() });
        is_in_time(what, client.get("/", PATIENCE)).await;
        is_in_time(what, client.post("/", PATIENCE)).await;
    }
}

async fn trickles(mut stream: tokio::net::TcpStream, head: &'static str, piece: &'static str) {
    request(&mut stream).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    while stream.write_all(piece.as_bytes()).await.is_ok() {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn over_grpc() {
    let trickling = || async { grpc_of(stream::repeat(Bytes::from_static(b"z"))) };
    // The message is announced with more than ever comes.
    let stops = || async { grpc_of(stream::once(async { grpc_frame(b"x").slice(..5) }).chain(stream::pending())) };
    let hangs = std::future::pending::<&str>;
    for (what, routes) in [
        ("never answers", Router::new().fallback(any(hangs))),
        ("trickles", Router::new().fallback(any(trickling))),
        ("stops in the middle", Router::new().fallback(any(stops))),
    ] {
        let backend = Backend::start(routes).await;
        let client = Client::of(Config { grpc: Some(backend.url()), ..plain() });
        is_in_time(what, client.grpc(b"", PATIENCE)).await;
        is_in_time(what, client.grpc_again(b"", PATIENCE)).await;
    }
    let silent = Scripted::start(|stream, _| async move { drop((sleep(PATIENCE * 20).await, stream)) }).await;
    let client = Client::of(Config { grpc: Some(silent.url()), ..plain() });
    is_in_time("says not even hello", client.grpc(b"", PATIENCE)).await;
}

fn grpc_of(pieces: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Response {
    let slowly = pieces.then(|piece| async {
        sleep(Duration::from_millis(20)).await;
        Ok::<_, std::io::Error>(piece)
    });
    let body = axum::body::Body::from_stream(slowly);
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

#[tokio::test]
async fn an_address_where_nobody_accepts_is_given_up_in_time() {
    // A listener whose queue is full drops what comes, as a machine that is gone does.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(crate::harness::ANY_PORT).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(100), tokio::net::TcpStream::connect(address)).await
    {
        filling.push(stream);
        assert!(filling.len() < 100);
    }
    let url = Some(format!("http://{address}"));
    let client = Client::of(Config { http: url.clone(), grpc: url, ..plain() });
    is_in_time("http", client.get("/", PATIENCE)).await;
    let many = (0..20).map(|_| is_in_time("grpc", client.grpc(b"", PATIENCE)));
    futures_util::future::join_all(many).await;
}

/// A service that keeps what it was told of the remaining time, in microseconds.
async fn keeps() -> (Backend, Arc<Mutex<Vec<u64>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    let answer = move |request: Request| {
        kept.lock().unwrap().push(told_micros(request.headers()));
        let is_grpc = request.headers().contains_key("grpc-timeout");
        std::future::ready(if is_grpc { grpc_reply(b"") } else { Response::new("{}".into()) })
    };
    (Backend::start(Router::new().fallback(any(answer))).await, told)
}

fn told_micros(headers: &HeaderMap) -> u64 {
    let text = |name: &str| {
        let values: Vec<_> = headers.get_all(name).into_iter().collect();
        assert!(values.len() < 2, "{name} is said once: {values:?}");
        values.first().map(|value| value.to_str().unwrap().to_owned())
    };
    match (text("grpc-timeout"), text("x-request-timeout-ms")) {
        (Some(grpc), None) => grpc.strip_suffix('m').unwrap().parse::<u64>().unwrap() * 1_000,
        (None, Some(http)) => http.parse::<u64>().unwrap() * 1_000,
        both => panic!("{both:?}"),
    }
}

#[tokio::test]
async fn the_service_is_told_what_remains() {
    let (backend, told) = keeps().await;
    let url = Some(backend.url());
    let client = Client::of(Config { http: url.clone(), grpc: url, ..plain() });
    for patience in [Duration::from_secs(2), Duration::from_secs(9)] {
        client.get("/", patience).await.unwrap();
        client.grpc(b"", patience).await.unwrap();
        for micros in told.lock().unwrap().drain(..) {
            assert!(Duration::from_micros(micros) <= patience, "{micros} of {patience:?}");
            assert!(Duration::from_micros(micros) + LATE > patience, "{micros} of {patience:?}");
        }
    }
}

#[tokio::test]
async fn each_further_try_tells_less() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    let answer = move |request: Request| {
        kept.lock().unwrap().push(told_micros(request.headers()));
        std::future::ready(http::StatusCode::SERVICE_UNAVAILABLE)
    };
    let backend = Backend::start(Router::new().fallback(any(answer))).await;
    let client = Client::of(Config { http: Some(backend.url()), retries: 3, ..plain() });
    client.get("/", Duration::from_secs(5)).await.unwrap_err();
    let told = told.lock().unwrap();
    assert!(told.len() == 4 && told.is_sorted_by(|before, after| before > after), "{told:?}");
}
