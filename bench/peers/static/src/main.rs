//! The ceiling: axum answers a prebuilt body of the same bytes.

use axum::{Router, http::header, routing::get, serve::ListenerExt};
use bytes::Bytes;

#[tokio::main]
async fn main() {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8002".into());
    let body: Bytes = std::fs::read(std::env::var("BODY").expect("BODY=file")).unwrap().into();
    let router = Router::new().route(
        "/home/{id}",
        get(move || {
            let body = body.clone();
            async move { ([(header::CONTENT_TYPE, "application/json")], body) }
        }),
    );
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap().tap_io(|s| {
        let _ = s.set_nodelay(true);
    });
    axum::serve(listener, router).await.unwrap();
}
