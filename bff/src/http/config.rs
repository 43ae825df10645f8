//! The settings of the two addresses.

use std::net::{Ipv4Addr, SocketAddr};

use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The public address: `[http]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub listen: SocketAddr,
    /// How browsers and partners reach the server; derived from `listen` unless set.
    pub public_url: Option<String>,
    /// How long a request may take before it is answered with 504.
    pub timeout_ms: u64,
    /// How long a client may take to send a request's head, or stay idle between two.
    pub idle_timeout_ms: u64,
    pub max_body_bytes: usize,
    pub max_connections: usize,
    /// How long open requests may go on after a stop signal.
    pub drain_ms: u64,
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
            timeout_ms: 30_000,
            // Longer than the minute that most load balancers keep a connection.
            idle_timeout_ms: 75_000,
            max_body_bytes: 1024 * 1024,
            max_connections: 10_000,
            drain_ms: 10_000,
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
            None if self.listen.ip().is_unspecified() => format!("http://localhost:{}", self.listen.port()),
            None => format!("http://{}", self.listen),
        }
    }

    /// What cannot work, beyond what the types refuse.
    pub fn problems(&self, production: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let url = self.public_url();
        if !is_origin(&url) {
            problems.push(format!("http.public_url: `{url}` is not an address like https://api.example.com"));
        } else if production && !url.starts_with("https://") {
            problems.push("http.public_url: production needs the https address that browsers use".to_owned());
        }
        let counts = [("timeout_ms", self.timeout_ms), ("idle_timeout_ms", self.idle_timeout_ms)];
        for (name, _) in counts.iter().filter(|(_, count)| *count == 0) {
            problems.push(format!("http.{name}: must be at least 1"));
        }
        if self.max_connections == 0 {
            problems.push("http.max_connections: must be at least 1".to_owned());
        }
        problems
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
