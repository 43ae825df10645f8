//! Contracts pulled from services: over both versions of reflection, as a document, and what is said where there is none.

use std::path::Path;

use axum::Router;
use axum::routing::get;
use bff::config::Config;
use bff::{app, contracts, upstream};
use http::StatusCode;
use prost_reflect::DescriptorPool;
use tempfile::TempDir;
use tonic::service::Routes;
use tonic_reflection::server::Builder;

use crate::harness::Backend;

/// What describes the orders, encoded: two services, and the files that they import.
fn descriptors() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let mut compiler = protox::Compiler::new([root]).unwrap();
    compiler.include_imports(true).open_file("orders/v1/orders.proto").unwrap();
    compiler.encode_file_descriptor_set()
}

fn router(service: Routes) -> Router {
    service.prepare().into_axum_router()
}

fn v1() -> Router {
    let descriptors = descriptors();
    let service = Builder::configure().register_encoded_file_descriptor_set(&descriptors).build_v1().unwrap();
    router(Routes::new(service))
}

fn v1alpha() -> Router {
    let descriptors = descriptors();
    let service = Builder::configure().register_encoded_file_descriptor_set(&descriptors).build_v1alpha().unwrap();
    router(Routes::new(service))
}

fn grpc(backend: &Backend, file: &Path) -> upstream::Config {
    let descriptors = Some(file.display().to_string());
    upstream::Config { grpc: Some(backend.url()), descriptors, ..upstream::Config::default() }
}

fn http(backend: &Backend, file: &Path) -> upstream::Config {
    let openapi = Some(file.display().to_string());
    upstream::Config { http: Some(backend.url()), openapi, ..upstream::Config::default() }
}

async fn refusal(source: &upstream::Config, from: Option<&str>) -> String {
    contracts::pull("orders", source, from).await.unwrap_err().to_string()
}

/// The folder, and a file in it that is not there yet.
fn file(name: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contracts").join(name);
    (folder, file)
}

#[tokio::test]
async fn reflection_gives_a_set_that_stands_alone() {
    let (_folder, file) = file("orders.binpb");
    let mut sets = Vec::new();
    for routes in [v1(), v1alpha()] {
        let backend = Backend::start(routes).await;
        let pulled = contracts::pull("orders", &grpc(&backend, &file), None).await.unwrap();
        let told = pulled.write().unwrap();
        if sets.is_empty() {
            assert!(told.starts_with(&format!("wrote {}: 2 services, ", file.display())), "{told}");
        } else {
            assert!(told.contains(" is up to date: "), "the same bytes every time: {told}");
        }
        sets.push(std::fs::read(&file).unwrap());
    }
    let pool = DescriptorPool::decode(sets[0].as_slice()).unwrap();
    let service = pool.get_service_by_name("orders.v1.OrderService").unwrap();
    assert!(service.methods().any(|method| method.name() == "ListOrders"));
    assert!(pool.get_message_by_name("google.protobuf.Timestamp").is_some());
    assert!(pool.get_service_by_name("grpc.reflection.v1.ServerReflection").is_none());
    let folder: Vec<_> = std::fs::read_dir(file.parent().unwrap()).unwrap().collect();
    assert_eq!(folder.len(), 1, "no temporary file stays");
}

#[tokio::test]
async fn a_check_writes_nothing_and_fails_where_the_file_differs() {
    let (_folder, file) = file("orders.binpb");
    let backend = Backend::start(v1()).await;
    let pulled = contracts::pull("orders", &grpc(&backend, &file), None).await.unwrap();
    let differs = pulled.check().unwrap_err().to_string();
    assert!(differs.contains("is not what the service has now"), "{differs}");
    assert!(!file.exists());
    pulled.write().unwrap();
    assert!(pulled.check().unwrap().contains(" is up to date: "));
}

#[tokio::test]
async fn a_server_without_reflection_is_told_how_to_get_it() {
    let (_folder, file) = file("orders.binpb");
    let unimplemented = || async { ([("content-type", "application/grpc"), ("grpc-status", "12")], "") };
    let backend = Backend::start(Router::new().fallback(unimplemented)).await;
    let refused = refusal(&grpc(&backend, &file), None).await;
    assert!(refused.contains("the server has no reflection; turn it on there"), "{refused}");
    assert!(refused.contains("set `protos` of sources.orders"), "{refused}");

    let source = grpc(&backend, &file);
    backend.kill().await;
    let refused = refusal(&source, None).await;
    assert!(refused.contains("Connection refused"), "{refused}");
}

#[tokio::test]
async fn a_document_is_kept_as_it_is() {
    const DOCUMENT: &str = "# ours\nopenapi: \"3.1.0\"\ninfo: { title: catalog, version: \"1\" }\npaths: {}\n";
    let (_folder, file) = file("catalog.yaml");
    let backend = Backend::start(Router::new().route("/openapi.yaml", get(|| async { DOCUMENT }))).await;
    let source = http(&backend, &file);
    let whole = format!("{}/openapi.yaml", backend.url());
    for from in ["/openapi.yaml", &whole] {
        let pulled = contracts::pull("catalog", &source, Some(from)).await.unwrap();
        assert!(pulled.write().unwrap().contains("OpenAPI 3.1.0"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), DOCUMENT);
    }
}

#[tokio::test]
async fn what_is_no_document_is_not_kept() {
    let (_folder, file) = file("catalog.yaml");
    let routes = Router::new()
        .route("/docs", get(|| async { "<html>openapi</html>" }))
        .route("/old", get(|| async { "{\"swagger\": \"2.0\"}" }))
        .route("/bytes", get(|| async { [0xff_u8, 0xfe].to_vec() }))
        .route("/gone", get(|| async { StatusCode::NOT_FOUND }));
    let backend = Backend::start(routes).await;
    let source = http(&backend, &file);
    for (from, reason) in [
        ("/docs", "not an OpenAPI 3 document"),
        ("/old", "not an OpenAPI 3 document"),
        ("/bytes", "the answer is not text"),
        ("/gone", "HTTP 404: ; `--from` names where the document is"),
        ("openapi.yaml", "--from: `openapi.yaml` is not a URL"),
    ] {
        let refused = refusal(&source, Some(from)).await;
        assert!(refused.contains(reason), "{from}: {refused}");
    }
    let refused = refusal(&source, None).await;
    assert!(refused.contains("say where it is, as in `--from /openapi.yaml`"), "{refused}");
    assert!(!file.exists());
}

#[tokio::test]
async fn a_source_that_is_not_configured_is_named_with_those_that_are() {
    let mut config = Config::default();
    config.sources.insert("orders".to_owned(), upstream::Config::default());
    let refused = app::pull(&config, "order", None).await.unwrap_err().to_string();
    assert_eq!(refused, "there is no source `order`; there are: orders");
}
