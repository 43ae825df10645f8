//! https from this server itself.

use bff::http::acceptor;
use bff::identity::DEMO_PASSWORD;
use http::Version;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, ClientBuilder};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Answer, Server};

/// A server with a certificate of its own, and a client that trusts it.
async fn server() -> (Server, TempDir, ClientBuilder) {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let [cert_file, key_file] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&cert_file, cert.pem()).unwrap();
    std::fs::write(&key_file, signing_key.serialize_pem()).unwrap();
    let server = Server::start_with(|mut config| {
        (config.http.tls_cert, config.http.tls_key) = (Some(cert_file), Some(key_file));
        config
    })
    .await;
    let trusted = Certificate::from_pem(cert.pem().as_bytes()).unwrap();
    (server, folder, ClientBuilder::new().no_proxy().tls_certs_only([trusted]))
}

#[tokio::test]
async fn https_speaks_both_versions_of_http() {
    let (server, _folder, builder) = server().await;
    assert!(server.url.starts_with("https://127.0.0.1:"));
    let newer = builder.build().unwrap().get(format!("{}/healthz", server.url)).send().await.unwrap();
    assert_eq!((newer.status().as_u16(), newer.version()), (200, Version::HTTP_2));
    assert_eq!(newer.headers()["strict-transport-security"], "max-age=31536000");
}

#[tokio::test]
async fn older_clients_and_the_browser_cookie() {
    let (server, _folder, builder) = server().await;
    let client = builder.http1_only().build().unwrap();
    let body = json!({ "identifier": "user@shop.test", "password": DEMO_PASSWORD, "session": "cookie" });
    let login = client.post(format!("{}/v1/auth/login", server.url)).header("sec-fetch-site", "same-origin");
    let answer = login.json(&body).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_11));
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-sid=") && cookie.contains("; Secure"), "{cookie}");
}

#[tokio::test]
async fn who_does_not_speak_tls_costs_nothing() {
    let (server, _folder, builder) = server().await;
    let plain = server.url.replace("https://", "http://");
    assert!(server.client.get(&plain).send().await.is_err());
    assert!(server.client.get(&server.url).send().await.is_err(), "not its certificate authority");
    let answer = Answer::of(builder.build().unwrap().get(format!("{}/healthz", server.url))).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| Some(folder.path().join(name));
    let other = generate_simple_self_signed(["b.test".to_owned()]).unwrap();
    let own = generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    std::fs::write(path("cert.pem").unwrap(), own.cert.pem()).unwrap();
    std::fs::write(path("other.key").unwrap(), other.signing_key.serialize_pem()).unwrap();
    std::fs::write(path("empty.pem").unwrap(), "").unwrap();
    let problem = |cert: &str, key: &str| {
        let config = bff::http::Config { tls_cert: path(cert), tls_key: path(key), ..Default::default() };
        acceptor(&config).err().unwrap().to_string()
    };
    assert!(problem("away.pem", "other.key").starts_with("http.tls_cert: cannot read "));
    assert!(problem("empty.pem", "other.key").ends_with("empty.pem holds no certificate"));
    assert!(problem("cert.pem", "empty.pem").starts_with("http.tls_key: cannot read "));
    assert_eq!(problem("cert.pem", "other.key"), "http.tls_cert and http.tls_key cannot be used together");
}
