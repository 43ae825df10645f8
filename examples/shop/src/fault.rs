//! What can be wrong with an upstream, on purpose: a layer in front of its routes that delays, fails or garbles answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tonic::Status;

use crate::problem::Problem;

/// How an upstream answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Behaviour {
    pub mode: Mode,
    pub delay_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Ok,
    /// 500, or INTERNAL.
    Error,
    /// A successful answer that is neither JSON nor protobuf.
    Garbage,
    /// Nobody listens: the connection is refused.
    Stopped,
}

/// The present behaviour of one upstream, and what came of it.
#[derive(Debug, Default)]
pub struct Gate {
    behaviour: watch::Sender<Behaviour>,
    calls: AtomicU64,
    failures: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counters {
    pub calls: u64,
    /// Answers that were not a success.
    pub failures: u64,
}

impl Gate {
    pub fn behaviour(&self) -> Behaviour {
        *self.behaviour.borrow()
    }

    pub fn set(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    pub fn counters(&self) -> Counters {
        Counters { calls: self.calls.load(Ordering::Relaxed), failures: self.failures.load(Ordering::Relaxed) }
    }
}

/// The layer, for `axum::middleware::from_fn_with_state`.
pub async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    gate.calls.fetch_add(1, Ordering::Relaxed);
    let behaviour = gate.behaviour();
    if behaviour.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
    }
    let grpc = is_grpc(request.headers());
    let response = match behaviour.mode {
        Mode::Ok | Mode::Stopped => next.run(request).await,
        Mode::Error if grpc => Status::internal("broken on purpose").into_http(),
        Mode::Error => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "broken on purpose").into_response(),
        Mode::Garbage if grpc => grpc_garbage(),
        Mode::Garbage => json_garbage(),
    };
    if !is_success(&response) {
        gate.failures.fetch_add(1, Ordering::Relaxed);
    }
    response
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// A unary gRPC call that failed carries its status in the headers already.
fn is_success(response: &Response) -> bool {
    let status = response.headers().get("grpc-status");
    response.status().is_success() && status.is_none_or(|status| status == "0")
}

fn json_garbage() -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (content_type, r#"{"items": [{"id": <<<<"#).into_response()
}

/// A well-formed frame around bytes that no message has.
fn grpc_garbage() -> Response {
    let frame = Bytes::from_static(&[0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]);
    let trailers = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(frame).with_trailers(std::future::ready(Some(Ok(trailers))));
    let content_type = [(header::CONTENT_TYPE, "application/grpc")];
    (content_type, Body::new(body)).into_response()
}
