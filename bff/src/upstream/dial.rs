//! From an address to a connection: TCP, and TLS where the URL says https.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::error::Error;
use super::{Config, HttpVersion};
use crate::causes::chain;

pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// How the connections of one service are made.
#[derive(Clone)]
pub struct Dialer {
    tls: Option<(TlsConnector, ServerName<'static>)>,
    versions: HttpVersion,
    connect_timeout: Duration,
}

const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

impl Dialer {
    pub fn new(url: &Uri, versions: HttpVersion, config: &Config) -> Result<Self, String> {
        let tls = match url.scheme_str() {
            Some("https") => Some(connector(url, versions, config)?),
            _ if config.tls_ca.is_some() || config.tls_cert.is_some() => {
                return Err("is not https, so that `tls_ca` and `tls_cert` have no use; write https://".to_owned());
            }
            _ => None,
        };
        Ok(Self { tls, versions, connect_timeout: config.connect_timeout() })
    }

    /// The same, for what only HTTP/1.1 can do.
    pub fn in_http1(&self) -> Self {
        let tls = self.tls.as_ref().map(|(connector, name)| {
            let mut config = ClientConfig::clone(connector.config());
            config.alpn_protocols = vec![HTTP_1.to_vec()];
            (TlsConnector::from(Arc::new(config)), name.clone())
        });
        Self { tls, versions: HttpVersion::Http1, ..*self }
    }

    /// A connection and whether it speaks HTTP/2.
    pub async fn dial(&self, address: SocketAddr) -> Result<(Stream, bool), Error> {
        match timeout(self.connect_timeout, self.connect(address)).await {
            Ok(connected) => connected,
            Err(_) => Err(Error::unreached("cannot connect: no answer in time")),
        }
    }

    async fn connect(&self, address: SocketAddr) -> Result<(Stream, bool), Error> {
        let failed = |error: std::io::Error| Error::unreached(&format!("cannot connect: {}", chain(&error)));
        let tcp = TcpStream::connect(address).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        // A peer that vanished without a word is noticed although nothing is sent.
        let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_INTERVAL);
        SockRef::from(&tcp).set_tcp_keepalive(&keep_alive).map_err(failed)?;
        let Some((connector, name)) = &self.tls else {
            return Ok((Either::Left(tcp), self.versions == HttpVersion::Http2));
        };
        let stream = connector.connect(name.clone(), tcp).await.map_err(failed)?;
        let negotiated = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
        let http2 = negotiated || self.versions == HttpVersion::Http2;
        Ok((Either::Right(Box::new(stream)), http2))
    }
}

fn connector(url: &Uri, versions: HttpVersion, config: &Config) -> Result<(TlsConnector, ServerName<'static>), String> {
    let host = super::host(url).to_owned();
    let name = ServerName::try_from(host.clone()).map_err(|_| format!("`{host}` is no name that TLS can check"))?;
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match &config.tls_ca {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None => builder
            .with_platform_verifier()
            .map_err(|error| format!("cannot set up TLS ({error}); are CA certificates installed?"))?,
    };
    let mut tls = match (&config.tls_cert, &config.tls_key) {
        (Some(certificate), Some(key)) => {
            let unusable = |error: rustls::Error| format!("`tls_cert` and `tls_key` do not fit: {error}");
            builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?).map_err(unusable)?
        }
        _ => builder.with_no_client_auth(),
    };
    let protocols: &[&[u8]] = match versions {
        HttpVersion::Auto => &[HTTP_2, HTTP_1],
        HttpVersion::Http1 => &[HTTP_1],
        HttpVersion::Http2 => &[HTTP_2],
    };
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok((TlsConnector::from(Arc::new(tls)), name))
}

fn roots(path: &std::path::Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| format!("`tls_ca` {}: {error}", path.display()))?;
    }
    Ok(roots)
}

fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: String| format!("cannot read the certificates {}: {why}", path.display());
    let read = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    if read.is_empty() { Err(wrong("there is none in it".to_owned())) } else { Ok(read) }
}

fn private_key(path: &std::path::Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| format!("cannot read the key {}: {error}", path.display()))
}
