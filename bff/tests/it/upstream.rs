//! The client stack against services on real sockets: replies, errors, limits, deadlines, restarts.

mod asking;
mod balance;
mod breaker;
mod bulkhead;
mod credentials;
mod deadlines;
mod forwarded;
mod frames;
mod grpc_answers;
mod http1;
mod http2;
mod leaks;
mod retries;
mod scripted;
mod tls;
mod upkeep;

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use bff::meter::Meter;
use bff::upstream::{Call, Config, Error, Kind, Source, Target, Violation};
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::harness::{Backend, grpc_reply};

const SOON: Duration = Duration::from_secs(20);

/// Without a breaker, so that the tests that have nothing to do with it see the service itself.
fn config() -> Config {
    Config { max_reply_bytes: 1000, breaker_failures: 0, breaker_percent: 0, ..Config::default() }
}

fn grpc_source(backend: &Backend) -> Source {
    let config = Config { grpc: Some(backend.url()), ..config() };
    Source::connect("orders", &config, &Meter::none()).unwrap()
}

fn http_source(backend: &Backend) -> Source {
    let config = Config { http: Some(format!("{}/base/", backend.url())), ..config() };
    Source::connect("catalog", &config, &Meter::none()).unwrap()
}

async fn call_grpc(source: &Source, message: &'static [u8], patience: Duration) -> Result<Bytes, Error> {
    let path = PathAndQuery::from_static("/orders.v1.OrderService/GetOrder");
    let headers = vec![(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer t"))];
    let (body, deadline) = (Bytes::from_static(message), Instant::now() + patience);
    let call = Call { target: Target::Grpc(path.clone()), headers, body, deadline, repeatable: false };
    Ok(source.call(call).await?.body)
}

async fn call_http(source: &Source, path: &str, patience: Duration) -> Result<Bytes, Error> {
    let (target, deadline) = (Target::Http(Method::GET, path.to_owned()), Instant::now() + patience);
    let call = Call { target, headers: Vec::new(), body: Bytes::new(), deadline, repeatable: true };
    Ok(source.call(call).await?.body)
}

/// Answers with the message it was sent.
async fn echo(request: Request) -> Response {
    assert_eq!(request.uri().path(), "/orders.v1.OrderService/GetOrder");
    assert_eq!(request.headers()["authorization"], "Bearer t");
    assert!(request.headers().contains_key("grpc-timeout"));
    let frame = axum::body::to_bytes(request.into_body(), 100).await.unwrap();
    grpc_reply(&frame[5..])
}

fn grpc_routes<H: axum::handler::Handler<T, ()>, T: 'static>(handler: H) -> Router {
    Router::new().route("/orders.v1.OrderService/GetOrder", post(handler))
}

#[tokio::test]
async fn grpc_passes_bytes_through() {
    let backend = Backend::start(grpc_routes(echo)).await;
    let source = grpc_source(&backend);
    assert_eq!(call_grpc(&source, b"\x0a\x02id", SOON).await.unwrap(), &b"\x0a\x02id"[..]);
    assert_eq!(call_grpc(&source, b"", SOON).await.unwrap(), &b""[..]);
    assert_eq!(source.check().await, Ok(()));
}

#[tokio::test]
async fn grpc_errors_keep_code_violations_and_waiting_time() {
    let refuse = || async {
        let mut details = ErrorDetails::with_bad_request_violation("quantity", "must be positive");
        details.set_retry_info(Some(Duration::from_secs(3)));
        let status = Status::with_error_details(Code::InvalidArgument, "no", details);
        status.into_http::<axum::body::Body>()
    };
    let backend = Backend::start(grpc_routes(refuse)).await;
    let error = call_grpc(&grpc_source(&backend), b"", SOON).await.unwrap_err();
    assert_eq!((error.code, error.kind), (Code::InvalidArgument, Kind::Answered));
    let violation = Violation { field: "quantity".to_owned(), description: "must be positive".to_owned() };
    assert_eq!(error.violations, [violation]);
    assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_grpc_reply_over_the_limit_is_malformed() {
    let backend = Backend::start(grpc_routes(|| async { grpc_reply(&[0; 1001]) })).await;
    let error = call_grpc(&grpc_source(&backend), b"", SOON).await.unwrap_err();
    assert_eq!((error.code, error.kind), (Code::Internal, Kind::Malformed), "{error}");
}

#[tokio::test]
async fn a_slow_backend_exceeds_the_deadline() {
    let slow = Router::new().fallback(any(std::future::pending::<&str>));
    let backend = Backend::start(slow).await;
    let patience = Duration::from_millis(30);
    let grpc = call_grpc(&grpc_source(&backend), b"", patience).await.unwrap_err();
    let http = call_http(&http_source(&backend), "/", patience).await.unwrap_err();
    let late = call_http(&http_source(&backend), "/", Duration::ZERO).await.unwrap_err();
    for error in [grpc, http, late] {
        assert_eq!((error.code, error.kind), (Code::DeadlineExceeded, Kind::Interrupted));
    }
}

#[tokio::test]
async fn open_streams_take_no_room_from_calls_or_further_streams() {
    let silent = || async {
        let body = axum::body::Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        Response::builder().header("content-type", "application/grpc").body(body).unwrap()
    };
    let backend = Backend::start(grpc_routes(echo).route("/orders.v1.OrderService/WatchOrders", post(silent))).await;
    let source = grpc_source(&backend);
    let path = PathAndQuery::from_static("/orders.v1.OrderService/WatchOrders");
    let mut streams = Vec::new();
    // More than the backend allows on one connection.
    for _ in 0..450 {
        let (target, deadline) = (Target::Grpc(path.clone()), Instant::now() + SOON);
        let call = Call { target, headers: Vec::new(), body: Bytes::new(), deadline, repeatable: false };
        let stream = source.open(call).await;
        streams.push(stream.map_err(|error| error.to_string()).unwrap());
    }
    assert_eq!(call_grpc(&source, b"x", SOON).await.unwrap(), "x");
}

#[tokio::test]
async fn a_restarted_backend_is_used_again_at_once() {
    let routes = || grpc_routes(echo).route("/base/items", any(|| async { "[]" }));
    let backend = Backend::start(routes()).await;
    let (grpc, http) = (grpc_source(&backend), http_source(&backend));
    let address = backend.address;
    let mut backend = backend;
    for _ in 0..3 {
        assert_eq!(call_grpc(&grpc, b"x", SOON).await.unwrap(), "x");
        assert_eq!(call_http(&http, "/items", SOON).await.unwrap(), "[]");

        backend.kill().await;
        for _ in 0..2 {
            for error in
                [call_grpc(&grpc, b"x", SOON).await.unwrap_err(), call_http(&http, "/items", SOON).await.unwrap_err()]
            {
                assert_eq!(error.code, Code::Unavailable, "{error}");
            }
        }
        let unreached = call_grpc(&grpc, b"x", SOON).await.unwrap_err();
        assert_eq!(unreached.kind, Kind::Unreached, "{unreached}");
        assert_eq!(grpc.check().await.unwrap_err(), "cannot connect: connection refused");

        backend = Backend::start_at(address, routes()).await;
    }
}

#[tokio::test]
async fn a_restart_between_two_calls_goes_unnoticed() {
    let routes = || grpc_routes(echo).route("/base/items", any(|| async { "[]" }));
    let mut backend = Backend::start(routes()).await;
    let (grpc, http, address) = (grpc_source(&backend), http_source(&backend), backend.address);
    for _ in 0..20 {
        assert_eq!(call_grpc(&grpc, b"x", SOON).await.unwrap(), "x");
        assert_eq!(call_http(&http, "/items", SOON).await.unwrap(), "[]");
        backend.kill().await;
        backend = Backend::start_at(address, routes()).await;
    }
}

#[tokio::test]
async fn http_keeps_the_base_path_and_says_how_long_it_waits() {
    let show = |request: Request| async move {
        let wait: u64 = request.headers()["x-request-timeout-ms"].to_str().unwrap().parse().unwrap();
        assert!((1..=20_000).contains(&wait));
        assert_eq!(request.headers()["accept"], "application/json");
        format!("{} {}", request.method(), request.uri())
    };
    let backend = Backend::start(Router::new().fallback(any(show))).await;
    let source = http_source(&backend);
    assert_eq!(call_http(&source, "/items?ids=1&ids=2", SOON).await.unwrap(), "GET /base/items?ids=1&ids=2");
    let error = call_http(&source, "/a b", SOON).await.unwrap_err();
    assert_eq!((error.code, error.kind), (Code::Internal, Kind::Request));
}

#[tokio::test]
async fn an_http_status_becomes_a_code() {
    let answer = |path: axum::extract::Path<u16>| async move {
        (StatusCode::from_u16(path.0).unwrap(), [("retry-after", "7")], "secret").into_response()
    };
    let backend = Backend::start(Router::new().route("/base/{status}", any(answer))).await;
    // Whose pause would be kept before another try.
    let config = Config { http: Some(format!("{}/base/", backend.url())), retries: 0, ..config() };
    let source = Source::connect("catalog", &config, &Meter::none()).unwrap();
    for (status, code) in [
        (400, Code::InvalidArgument),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::NotFound),
        (409, Code::Aborted),
        (412, Code::FailedPrecondition),
        (422, Code::InvalidArgument),
        (429, Code::ResourceExhausted),
        (302, Code::Internal),
        (500, Code::Internal),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
    ] {
        let error = call_http(&source, &format!("/{status}"), SOON).await.unwrap_err();
        assert_eq!((error.code, error.kind), (code, Kind::Answered), "{status}");
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn an_http_reply_over_the_limit_is_malformed() {
    let backend = Backend::start(Router::new().fallback(any(|| async { "x".repeat(1001) }))).await;
    let error = call_http(&http_source(&backend), "/", SOON).await.unwrap_err();
    assert_eq!((error.code, error.kind), (Code::Internal, Kind::Malformed), "{error}");
}

#[test]
fn a_wrong_address_is_named() {
    let problem = |config: Config| Source::connect("orders", &config, &Meter::none()).err().unwrap().to_string();
    assert_eq!(
        problem(Config::default()),
        "sources.orders: has no address; set `grpc`, `http` or `nats` to the service's URL"
    );
    assert_eq!(
        problem(Config { grpc: Some("localhost:50051".to_owned()), ..Config::default() }),
        "sources.orders.grpc: `localhost:50051` has no http or https scheme; expected a URL like http://127.0.0.1:50051"
    );
    assert_eq!(
        problem(Config { http: Some("http://a/b?c".to_owned()), ..Config::default() }),
        "sources.orders.http: `http://a/b?c` has a query; expected a URL like http://127.0.0.1:50051"
    );
}
