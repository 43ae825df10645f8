//! Which answers are made smaller on their way out, and how hard that is tried.

use std::convert::Infallible;
use std::future::ready;
use std::mem::take;

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, VARY};
use http::{Extensions, HeaderMap, HeaderValue, Request, StatusCode, Version};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};

type Inspect = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// What a client says of the encodings that it takes, kept until there is an answer.
pub fn accepted(request: &HeaderMap) -> HeaderMap {
    request.get_all(ACCEPT_ENCODING).iter().map(|value| (ACCEPT_ENCODING, value.clone())).collect()
}

/// In brotli or gzip, as the client prefers; most answers are not worth the layer's way around them.
pub async fn compressed(response: Response, accepted: HeaderMap) -> Response {
    if !worthwhile().should_compress(&response) {
        return response;
    }
    let mut response = response;
    if accepted.is_empty() {
        response.headers_mut().append(VARY, HeaderValue::from(ACCEPT_ENCODING));
        return response;
    }
    let mut request = Request::new(());
    *request.headers_mut() = accepted;
    let layer = CompressionLayer::new().quality(CompressionLevel::Precise(LEVEL)).compress_when(worthwhile());
    let answer = service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(take(&mut response))));
    let Ok(response) = layer.layer(answer).oneshot(request).await;
    response.map(Body::new)
}

/// Smaller answers fit into one packet anyway.
const MIN_BYTES: u64 = 1024;
/// Where more effort begins to cost more time than the bytes it saves.
const LEVEL: i32 = 4;

fn worthwhile() -> And<SizeAbove, Inspect> {
    SizeAbove::new(MIN_BYTES).and(is_text as Inspect)
}

/// Not events: a compressor would hold them back.
fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim_end();
    let text = ["text/html", "text/css", "text/javascript", "text/plain", "application/javascript", "image/svg+xml"];
    essence == "application/json" || essence.ends_with("+json") || text.contains(&essence)
}
