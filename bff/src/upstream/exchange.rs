//! One request and its answer, whole, in whichever version of HTTP.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use tokio::time::Instant;

use super::Error;

/// A request on its way to a service; each try writes it anew.
#[derive(Debug)]
pub struct Outgoing {
    pub method: Method,
    pub path: PathAndQuery,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    /// The header that tells the service how long we wait.
    pub timeout: fn(Duration) -> (HeaderName, HeaderValue),
    /// May be sent twice.
    pub repeatable: bool,
}

#[derive(Debug)]
pub struct Incoming {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

/// Whom a request names as its receiver.
#[derive(Debug, Clone)]
pub struct Receiver {
    pub scheme: Scheme,
    pub authority: Authority,
    /// HTTP/1.1's form of it.
    pub host: HeaderValue,
}

impl Outgoing {
    /// The headers of one try, which tell the service how long we wait. Of two with one name the later counts.
    pub fn header_map(&self, deadline: Option<Instant>) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 2);
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        if let Some(deadline) = deadline {
            let (name, value) = (self.timeout)(deadline.saturating_duration_since(Instant::now()));
            headers.insert(name, value);
        }
        headers
    }
}

impl Receiver {
    /// The whole address of a path there.
    pub fn absolute(&self, path: &PathAndQuery) -> Result<Uri, Error> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.clone());
        Uri::from_parts(parts).map_err(|error| Error::request(&error.to_string()))
    }
}

/// A body that arrives in pieces; mostly there is one, which is kept as it is.
#[derive(Debug)]
pub struct Collected {
    first: Bytes,
    rest: BytesMut,
    limit: usize,
}

impl Collected {
    pub fn new(limit: usize) -> Self {
        Self { first: Bytes::new(), rest: BytesMut::new(), limit }
    }

    /// `expected` is how much is still to come, as far as that is known.
    pub fn add(&mut self, piece: Bytes, expected: u64) -> Result<(), Error> {
        let length = self.first.len().max(self.rest.len()) + piece.len();
        if length > self.limit {
            return Err(Error::malformed(&format!("the reply is over {} bytes", self.limit)));
        }
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = piece;
            return Ok(());
        }
        if self.rest.is_empty() {
            // Believed up to the limit alone: what a service says must not decide an allocation.
            let still = usize::try_from(expected).unwrap_or(usize::MAX).min(self.limit - length);
            self.rest.reserve(length + still);
            self.rest.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.rest.extend_from_slice(&piece);
        Ok(())
    }

    pub fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}
