//! https towards services: whom we trust, who we are, and which HTTP that makes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bff::upstream::{Config, Kind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::asking::{Client, LONG, plain};
use super::scripted::{Scripted, answer, answer_all, answer_h2};
use crate::harness::ANY_PORT;

/// What the clients ask for.
const HOST: &str = "127.0.0.1";

/// An authority, and the files that it has issued.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key.
struct Issued {
    certificate: rcgen::Certificate,
    key: KeyPair,
    files: (PathBuf, PathBuf),
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self) -> Option<PathBuf> {
        Some(self.folder.path().join("ca.pem"))
    }

    fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = [format!("{name}.pem"), format!("{name}.key")].map(|file| self.folder.path().join(file));
        std::fs::write(&files[0], certificate.pem()).unwrap();
        std::fs::write(&files[1], key.serialize_pem()).unwrap();
        let [certificate_file, key_file] = files;
        Issued { certificate, key, files: (certificate_file, key_file) }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }
}

fn acceptor(own: &Issued, clients: Option<&Authority>, protocols: &[&str]) -> TlsAcceptor {
    bff::app::install_crypto();
    let builder = ServerConfig::builder();
    let builder = match clients {
        Some(authority) => builder
            .with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(authority.roots())).build().unwrap()),
        None => builder.with_no_client_auth(),
    };
    let chain: Vec<CertificateDer<'static>> = vec![own.certificate.der().clone()];
    let key = PrivateKeyDer::try_from(own.key.serialize_der()).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A service over TLS that answers in the version of HTTP that was negotiated, and with its name.
/// It takes its time for every handshake.
async fn service_at(address: SocketAddr, acceptor: TlsAcceptor, pause: Duration) -> Scripted {
    Scripted::start_at(address, move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            sleep(pause).await;
            let Ok(stream) = acceptor.accept(stream).await else { return };
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return answer_all(stream, &answer("over HTTP/1.1")).await;
            }
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            let tasks = TaskTracker::new();
            while let Some(Ok(call)) = connection.accept().await {
                tasks.spawn(answer_h2(call, b"over h2"));
            }
        }
    })
    .await
}

async fn service(own: &Issued, clients: Option<&Authority>, protocols: &[&str]) -> Scripted {
    service_at(ANY_PORT, acceptor(own, clients, protocols), Duration::ZERO).await
}

fn https(service: &Scripted) -> Option<String> {
    Some(format!("https://{}", service.address))
}

const BOTH: &[&str] = &["h2", "http/1.1"];

#[tokio::test]
async fn a_service_of_the_source_s_own_authority_is_trusted() {
    let authority = Authority::new();
    let service = service(&authority.issue(HOST), None, BOTH).await;
    let url = https(&service);
    let client = Client::of(Config { grpc: url.clone(), http: url, tls_ca: authority.file(), ..plain() });
    assert_eq!(client.grpc(b"", LONG).await.unwrap(), "over h2");
    // HTTP over h2 here answers in gRPC's frame.
    assert!(client.get("/", LONG).await.unwrap().ends_with(b"over h2"));
}

#[tokio::test]
async fn http_1_is_spoken_where_the_service_has_no_other() {
    let authority = Authority::new();
    for protocols in [&["http/1.1"][..], &[]] {
        let service = service(&authority.issue(HOST), None, protocols).await;
        let client = Client::of(Config { http: https(&service), tls_ca: authority.file(), ..plain() });
        for _ in 0..5 {
            assert_eq!(client.get("/", LONG).await.unwrap(), "over HTTP/1.1");
        }
        assert_eq!(service.connections(), 1);
    }
}

#[tokio::test]
async fn a_service_that_learns_http_2_is_followed() {
    let authority = Authority::new();
    let own = authority.issue(HOST);
    let (older, newer) = (&["http/1.1"][..], BOTH);
    let mut running = service(&own, None, older).await;
    let (address, url) = (running.address, https(&running));
    let client = Client::of(Config { http: url, tls_ca: authority.file(), ..plain() });
    for (protocols, said) in
        [(older, "over HTTP/1.1"), (newer, "over h2"), (older, "over HTTP/1.1"), (newer, "over h2")]
    {
        running.kill().await;
        running = service_at(address, acceptor(&own, None, protocols), Duration::ZERO).await;
        // The end of an HTTP/2 connection is for the task to see that drives it.
        sleep(Duration::from_millis(50)).await;
        for _ in 0..3 {
            let answer = client.get("/", LONG).await.unwrap();
            assert!(answer.ends_with(said.as_bytes()), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_restart_between_two_calls_goes_unnoticed() {
    let authority = Authority::new();
    let own = authority.issue(HOST);
    let mut running = service(&own, None, &["http/1.1"]).await;
    let (address, url) = (running.address, https(&running));
    let client = Client::of(Config { http: url, tls_ca: authority.file(), ..plain() });
    for _ in 0..20 {
        assert_eq!(client.get("/", LONG).await.unwrap(), "over HTTP/1.1");
        running.kill().await;
        running = service_at(address, acceptor(&own, None, &["http/1.1"]), Duration::ZERO).await;
    }
}

#[tokio::test]
async fn another_authority_is_refused_and_the_log_says_why() {
    let (authority, other) = (Authority::new(), Authority::new());
    let service = service(&authority.issue(HOST), None, BOTH).await;
    let url = https(&service);
    let client = Client::of(Config { grpc: url.clone(), http: url.clone(), tls_ca: other.file(), ..plain() });
    for error in [client.grpc(b"", LONG).await.unwrap_err(), client.get("/", LONG).await.unwrap_err()] {
        assert_eq!(error.kind, Kind::Unreached);
        assert!(error.message.contains("invalid peer certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let authority = Authority::new();
    let service = service(&authority.issue("other.test"), None, BOTH).await;
    let client = Client::of(Config { http: https(&service), tls_ca: authority.file(), ..plain() });
    let error = client.get("/", LONG).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreached);
    assert!(error.message.contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn this_server_shows_a_certificate_where_one_is_set() {
    let authority = Authority::new();
    let service = service(&authority.issue(HOST), Some(&authority), BOTH).await;
    let (certificate, key) = authority.issue("bff").files;
    let url = https(&service);
    let plain = Config { grpc: url.clone(), http: url, tls_ca: authority.file(), ..plain() };
    let client = Client::of(Config { tls_cert: Some(certificate), tls_key: Some(key), ..plain.clone() });
    assert_eq!(client.grpc(b"", LONG).await.unwrap(), "over h2");
    let unknown = Client::of(plain.clone());
    let other = Authority::new();
    let (certificate, key) = other.issue("bff").files;
    let stranger = Client::of(Config { tls_cert: Some(certificate), tls_key: Some(key), ..plain });
    for client in [unknown, stranger] {
        for error in [client.grpc(b"", LONG).await.unwrap_err(), client.get("/", LONG).await.unwrap_err()] {
            assert!(matches!(error.kind, Kind::Unreached | Kind::Interrupted), "{error}");
            assert!(error.message.contains("alert"), "{error}");
        }
    }
}

#[tokio::test]
async fn the_time_that_a_connection_takes_is_not_promised_to_the_service() {
    const HANDSHAKE: Duration = Duration::from_millis(400);
    let authority = Authority::new();
    let acceptor = acceptor(&authority.issue(HOST), None, BOTH);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let service = Scripted::start(move |stream, _| {
        let (acceptor, tell) = (acceptor.clone(), tell.clone());
        async move {
            sleep(HANDSHAKE).await;
            let stream = acceptor.accept(stream).await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok(call)) = connection.accept().await {
                tell.send(call.0.headers()["grpc-timeout"].clone()).unwrap();
                answer_h2(call, b"x").await;
            }
        }
    })
    .await;
    let client = Client::of(Config { grpc: https(&service), tls_ca: authority.file(), ..plain() });
    let patience = Duration::from_secs(10);
    client.grpc(b"", patience).await.unwrap();
    let said = told.recv().await.unwrap();
    let said: u64 = said.to_str().unwrap().strip_suffix('m').unwrap().parse().unwrap();
    assert!(Duration::from_millis(said) <= patience - HANDSHAKE, "{said}");
}

#[tokio::test]
async fn a_connection_that_takes_longer_than_a_call_may_is_there_for_the_next_one() {
    let authority = Authority::new();
    let pause = Duration::from_millis(300);
    for protocol in BOTH {
        let acceptor = acceptor(&authority.issue(HOST), None, &[protocol]);
        let service = service_at(ANY_PORT, acceptor, pause).await;
        let config = Config { http: https(&service), tls_ca: authority.file(), connect_timeout_ms: 15_000, ..plain() };
        let client = Client::of(config);
        client.get("/", pause / 6).await.unwrap_err();
        client.get("/", LONG).await.unwrap();
        assert_eq!(service.connections(), 1, "{protocol}");
    }
}
