//! The settings of the two addresses.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::address_limit::RateLimit;
use super::client_address::{ForwardedHeader, Network};
use super::cors;
use crate::limits::Enforce;

/// The public address: `[http]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub listen: SocketAddr,
    /// How browsers and partners reach the server; derived from `listen` unless set.
    pub public_url: Option<String>,
    /// A chain of certificates and its key, PEM files; with both the server speaks https.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// The proxies that may name the client's address, and the header in which they do.
    pub trusted_proxies: Vec<Network>,
    pub forwarded_header: ForwardedHeader,
    /// Other sites whose pages may call this server, as browsers name them; `*` for all.
    pub cors_origins: Vec<String>,
    /// How long a request may take before it is answered with 504.
    pub timeout_ms: u64,
    /// How long a new connection may take to send a request's head, and any one to go on with a body.
    pub read_timeout_ms: u64,
    /// How long a connection may stay open without a request; over HTTP/2 an answer keeps it open only while it is read.
    pub idle_timeout_ms: u64,
    pub max_body_bytes: usize,
    pub max_connections: usize,
    /// How many requests may be answered at once; more are answered with 503.
    pub max_requests: usize,
    /// How long a stream of events or a WebSocket may stay open without a word, and a download without being read.
    pub stream_idle_ms: u64,
    /// How many streams, WebSockets, uploads and downloads one account may have open at once, and one address where
    /// nobody signed in.
    pub streams_per_account: usize,
    pub streams_per_address: usize,
    /// How long a client may read nothing of what is sent to it.
    pub write_timeout_ms: u64,
    /// How long open requests may go on after a stop signal.
    pub drain_ms: u64,
    /// Whether `/docs` shows what the server answers.
    pub docs: bool,
    pub rate_limit: RateLimit,
}

/// The operators' address: `[admin]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    pub listen: SocketAddr,
    /// The bearer token that operators send; required unless `listen` is a loopback address.
    pub token: Option<SecretString>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            tls_cert: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            cors_origins: Vec::new(),
            timeout_ms: 30_000,
            read_timeout_ms: 10_000,
            // Longer than the minute that most load balancers keep a connection.
            idle_timeout_ms: 75_000,
            max_body_bytes: 1024 * 1024,
            max_connections: 10_000,
            // A few times of what a core answers in the time that a client is glad to wait.
            max_requests: 2_000,
            stream_idle_ms: 1_800_000,
            // Several devices with several pages each.
            streams_per_account: 32,
            // An office of many.
            streams_per_address: 256,
            write_timeout_ms: 60_000,
            drain_ms: 10_000,
            docs: true,
            rate_limit: RateLimit::default(),
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)), token: None }
    }
}

impl Config {
    /// How the outside names this server, without a slash at the end.
    pub fn public_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if self.listen.ip().is_unspecified() => {
                format!("{}://localhost:{}", self.scheme(), self.listen.port())
            }
            None => format!("{}://{}", self.scheme(), self.listen),
        }
    }

    fn scheme(&self) -> &'static str {
        if self.tls_cert.is_some() { "https" } else { "http" }
    }

    /// What cannot work, beyond what the types refuse.
    pub fn problems(&self, production: bool) -> Vec<String> {
        let url = self.public_url();
        let mut problems = self.counts();
        if !is_origin(&url) {
            problems.push(format!("http.public_url: `{url}` is not an address like https://api.example.com"));
        } else if production && (self.public_url.is_none() || !url.starts_with("https://")) {
            problems.push("http.public_url: production needs the https address that browsers use".to_owned());
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            problems.push("http.tls_cert, http.tls_key: set both or none".to_owned());
        }
        for origin in self.cors_origins.iter().filter(|origin| *origin != cors::ANY && !is_written_by_browsers(origin))
        {
            problems.push(format!("http.cors_origins: `{origin}` is not an origin like https://app.example.com"));
        }
        if production && self.cors_origins.iter().any(|origin| origin == cors::ANY) {
            problems.push("http.cors_origins: production needs the sites by name instead of `*`".to_owned());
        }
        if production && self.rate_limit.enforce == Enforce::Off {
            problems.push("http.rate_limit.enforce: production does not go without; raise its numbers".to_owned());
        }
        problems
    }

    fn counts(&self) -> Vec<String> {
        let counts = [
            ("timeout_ms", self.timeout_ms),
            ("read_timeout_ms", self.read_timeout_ms),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("stream_idle_ms", self.stream_idle_ms),
            ("streams_per_account", self.streams_per_account as u64),
            ("streams_per_address", self.streams_per_address as u64),
            ("write_timeout_ms", self.write_timeout_ms),
            ("max_connections", self.max_connections as u64),
            ("max_requests", self.max_requests as u64),
            ("max_body_bytes", self.max_body_bytes as u64),
        ];
        let none = counts.iter().filter(|(_, count)| *count == 0);
        none.map(|(name, _)| format!("http.{name}: must be at least 1")).collect()
    }
}

impl AdminConfig {
    /// What cannot work, beyond what the types refuse.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match &self.token {
            Some(token) if token.expose_secret().len() < MIN_TOKEN_BYTES => {
                problems.push(format!("admin.token: must have at least {MIN_TOKEN_BYTES} characters"));
            }
            None if !self.listen.ip().is_loopback() => {
                let listen = self.listen;
                problems.push(format!("admin.listen: {listen} can be reached from outside; set admin.token as well"));
            }
            _ => {}
        }
        problems
    }
}

const MIN_TOKEN_BYTES: usize = 16;

/// A scheme and an authority, and nothing behind them.
fn is_origin(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.path() == "/" && uri.query().is_none()
}

/// An origin in the one spelling that browsers send: lower-case, without a default port or a slash.
fn is_written_by_browsers(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let plain = !host.contains(['/', '@', '*']) && !host.ends_with(default_port);
    is_origin(origin) && plain && !origin.bytes().any(|byte| byte.is_ascii_uppercase())
}
