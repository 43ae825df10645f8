//! gRPC calls of one request over protobuf bytes that somebody else encodes and decodes.

mod lane;

use std::error::Error as StdError;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use hyper_util::client::legacy;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::{Code, Extensions, Request, Status};
use tonic_types::StatusExt;

use super::client::{Dialer, Pool, Versions};
use super::error::{Error, Violation, chain};
use super::{Config, Reply};
use lane::Lanes;

#[derive(Debug, Clone)]
pub struct Client {
    url: Uri,
    pool: Pool<Body>,
    lanes: Lanes,
    max_reply_bytes: usize,
}

impl Client {
    pub fn new(url: Uri, config: &Config) -> Result<Self, String> {
        let dialer = Dialer::new(&url, Versions::Http2, config)?;
        Ok(Self { url, pool: dialer.pool(), lanes: Lanes::new(dialer), max_reply_bytes: config.max_reply_bytes })
    }

    pub fn url(&self) -> &Uri {
        &self.url
    }

    pub async fn call(
        &self,
        path: &PathAndQuery,
        message: Bytes,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(Error::deadline());
        }
        let mut request = request(message, headers);
        request.set_timeout(remaining);
        match timeout_at(deadline, self.client(&self.pool).unary(request, path.clone(), Raw)).await {
            Ok(Ok(reply)) => {
                let (metadata, body, _) = reply.into_parts();
                Ok(Reply { body, headers: metadata.into_headers() })
            }
            Ok(Err(status)) => Err(failure(&status)),
            Err(_) => Err(Error::deadline()),
        }
    }

    /// Opens a stream of replies. The deadline is for the opening alone.
    pub async fn open(
        &self,
        path: &PathAndQuery,
        message: Bytes,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<Replies, Error> {
        let lane = self.lanes.enter().ok_or_else(|| Error::unreached("too many streams are open"))?;
        let mut client = self.client(&lane);
        let opening = client.server_streaming(request(message, headers), path.clone(), Raw);
        match timeout_at(deadline, opening).await {
            Ok(Ok(replies)) => {
                let replies = replies.into_inner().map_err(move |status| {
                    let _until_the_end = &lane;
                    failure(&status)
                });
                Ok(replies.boxed())
            }
            Ok(Err(status)) => Err(failure(&status)),
            Err(_) => Err(Error::deadline()),
        }
    }

    fn client(&self, pool: &Pool<Body>) -> tonic::client::Grpc<Pool<Body>> {
        tonic::client::Grpc::with_origin(pool.clone(), self.url.clone()).max_decoding_message_size(self.max_reply_bytes)
    }
}

/// The replies of a stream; it ends after an error.
pub type Replies = BoxStream<'static, Result<Bytes, Error>>;

fn request(message: Bytes, headers: HeaderMap) -> Request<Bytes> {
    Request::from_parts(MetadataMap::from_headers(headers), Extensions::default(), message)
}

/// A status with a source was made on this side of the wire; the service's own have none.
fn failure(status: &Status) -> Error {
    if let Some(cause) = status.source() {
        let message = chain(cause);
        return if is_connect(cause) { Error::unreached(&message) } else { Error::interrupted(&message) };
    }
    if status.message().starts_with(TOO_LARGE) {
        return Error::malformed(status.message());
    }
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

/// How tonic words its refusal of a reply over the limit; a test holds it to this.
const TOO_LARGE: &str = "Error, decoded message length too large";
const MAX_WAIT: Duration = Duration::from_secs(3_600);

fn is_connect(mut cause: &(dyn StdError + 'static)) -> bool {
    loop {
        if let Some(error) = cause.downcast_ref::<legacy::Error>() {
            return error.is_connect();
        }
        let Some(next) = cause.source() else { return false };
        cause = next;
    }
}

/// Hands messages through as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
