//! HTTP calls with a JSON body: a status outside 2xx becomes an error code.
//!
//! The remaining time travels as `x-request-timeout-ms`, as `grpc-timeout` does for gRPC.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use tonic::Code;

use super::client::{Dialer, Pool, Versions};
use super::error::{Error, chain};
use super::{Config, Reply};

#[derive(Debug, Clone)]
pub struct Client {
    url: Uri,
    /// Scheme, authority and base path, without a slash at the end.
    base: String,
    pool: Pool<Full<Bytes>>,
    max_reply_bytes: usize,
}

pub struct Call<'a> {
    pub method: Method,
    /// Starts with `/`.
    pub path_and_query: &'a str,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    pub fn new(url: Uri, config: &Config) -> Result<Self, String> {
        let pool = Dialer::new(&url, Versions::Negotiated, config)?.pool();
        let base = url.to_string().trim_end_matches('/').to_owned();
        Ok(Self { url, base, pool, max_reply_bytes: config.max_reply_bytes })
    }

    pub fn url(&self) -> &Uri {
        &self.url
    }

    pub async fn call(&self, call: Call<'_>, deadline: Instant) -> Result<Reply, Error> {
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(Error::deadline());
        }
        let request = self.request(call, remaining)?;
        timeout_at(deadline, self.send(request)).await.unwrap_or_else(|_| Err(Error::deadline()))
    }

    fn request(&self, call: Call<'_>, remaining: Duration) -> Result<Request<Full<Bytes>>, Error> {
        let uri: Uri = format!("{}{}", self.base, call.path_and_query)
            .parse()
            .map_err(|error| Error::request(&format!("not a path: {error}")))?;
        let has_body = !call.body.is_empty();
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        *headers = call.headers;
        headers.entry(ACCEPT).or_insert(JSON);
        if has_body {
            headers.entry(CONTENT_TYPE).or_insert(JSON);
        }
        let millis = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
        headers.insert(TIMEOUT, HeaderValue::from(millis.max(1)));
        Ok(request)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, Error> {
        let answer = self.pool.request(request).await.map_err(|error| {
            let message = chain(&error);
            if error.is_connect() { Error::unreached(&message) } else { Error::interrupted(&message) }
        })?;
        let (head, body) = answer.into_parts();
        // The body of an error is read as well: a connection with unread bytes cannot be reused.
        let body = self.read(body).await;
        if head.status.is_success() {
            return Ok(Reply { body: body?, headers: head.headers });
        }
        let text = body.unwrap_or_default();
        let excerpt = String::from_utf8_lossy(&text[..text.len().min(MAX_EXCERPT_BYTES)]);
        let message = format!("HTTP {}: {excerpt}", head.status.as_u16());
        Err(Error::answered(code(head.status), &message).with_retry_after(retry_after(&head.headers)))
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Error> {
        match Limited::new(body, self.max_reply_bytes).collect().await {
            Ok(reply) => Ok(reply.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(Error::malformed(&format!("the reply is over {} bytes", self.max_reply_bytes)))
            }
            Err(error) => Err(Error::interrupted(&chain(&*error))),
        }
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const MAX_EXCERPT_BYTES: usize = 200;
const MAX_WAIT_SECONDS: u64 = 3_600;

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
