//! What surrounds every call, health and reflection included: its deadline, and one log line where it fails.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, sleep_until};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use crate::fault;

/// How long a call may take that states no deadline, or a later one; a stream may be read for longer.
const CALL_MAX: Duration = Duration::from_secs(30);

/// When the caller stops waiting; None where it did not say. Handlers find it among the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Option<Instant>);

/// The layer itself, around the routes.
#[derive(Clone)]
pub struct Surrounded<S>(pub S);

impl<S> Service<http::Request<Body>> for Surrounded<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let method = request.uri().path().to_owned();
        let timeout = timeout(request.headers());
        // Read here and not in the future: tonic starts the same timer after this call, and would answer CANCELLED.
        let now = Instant::now();
        let deadline = timeout.clone().ok().flatten().and_then(|timeout| now.checked_add(timeout));
        let latest = deadline.map_or(now + CALL_MAX, |deadline| deadline.min(now + CALL_MAX));
        request.extensions_mut().insert(Deadline(deadline));
        let answer = self.0.call(request);
        Box::pin(async move {
            let response = match timeout {
                Err(status) => status.into_http(),
                Ok(_) => tokio::select! {
                    biased;
                    answer = answer => answer?,
                    () = sleep_until(latest) => fault::deadline_exceeded().into_http(),
                },
            };
            if let Some(status) = response.extensions().get::<Status>() {
                log_failure(&method, status);
            }
            Ok(response)
        })
    }
}

/// Reads `grpc-timeout`: at most 8 digits and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    value.to_str().ok().and_then(parse_timeout).map(Some).ok_or_else(|| {
        Status::invalid_argument("grpc-timeout: must be 1 to 8 digits and one of H, M, S, m, u, n; for example 250m")
    })
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3_600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// Loud where this service or what it needs is to blame, quiet where the caller is.
fn log_failure(method: &str, status: &Status) {
    let code = status.code();
    let reason = status.message();
    let cause = std::error::Error::source(status).map(ToString::to_string);
    match code {
        Code::Ok => {}
        Code::Internal | Code::Unknown | Code::DataLoss | Code::Unavailable | Code::DeadlineExceeded => {
            tracing::warn!(method, ?code, reason, cause, "call failed");
        }
        _ => tracing::info!(method, ?code, reason, cause, "call refused"),
    }
}
