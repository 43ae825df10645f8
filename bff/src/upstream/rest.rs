//! HTTP calls with a JSON body: a status outside 2xx becomes an error code.
//!
//! The remaining time travels as `x-request-timeout-ms`, as `grpc-timeout` does for gRPC.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tonic::Code;

use super::Reply;
use super::error::Error;
use super::exchange::Incoming;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub const TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const MAX_EXCERPT_BYTES: usize = 200;
const MAX_WAIT_SECONDS: u64 = 3_600;

/// What a request says of itself where nobody else has.
pub fn describe(headers: &mut Vec<(HeaderName, HeaderValue)>, has_body: bool) {
    let mut default = |name: HeaderName| {
        if !headers.iter().any(|(given, _)| *given == name) {
            headers.push((name, JSON));
        }
    };
    default(ACCEPT);
    if has_body {
        default(CONTENT_TYPE);
    }
}

pub fn timeout(remaining: Duration) -> (HeaderName, HeaderValue) {
    let millis = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
    (TIMEOUT, HeaderValue::from(millis.max(1)))
}

pub fn reply(incoming: Incoming) -> Result<Reply, Error> {
    let Incoming { status, headers, body, trailers } = incoming;
    if status.is_success() {
        return Ok(Reply { body, headers, trailers });
    }
    Err(refusal(status, &headers, &body))
}

/// What an answer means that is no success.
pub fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let excerpt = String::from_utf8_lossy(&body[..body.len().min(MAX_EXCERPT_BYTES)]);
    let message = format!("HTTP {}: {excerpt}", status.as_u16());
    Error::answered(code(status), &message).with_retry_after(retry_after(headers))
}

fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Code::NotFound,
        StatusCode::CONFLICT => Code::Aborted,
        StatusCode::PRECONDITION_FAILED => Code::FailedPrecondition,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        // What the service finds wrong with the request, unlike the other 4xx, which say that we called it wrongly.
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Code::InvalidArgument,
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        // A redirect or an informational answer is no answer to a call either.
        _ => Code::Internal,
    }
}

/// The waiting time in seconds; the date form is not worth a clock here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(MAX_WAIT_SECONDS)))
}
