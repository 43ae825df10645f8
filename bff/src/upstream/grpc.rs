//! gRPC over HTTP/2, as messages that somebody else encodes and decodes: framing, deadlines, statuses.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>; nothing is compressed, and nothing is asked to be.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use h2::RecvStream;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::error::{Error, Violation};
use super::exchange::Incoming;
use super::http2::{self, Place};
use super::{Message, Replies, Reply};

/// What every request says of itself.
pub const HEADERS: [(HeaderName, HeaderValue); 2] =
    [(CONTENT_TYPE, HeaderValue::from_static("application/grpc")), (TE, HeaderValue::from_static("trailers"))];

pub const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// In front of a message: whether it is compressed, and its length.
pub const PREFIX_BYTES: usize = 5;
const MAX_WAIT: Duration = Duration::from_secs(3_600);

/// How long the service may take; the number has at most eight digits. Whole milliseconds, where there are enough of
/// them: a value that comes again is one byte in a compressed header.
pub fn timeout(remaining: Duration) -> (HeaderName, HeaderValue) {
    let text = match remaining.as_millis() {
        0..=9 => format!("{}u", remaining.as_micros()),
        millis => format!("{}m", millis.min(99_999_999)),
    };
    (TIMEOUT, HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("1S")))
}

/// A message behind its prefix.
pub fn framed(message: &[u8]) -> Result<Bytes, Error> {
    let length = u32::try_from(message.len()).map_err(|_| Error::request("the request is over 4 GiB"))?;
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    frame.put_u8(0);
    frame.put_u32(length);
    frame.put_slice(message);
    Ok(frame.freeze())
}

/// The one message of an answer, or why there is none.
pub fn reply(incoming: Incoming, limit: usize) -> Result<Reply, Error> {
    let Incoming { status, headers, body, trailers } = incoming;
    // An answer without a message may have its status among the headers.
    match outcome(status, trailers.as_ref().unwrap_or(&headers))? {
        Outcome::Ok => {}
        Outcome::Open => return Err(Error::interrupted("the answer ends without a status")),
    }
    let mut body = body;
    let Some(message) = message(&mut body, limit)? else {
        return Err(Error::malformed("the answer has no message"));
    };
    if !body.is_empty() {
        return Err(Error::malformed("the answer has more than one message"));
    }
    Ok(Reply { body: message, headers, trailers })
}

/// Opens the sequence of an answer's messages.
pub fn replies(head: http::Response<RecvStream>, place: Place, limit: usize) -> Result<Replies, Error> {
    let (head, body) = head.into_parts();
    if matches!(outcome(head.status, &head.headers)?, Outcome::Ok) {
        return Ok(stream::empty().boxed());
    }
    let open = Open { body, pending: BytesMut::new(), limit, place };
    Ok(stream::try_unfold(Some(open), async |open| {
        let Some(mut open) = open else { return Ok(None) };
        Ok(open.next().await?.map(|body| (Message { body, id: None }, Some(open))))
    })
    .boxed())
}

struct Open {
    body: RecvStream,
    pending: BytesMut,
    limit: usize,
    /// Held for as long as the stream is open.
    #[expect(dead_code, reason = "its end frees the room on the connection")]
    place: Place,
}

impl Open {
    /// None at the end, which a status must say is a good one.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(message) = message(&mut self.pending, self.limit)? {
                return Ok(Some(message));
            }
            match http2::next(&mut self.body).await? {
                Some(piece) => self.pending.extend_from_slice(&piece),
                None => break,
            }
        }
        let trailers = http2::trailers(&mut self.body).await?.unwrap_or_default();
        match outcome(StatusCode::OK, &trailers)? {
            Outcome::Ok if self.pending.is_empty() => Ok(None),
            Outcome::Ok => Err(Error::malformed("the stream ends within a message")),
            Outcome::Open => Err(Error::interrupted("the stream ends without a status")),
        }
    }
}

/// Bytes as they arrive, from which a message can be taken.
trait Arrived: Buf {
    fn take(&mut self, length: usize) -> Bytes;
}

impl Arrived for Bytes {
    fn take(&mut self, length: usize) -> Bytes {
        self.split_to(length)
    }
}

impl Arrived for BytesMut {
    fn take(&mut self, length: usize) -> Bytes {
        self.split_to(length).freeze()
    }
}

/// The next whole message, if it is there.
fn message(arrived: &mut impl Arrived, limit: usize) -> Result<Option<Bytes>, Error> {
    let Some((&[compressed, a, b, c, d], rest)) = arrived.chunk().split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if compressed != 0 {
        return Err(Error::malformed("a message is compressed, which nobody asked for"));
    }
    if length > limit {
        return Err(Error::malformed(&format!("a message is over {limit} bytes")));
    }
    if rest.len() < length {
        return Ok(None);
    }
    arrived.advance(PREFIX_BYTES);
    Ok(Some(arrived.take(length)))
}

enum Outcome {
    Ok,
    /// Nothing is said yet.
    Open,
}

/// What an answer's headers or trailers say of how it went.
fn outcome(http: StatusCode, headers: &HeaderMap) -> Result<Outcome, Error> {
    if http == StatusCode::OK && headers.get(GRPC_STATUS).is_some_and(|status| status == "0") {
        return Ok(Outcome::Ok);
    }
    match Status::from_header_map(headers) {
        Some(status) => Err(failure(&status)),
        None if http == StatusCode::OK => Ok(Outcome::Open),
        None => Err(Error::answered(code(http), &format!("HTTP {} without a gRPC status", http.as_u16()))),
    }
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

fn failure(status: &Status) -> Error {
    let details = status.get_error_details();
    let violations = details.bad_request().map_or_else(Vec::new, |bad| {
        let violation =
            |v: &tonic_types::FieldViolation| Violation { field: v.field.clone(), description: v.description.clone() };
        bad.field_violations.iter().map(violation).collect()
    });
    let retry_after = details.retry_info().and_then(|info| info.retry_delay).filter(|d| *d <= MAX_WAIT);
    let code = match status.code() {
        // An error that calls itself a success is a broken answer.
        Code::Ok => Code::Internal,
        code => code,
    };
    Error::answered(code, status.message()).with_violations(violations).with_retry_after(retry_after)
}

/// What a proxy between us and the service means.
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
fn code(http: StatusCode) -> Code {
    match http {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_fits_into_eight_digits() {
        let text = |remaining| timeout(remaining).1.to_str().unwrap().to_owned();
        assert_eq!(text(Duration::from_micros(1)), "1u");
        assert_eq!(text(Duration::from_micros(250_900)), "250m");
        assert_eq!(text(Duration::from_secs(100)), "100000m");
        assert_eq!(text(Duration::from_secs(1 << 40)), "99999999m");
    }

    #[test]
    fn messages_are_taken_one_by_one_however_they_arrive() {
        let wire = [framed(b"one").unwrap(), framed(b"").unwrap(), framed(b"three").unwrap()].concat();
        let (mut pending, mut taken) = (BytesMut::new(), Vec::new());
        for byte in &wire {
            pending.put_u8(*byte);
            taken.extend(message(&mut pending, 5).unwrap());
        }
        assert_eq!(taken, [&b"one"[..], b"", b"three"]);
        assert!(pending.is_empty());
        assert!(message(&mut framed(b"longer").unwrap(), 5).is_err());
        assert!(message(&mut Bytes::from_static(&[1, 0, 0, 0, 0]), 5).is_err());
        assert!(message(&mut Bytes::from_static(&[0, 255, 255, 255, 255]), 5).is_err());
    }
}
