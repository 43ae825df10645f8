//! The pooled connections that both protocols send over.

use std::time::Duration;

use http::Uri;
use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use super::Config;

pub type Pool<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Which HTTP versions a pool may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/2 by prior knowledge, as gRPC needs it.
    Http2,
    /// HTTP/1.1, or HTTP/2 where TLS negotiates it.
    Negotiated,
}

const IDLE: Duration = Duration::from_secs(60);
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_IDLE_PER_HOST: usize = 64;
const MAX_REPLY_HEADER_BYTES: u32 = 32 * 1024;

/// How the connections of one service are made.
#[derive(Debug, Clone)]
pub struct Dialer {
    builder: Builder,
    connector: HttpsConnector<HttpConnector>,
}

impl Dialer {
    pub fn new(url: &Uri, versions: Versions, config: &Config) -> Result<Self, String> {
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .http2_only(versions == Versions::Http2)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_max_header_list_size(MAX_REPLY_HEADER_BYTES);
        Ok(Self { builder, connector: connector(url, versions, config)? })
    }

    /// Connections of their own, shared with no other pool.
    pub fn pool<B>(&self) -> Pool<B>
    where
        B: Body + Send + 'static + Unpin,
        B::Data: Send,
    {
        self.builder.build(self.connector.clone())
    }
}

fn connector(url: &Uri, versions: Versions, config: &Config) -> Result<HttpsConnector<HttpConnector>, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(PING_INTERVAL));
    tcp.set_connect_timeout(Some(Duration::from_millis(config.connect_timeout_ms)));

    let builder = if url.scheme_str() == Some("https") {
        HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(aws_lc_rs::default_provider())
            .map_err(|error| format!("cannot set up TLS ({error}); are CA certificates installed?"))?
            .https_only()
    } else {
        HttpsConnectorBuilder::new().with_tls_config(trust_nobody()?).https_or_http()
    };
    Ok(match versions {
        Versions::Http2 => builder.enable_http2().wrap_connector(tcp),
        Versions::Negotiated => builder.enable_all_versions().wrap_connector(tcp),
    })
}

/// A plain http source never starts TLS, so it must not need the machine's CA certificates.
fn trust_nobody() -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(config)
}
