//! One entry of `[sources]`: where a service is, what it is told, and how much trouble it may make.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};
use secrecy::SecretString;
use serde::Deserialize;

/// The settings of one source.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of a gRPC service: `http://host:port`, `https://host:port` or `dns:///host:port`; several hosts stand
    /// side by side, as in `http://10.0.0.1:50051,10.0.0.2:50051`, and requests name the first.
    pub grpc: Option<String>,
    /// Address of an HTTP service; a base path is kept.
    pub http: Option<String>,
    /// Address of NATS, for streams of a JetStream subject: `nats://user:password@host:port`, or several with commas.
    pub nats: Option<SecretString>,
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
    /// The client's headers that are sent on.
    pub forward: Vec<String>,
    /// This server's own credentials: `authorization: Bearer ...`.
    pub bearer: Option<SecretString>,
    /// The same in a header of the service's choice.
    pub api_key: Option<SecretString>,
    pub api_key_header: String,
    /// Constant headers.
    pub headers: BTreeMap<String, SecretString>,

    /// The certificates that the service's must descend from, instead of the system's; a PEM file.
    pub tls_ca: Option<PathBuf>,
    /// This server's certificate towards the service and its key, PEM files.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Which HTTP the `http` address speaks.
    pub http_version: HttpVersion,
    /// Connections to one address that wait for another request.
    pub max_idle: usize,
    /// How long such a connection is kept.
    pub idle_timeout_ms: u64,
    /// How often a silent HTTP/2 connection with open calls is asked whether it lives.
    pub keep_alive_ms: u64,
    /// How often the name is looked up again.
    pub resolve_ms: u64,
    /// Connects at start, so that the first caller does not wait for it.
    pub warm_up: bool,

    /// Calls in flight; more wait.
    pub max_in_flight: usize,
    /// How long they wait.
    pub queue_ms: u64,
    /// Further tries of a call that may be repeated.
    pub retries: u32,
    /// How many of a hundred calls may be such tries.
    pub retry_percent: u32,
    /// Failures in a row that open the breaker; 0: none do.
    pub breaker_failures: u32,
    /// The share of failures that opens it; 0: none does.
    pub breaker_percent: u32,
    /// How long it stays open at first.
    pub breaker_open_ms: u64,
    /// Failures in a row after which one address of several rests; 0: none does.
    pub eject_failures: u32,
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

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum HttpVersion {
    /// HTTP/1.1, or HTTP/2 where TLS negotiates it.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "1.1")]
    Http1,
    /// Without negotiation where there is no TLS.
    #[serde(rename = "2")]
    Http2,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc: None,
            http: None,
            nats: None,
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
            forward: Vec::new(),
            bearer: None,
            api_key: None,
            api_key_header: "x-api-key".to_owned(),
            headers: BTreeMap::new(),
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            http_version: HttpVersion::Auto,
            max_idle: 128,
            idle_timeout_ms: 60_000,
            keep_alive_ms: 30_000,
            resolve_ms: 30_000,
            warm_up: true,
            max_in_flight: 1_000,
            queue_ms: 50,
            retries: 2,
            retry_percent: 10,
            breaker_failures: 20,
            breaker_percent: 50,
            breaker_open_ms: 1_000,
            eject_failures: 5,
        }
    }
}

/// The client's headers that say who it is.
const IDENTIFYING: [HeaderName; 2] = [AUTHORIZATION, COOKIE];

impl Config {
    /// Whether the service may answer one caller other than another, although they ask for the same.
    pub fn tells_who_asks(&self) -> bool {
        let forwarded = |own: &HeaderName| self.forward.iter().any(|name| name.eq_ignore_ascii_case(own.as_str()));
        self.identity != Identity::None || IDENTIFYING.iter().any(forwarded)
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// The first option whose value cannot work, and why.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if self.grpc.is_none() && self.http.is_none() && self.nats.is_none() {
            return Some(("", "has no address; set `grpc`, `http` or `nats` to the service's URL".to_owned()));
        }
        if self.timeout_ms == 0 || self.connect_timeout_ms == 0 {
            return Some(("", "`timeout_ms` and `connect_timeout_ms` must be at least 1".to_owned()));
        }
        let least_one = [
            (".max_in_flight", self.max_in_flight as u64),
            (".resolve_ms", self.resolve_ms),
            (".keep_alive_ms", self.keep_alive_ms),
            (".breaker_open_ms", self.breaker_open_ms),
        ];
        if let Some((option, _)) = least_one.into_iter().find(|(_, value)| *value == 0) {
            return Some((option, "must be at least 1".to_owned()));
        }
        let percents = [(".retry_percent", self.retry_percent), (".breaker_percent", self.breaker_percent)];
        if let Some((option, value)) = percents.into_iter().find(|(_, value)| *value > 100) {
            return Some((option, format!("{value} is more than 100 of a hundred")));
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => Some((".tls_key", "is missing: a certificate needs its key".to_owned())),
            (None, Some(_)) => Some((".tls_cert", "is missing: a key needs its certificate".to_owned())),
            _ => None,
        }
    }
}
