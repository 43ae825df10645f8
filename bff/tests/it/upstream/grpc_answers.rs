//! Answers that gRPC allows, and those that it does not.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::any;
use bff::upstream::{Config, Error, Kind};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use tonic::Code;

use super::asking::{Client, LONG, plain};
use super::scripted::status;
use crate::harness::{Backend, grpc_frame};

fn head(code: u16) -> http::response::Builder {
    Response::builder().status(code).header("content-type", "application/grpc")
}

fn with_trailers(body: impl Into<Bytes>, trailers: HeaderMap) -> Response {
    let body = Full::new(body.into()).with_trailers(async { Some(Ok(trailers)) });
    head(200).body(Body::new(body)).unwrap()
}

/// What comes of an answer, and whether the connection is as good as before.
async fn of(make: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Result<Bytes, Error> {
    let answer = move || std::future::ready(make());
    let good = || async { with_trailers(grpc_frame(b"good"), status("0")) };
    let routes = Router::new().route("/shop.v1.Shop/Get", any(answer)).route("/good", any(good));
    let backend = Backend::start(routes).await;
    let client = Client::of(Config { grpc: Some(backend.url()), max_reply_bytes: 1_000, ..plain() });
    let result = client.grpc(b"", LONG).await;
    let path = http::uri::PathAndQuery::from_static("/good");
    assert_eq!(client.grpc_at(&path, b"", LONG, false).await.unwrap(), "good");
    result
}

async fn failure_of(make: impl Fn() -> Response + Clone + Send + Sync + 'static) -> (Code, Kind) {
    let error = of(make).await.unwrap_err();
    (error.code, error.kind)
}

#[tokio::test]
async fn a_message_of_any_size_within_the_limit_is_an_answer() {
    for length in [0, 1, 999, 1_000] {
        let answer = move || with_trailers(grpc_frame(&vec![7; length]), status("0"));
        assert_eq!(of(answer).await.unwrap(), vec![7; length]);
    }
}

#[tokio::test]
async fn an_error_may_be_all_there_is() {
    let trailers_only = || head(200).header("grpc-status", "5").header("grpc-message", "a%20b").body(Body::empty());
    let error = of(move || trailers_only().unwrap()).await.unwrap_err();
    assert_eq!((error.code, error.kind, &*error.message), (Code::NotFound, Kind::Answered, "a b"));
    let unavailable = || with_trailers(Bytes::new(), status("14"));
    assert_eq!(failure_of(unavailable).await, (Code::Unavailable, Kind::Answered));
}

#[tokio::test]
async fn an_error_after_a_message_is_an_error() {
    let answer = || with_trailers(grpc_frame(b"x"), status("13"));
    assert_eq!(failure_of(answer).await, (Code::Internal, Kind::Answered));
}

#[tokio::test]
async fn an_answer_without_a_status_is_none() {
    let without = || head(200).body(Body::from(grpc_frame(b"x"))).unwrap();
    assert_eq!(failure_of(without).await, (Code::Unavailable, Kind::Interrupted));
    let other = HeaderMap::from_iter([(HeaderName::from_static("x"), HeaderValue::from_static("y"))]);
    let trailers_of_another = move || with_trailers(grpc_frame(b"x"), other.clone());
    assert_eq!(failure_of(trailers_of_another).await, (Code::Unavailable, Kind::Interrupted));
}

#[tokio::test]
async fn a_status_that_is_no_number_is_unknown() {
    for nonsense in ["", "x", "99", "-1", "00"] {
        let (code, kind) = failure_of(move || with_trailers(grpc_frame(b"x"), status(nonsense))).await;
        assert_eq!((code, kind), (Code::Unknown, Kind::Answered), "{nonsense:?}");
    }
}

#[tokio::test]
async fn a_status_of_http_alone_has_a_code() {
    for (http, code) in [
        (400, Code::Internal),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unimplemented),
        (429, Code::Unavailable),
        (500, Code::Unknown),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
    ] {
        let answer = move || Response::builder().status(http).body(Body::from("<html>")).unwrap();
        assert_eq!(failure_of(answer).await, (code, Kind::Answered), "{http}");
    }
}

#[tokio::test]
async fn what_is_not_one_plain_message_is_malformed() {
    let two = [grpc_frame(b"one"), grpc_frame(b"two")].concat();
    let compressed = [&[1], &grpc_frame(b"x")[1..]].concat();
    let cut = grpc_frame(b"whole").slice(..8).to_vec();
    let announces_much = [0, 255, 255, 255, 255, 1].to_vec();
    let long = grpc_frame(&[0; 1_001]).to_vec();
    for (what, body) in [
        ("none", Vec::new()),
        ("two", two),
        ("compressed", compressed),
        ("cut", cut),
        ("announces much", announces_much),
        ("over the limit", long),
        ("a head alone", vec![0; 4]),
    ] {
        let answer = move || with_trailers(body.clone(), status("0"));
        assert_eq!(failure_of(answer).await, (Code::Internal, Kind::Malformed), "{what}");
    }
}

#[tokio::test]
async fn a_length_that_lies_is_no_answer() {
    use std::sync::Arc;

    use super::scripted::Scripted;
    for length in ["1", "1000"] {
        let length = Arc::new(length.to_owned());
        let service = Scripted::start(move |stream, _| {
            let length = Arc::clone(&length);
            async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let head = Response::builder().header("content-length", &*length).body(()).unwrap();
                    let mut stream = respond.send_response(head, false).unwrap();
                    let _ = stream.send_data(grpc_frame(b"x"), false);
                    let _ = stream.send_trailers(status("0"));
                }
            }
        })
        .await;
        let client = Client::of(Config { grpc: Some(service.url()), ..plain() });
        let error = client.grpc(b"", LONG).await.unwrap_err();
        assert!(matches!(error.kind, Kind::Interrupted | Kind::Malformed), "{error}");
    }
}
