//! What a service is told of this server and of the client, and what stays secret.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use bff::meter::Meter;
use bff::upstream::{Config, Headers, Identity, Source};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::asking::{Client, LONG, plain};
use crate::harness::{Backend, grpc_reply};

/// A service that keeps the headers of what it was asked.
async fn keeps() -> (Backend, Arc<Mutex<HeaderMap>>) {
    let kept = Arc::new(Mutex::new(HeaderMap::new()));
    let shared = Arc::clone(&kept);
    let answer = move |request: Request| {
        *shared.lock().unwrap() = request.headers().clone();
        let is_grpc = request.headers().contains_key("grpc-timeout");
        std::future::ready(if is_grpc { grpc_reply(b"") } else { Response::new("{}".into()) })
    };
    (Backend::start(Router::new().fallback(any(answer))).await, kept)
}

fn secrets() -> Config {
    Config {
        bearer: Some("s3cret-bearer".to_owned().into()),
        api_key: Some("s3cret-key".to_owned().into()),
        api_key_header: "X-Shop-Key".to_owned(),
        headers: BTreeMap::from([("x-tenant".to_owned(), "s3cret-tenant".to_owned().into())]),
        ..plain()
    }
}

#[tokio::test]
async fn this_server_s_own_reach_the_service_over_both_protocols() {
    let (backend, kept) = keeps().await;
    let url = Some(backend.url());
    let client = Client::of(Config { http: url.clone(), grpc: url, ..secrets() });
    for protocol in ["http", "grpc"] {
        match protocol {
            "http" => drop(client.get("/", LONG).await.unwrap()),
            _ => drop(client.grpc(b"", LONG).await.unwrap()),
        }
        let seen = kept.lock().unwrap().clone();
        assert_eq!(seen["authorization"], "Bearer s3cret-bearer", "{protocol}");
        assert_eq!(seen["x-shop-key"], "s3cret-key", "{protocol}");
        assert_eq!(seen["x-tenant"], "s3cret-tenant", "{protocol}");
        let twice = seen.keys().find(|name| seen.get_all(*name).iter().count() > 1);
        assert_eq!(twice, None, "{protocol}");
    }
}

#[tokio::test]
async fn a_call_cannot_replace_them_nor_lie_about_the_time() {
    let (backend, kept) = keeps().await;
    let url = Some(backend.url());
    let client = Client::of(Config { http: url.clone(), grpc: url, ..secrets() });
    let path = http::uri::PathAndQuery::from_static("/");
    let get = http::Method::GET;
    for target in [bff::upstream::Target::Grpc(path.clone()), bff::upstream::Target::Http(get.clone(), "/".to_owned())]
    {
        let given = ["authorization", "x-tenant", "grpc-timeout", "x-request-timeout-ms"];
        let headers: Headers =
            given.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("99S"))).to_vec();
        let (body, deadline) = (bytes::Bytes::new(), Instant::now() + LONG);
        let is_grpc = matches!(target, bff::upstream::Target::Grpc(_));
        let call = bff::upstream::Call { target, headers, body, deadline, repeatable: false };
        client.source.call(call).await.unwrap();
        let seen = kept.lock().unwrap().clone();
        assert_eq!(seen["authorization"], "Bearer s3cret-bearer");
        assert_eq!(seen["x-tenant"], "s3cret-tenant");
        let ours = if is_grpc { "grpc-timeout" } else { "x-request-timeout-ms" };
        let values: Vec<_> = seen.get_all(ours).iter().filter(|value| *value != "99S").collect();
        assert_eq!((values.len(), seen.get_all(ours).iter().count()), (1, 1), "{seen:?}");
    }
}

#[test]
fn a_setting_that_cannot_work_is_named() {
    let problem = |config: Config| {
        let config = Config { http: Some("http://127.0.0.1:1".to_owned()), ..config };
        Source::connect("shop", &config, &Meter::none()).err().map(|error| error.to_string())
    };
    let secret = |text: &str| Some(text.to_owned().into());
    let header = |name: &str| BTreeMap::from([(name.to_owned(), "s3cret".to_owned().into())]);
    for name in [
        "Connection",
        "content-length",
        "content-type",
        "Host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "expect",
        "grpc-timeout",
        "x-request-timeout-ms",
    ] {
        let lower = name.to_lowercase();
        assert_eq!(
            problem(Config { headers: header(name), ..plain() }).unwrap(),
            format!("sources.shop.headers: `{lower}` is not for anybody to set")
        );
        assert_eq!(
            problem(Config { forward: vec![name.to_owned()], ..plain() }).unwrap(),
            format!("sources.shop.forward: `{lower}` is not for anybody to set")
        );
        let api_key = Config { api_key: secret("s3cret"), api_key_header: name.to_owned(), ..plain() };
        assert_eq!(
            problem(api_key).unwrap(),
            format!("sources.shop.api_key_header: `{lower}` is not for anybody to set")
        );
    }
    for (config, said) in [
        (Config { headers: header("a b"), ..plain() }, ".headers: `a b` is no name of a header"),
        (Config { forward: vec!["".to_owned()], ..plain() }, ".forward: `` is no name of a header"),
        (Config { bearer: secret("s3cret\nx: y"), ..plain() }, ".bearer: has characters that no header can carry"),
        (
            Config { bearer: secret("s3cret"), identity: Identity::Token, ..plain() },
            ".bearer: a caller's token (`identity = \"token\"`) is in the same header; use `api_key`",
        ),
        (
            Config { bearer: secret("s3cret"), headers: header("Authorization"), ..plain() },
            ".headers: `authorization` is set twice",
        ),
        (
            Config { api_key: secret("s3cret"), forward: vec!["X-Api-Key".to_owned()], ..plain() },
            ".forward: `x-api-key` is this server's own",
        ),
    ] {
        let found = problem(config).unwrap();
        assert_eq!(found, format!("sources.shop{said}"));
        assert!(!found.contains("s3cret"));
    }
    assert_eq!(problem(plain()), None);
}

/// What is logged, whole.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that is logged of two calls that succeed and two that fail.
async fn logged() -> String {
    let (log, (backend, _)) = (Log::default(), keeps().await);
    let written = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || written.clone());
    let logging = tracing::subscriber::set_default(subscriber.finish());
    let url = Some(backend.url());
    let client = Client::of(Config { http: url.clone(), grpc: url, ..secrets() });
    client.get("/", LONG).await.unwrap();
    client.grpc(b"", LONG).await.unwrap();
    backend.kill().await;
    client.get("/", LONG).await.unwrap_err();
    client.grpc(b"", LONG).await.unwrap_err();
    drop(logging);
    String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}

#[tokio::test]
async fn no_log_has_a_value_of_them_however_much_is_logged() {
    // Whoever sets up another log at the same moment may switch this one off.
    for _ in 0..50 {
        let log = logged().await;
        assert_eq!(log.lines().find(|line| line.contains("s3cret")), None);
        if log.contains("shop") {
            return;
        }
    }
    panic!("nothing is ever logged");
}

#[test]
fn no_value_is_ever_shown() {
    let shown = format!("{:?} {:#?}", secrets(), secrets());
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("REDACTED"), "{shown}");
}
