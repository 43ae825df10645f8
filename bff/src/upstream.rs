//! The client stack towards the services behind the server: bytes in, bytes out, one error type.
//!
//! A `Source` is one configured service. It connects when first called, so start-up works while a
//! service is away, and it redials by itself once the service is back. Every call has a deadline,
//! and every reply has a size limit. Who the caller is arrives here as ready header bytes.

mod client;
mod error;
mod grpc;
mod operation;
mod rest;
mod trace;

pub use error::{Error, Failure, Kind, Violation};
pub use grpc::Replies;
pub use operation::OperationMeter;

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// One entry of `[sources]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of a gRPC service: `http://host:port` or `https://host:port`.
    pub grpc: Option<String>,
    /// Address of an HTTP service; a base path is kept.
    pub http: Option<String>,
    /// Folder of the `.proto` files that describe the gRPC service.
    pub protos: Option<String>,
    /// Which packages of these the service serves; all unless set.
    pub packages: Option<Vec<String>>,
    /// A compiled descriptor set, instead of `protos`.
    pub descriptors: Option<String>,
    /// The OpenAPI document that describes the HTTP service.
    pub openapi: Option<String>,
    /// How long one call may take unless the view says otherwise.
    pub timeout_ms: u64,
    pub connect_timeout_ms: u64,
    pub max_reply_bytes: usize,
    /// Whether this server is of no use while the service is away.
    pub required: bool,
    /// What the service is told about the caller.
    pub identity: Identity,
    /// The audience of that token; the source's name unless set.
    pub audience: Option<String>,
}

/// What a source is told about the caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    #[default]
    None,
    /// A short token in the caller's name, signed by this server.
    Token,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc: None,
            http: None,
            protos: None,
            packages: None,
            descriptors: None,
            openapi: None,
            timeout_ms: 1_000,
            connect_timeout_ms: 1_000,
            max_reply_bytes: 4 * 1024 * 1024,
            required: true,
            identity: Identity::None,
            audience: None,
        }
    }
}

/// One service behind the server, reached over gRPC, HTTP or both.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    audience: String,
    config: Config,
    grpc: Option<grpc::Client>,
    http: Option<rest::Client>,
}

/// A successful answer.
#[derive(Debug)]
pub struct Reply {
    pub body: Bytes,
    /// Of a gRPC call: its metadata.
    pub headers: HeaderMap,
}

/// Why a source cannot be set up; says which setting to change.
#[derive(Debug, thiserror::Error)]
#[error("sources.{source_name}{setting}: {reason}")]
pub struct ConfigError {
    source_name: String,
    setting: String,
    reason: String,
}

impl Source {
    /// Prepares the clients of a source; opens no connection yet.
    pub fn connect(name: &str, config: &Config) -> Result<Self, ConfigError> {
        let invalid = |setting: &str, reason: String| ConfigError {
            source_name: name.to_owned(),
            setting: setting.to_owned(),
            reason,
        };
        if config.grpc.is_none() && config.http.is_none() {
            let reason = "has no address; set `grpc` or `http` to the service's URL".to_owned();
            return Err(invalid("", reason));
        }
        if config.timeout_ms == 0 || config.connect_timeout_ms == 0 {
            return Err(invalid("", "`timeout_ms` and `connect_timeout_ms` must be at least 1".to_owned()));
        }
        let grpc = match &config.grpc {
            Some(url) => Some(
                service_url(url)
                    .and_then(|url| grpc::Client::new(url, config))
                    .map_err(|reason| invalid(".grpc", reason))?,
            ),
            None => None,
        };
        let http = match &config.http {
            Some(url) => Some(
                service_url(url)
                    .and_then(|url| rest::Client::new(url, config))
                    .map_err(|reason| invalid(".http", reason))?,
            ),
            None => None,
        };
        Ok(Self {
            name: name.to_owned(),
            audience: config.audience.clone().unwrap_or_else(|| name.to_owned()),
            config: config.clone(),
            grpc,
            http,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whom a token for this source is meant for.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    pub fn identity(&self) -> Identity {
        self.config.identity
    }

    /// Whether this server is of no use while the service is away.
    pub fn is_required(&self) -> bool {
        self.config.required
    }

    /// How long one call may take unless the view says otherwise.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.timeout_ms)
    }

    /// One unary gRPC call: `message` and the reply are protobuf bytes.
    pub async fn grpc(
        &self,
        path: &PathAndQuery,
        message: Bytes,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let Some(client) = &self.grpc else { return Err(no_address("grpc")) };
        let span = trace::span(&self.name, path.as_str());
        let headers = trace::announced(&span, headers);
        trace::within(span, client.call(path, message, headers, deadline)).await
    }

    /// Opens a gRPC call of many replies. The deadline is for the opening alone.
    pub async fn open(
        &self,
        path: &PathAndQuery,
        message: Bytes,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<Replies, Error> {
        let Some(client) = &self.grpc else { return Err(no_address("grpc")) };
        let span = trace::span(&self.name, path.as_str());
        let headers = trace::announced(&span, headers);
        trace::within(span, client.open(path, message, headers, deadline)).await
    }

    /// One HTTP call: a successful answer, or the status as an error.
    pub async fn http(
        &self,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let Some(client) = &self.http else { return Err(no_address("http")) };
        let span = trace::span(&self.name, method.as_str());
        let headers = trace::announced(&span, headers);
        let call = rest::Call { method, path_and_query, headers, body };
        trace::within(span, client.call(call, deadline)).await
    }

    /// Whether something accepts connections at every address of the source.
    pub async fn check(&self) -> Result<(), String> {
        let urls = [self.grpc.as_ref().map(grpc::Client::url), self.http.as_ref().map(rest::Client::url)];
        for url in urls.into_iter().flatten() {
            let connect = TcpStream::connect((host(url), port(url)));
            match timeout(Duration::from_millis(self.config.connect_timeout_ms), connect).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(format!("cannot connect: {}", error.kind())),
                Err(_) => return Err("cannot connect: no answer in time".to_owned()),
            }
        }
        Ok(())
    }
}

fn no_address(protocol: &str) -> Error {
    Error::request(&format!("the source has no `{protocol}` address"))
}

/// Reads an absolute http or https URL.
fn service_url(url: &str) -> Result<Uri, String> {
    let expected = "expected a URL like http://127.0.0.1:50051";
    let uri: Uri = url.parse().map_err(|error| format!("`{url}` is not a URL ({error}); {expected}"))?;
    if uri.authority().is_none() || !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("`{url}` has no http or https scheme; {expected}"));
    }
    if uri.query().is_some() {
        return Err(format!("`{url}` has a query; {expected}"));
    }
    Ok(uri)
}

fn host(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

fn port(url: &Uri) -> u16 {
    let default = if url.scheme_str() == Some("https") { 443 } else { 80 };
    url.port_u16().unwrap_or(default)
}
