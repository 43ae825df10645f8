//! TLS of the public address: one certificate, HTTP/2 or HTTP/1.1 as the client can.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::Config;

/// Why the certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("http.{setting}: cannot read {} as PEM", path.display())]
    Read { setting: &'static str, path: PathBuf, source: pem::Error },
    #[error("http.tls_cert: {} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    #[error("http.tls_cert and http.tls_key cannot be used together")]
    Unusable(#[from] rustls::Error),
}

/// None unless the configuration names a certificate.
pub fn acceptor(config: &Config) -> Result<Option<TlsAcceptor>, TlsError> {
    let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else { return Ok(None) };
    let (chain, key) = (chain(cert)?, private_key(key)?);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut server = builder.with_no_client_auth().with_single_cert(chain, key)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Read { setting: "tls_cert", path: path.to_owned(), source };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unreadable)?;
    if chain.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let unreadable = |source| TlsError::Read { setting: "tls_key", path: path.to_owned(), source };
    PrivateKeyDer::from_pem_file(path).map_err(unreadable)
}
