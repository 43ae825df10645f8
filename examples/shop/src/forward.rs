//! Hands every call on to a gRPC server elsewhere, so that a backend we only know by its address can have faults too.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Uri, uri};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tonic::Status;

pub fn router(backend: SocketAddr) -> Router {
    let mut tcp = HttpConnector::new();
    // A call is one small message, which must not wait for the acknowledgement of the one before.
    tcp.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(tcp);
    Router::new().fallback(forward).with_state(Target { client, backend })
}

#[derive(Clone)]
struct Target {
    client: Client<HttpConnector, Body>,
    backend: SocketAddr,
}

async fn forward(State(target): State<Target>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().cloned();
    let uri = Uri::builder()
        .scheme(uri::Scheme::HTTP)
        .authority(target.backend.to_string())
        .path_and_query(path.unwrap_or_else(|| uri::PathAndQuery::from_static("/")))
        .build();
    let Ok(uri) = uri else {
        return Status::invalid_argument("this is no path").into_http();
    };
    *request.uri_mut() = uri;
    match target.client.request(request).await {
        Ok(response) => response.map(Body::new).into_response(),
        Err(error) => {
            tracing::debug!(%error, "the backend did not answer");
            Status::unavailable("the backend did not answer").into_http()
        }
    }
}
