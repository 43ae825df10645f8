//! Which answers are made smaller on their way out, and how hard that is tried.
//!
//! What is compressed is other bytes, and so has another entity-tag: `"x;br"` in place of `"x"`. Clients that name it mean
//! `"x"`, which is all that handlers and services ever see.

use std::convert::Infallible;
use std::mem::{replace, take};

use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Ready, ready};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, VARY};
use http::{Extensions, HeaderMap, HeaderValue, Request, StatusCode, Version};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};

type Inspect = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// What a client says of encodings, kept until there is an answer.
#[derive(Default)]
pub struct Accepted {
    /// Those that it takes.
    encodings: HeaderMap,
    /// The entity-tags of what it has, where something of that is compressed.
    has: Vec<HeaderValue>,
}

/// Leaves the entity-tags in the request as they were before anything was compressed.
pub fn accepted(request: &mut HeaderMap) -> Accepted {
    let values = request.get_all(ACCEPT_ENCODING).iter();
    let encodings = values.map(|value| (ACCEPT_ENCODING, value.clone())).collect();
    let mut has = Vec::new();
    for (_, value) in request.iter_mut().filter(|(name, _)| [&IF_NONE_MATCH, &IF_MATCH].contains(name)) {
        if let Some(plain) = value.to_str().ok().and_then(plain) {
            has.push(replace(value, plain));
        }
    }
    Accepted { encodings, has }
}

/// None where nothing of it is compressed.
fn plain(tags: &str) -> Option<HeaderValue> {
    let named = ENCODINGS.map(|encoding| format!(";{encoding}\""));
    if !named.iter().any(|named| tags.contains(named)) {
        return None;
    }
    HeaderValue::try_from(named.iter().fold(tags.to_owned(), |tags, named| tags.replace(named, "\""))).ok()
}

/// What a weak tag stands for may be compressed or not.
fn tag_as(response: &mut Response, encoding: &str, fits: impl Fn(&str) -> bool) {
    let plain = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()?.strip_suffix('"'));
    let tag = plain.filter(|tag| tag.starts_with('"')).map(|tag| format!("{tag};{encoding}\""));
    let tag = tag.filter(|tag| fits(tag)).and_then(|tag| HeaderValue::try_from(tag).ok());
    if let Some(tag) = tag {
        response.headers_mut().insert(ETAG, tag);
    }
}

/// Says that the client has what it has: the very same that it would be sent.
fn not_modified(mut response: Response, has: &[HeaderValue]) -> Response {
    if response.headers().contains_key(ETAG) {
        response.headers_mut().append(VARY, HeaderValue::from(ACCEPT_ENCODING));
    }
    for encoding in ENCODINGS {
        tag_as(&mut response, encoding, |tag| has.iter().any(|has| has.to_str().is_ok_and(|has| has.contains(tag))));
    }
    response
}

/// In brotli or gzip, as the client prefers; most answers are not worth the layer's way around them.
pub fn compressed(response: Response, accepted: Accepted) -> Either<Ready<Response>, BoxFuture<'static, Response>> {
    let Accepted { encodings, has } = accepted;
    if response.status() == StatusCode::NOT_MODIFIED {
        return Either::Left(ready(not_modified(response, &has)));
    }
    if !worthwhile().should_compress(&response) {
        return Either::Left(ready(response));
    }
    let mut response = response;
    if encodings.is_empty() {
        response.headers_mut().append(VARY, HeaderValue::from(ACCEPT_ENCODING));
        return Either::Left(ready(response));
    }
    Either::Right(encoded(response, encodings).boxed())
}

async fn encoded(mut response: Response, encodings: HeaderMap) -> Response {
    let mut request = Request::new(());
    *request.headers_mut() = encodings;
    let was_encoded = response.headers().contains_key(CONTENT_ENCODING);
    let layer = CompressionLayer::new().quality(CompressionLevel::Precise(LEVEL)).compress_when(worthwhile());
    let answer = service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(take(&mut response))));
    let Ok(response) = layer.layer(answer).oneshot(request).await;
    let mut response = response.map(Body::new);
    let encoding = response.headers().get(CONTENT_ENCODING).filter(|_| !was_encoded).cloned();
    if let Some(encoding) = encoding.as_ref().and_then(|encoding| encoding.to_str().ok()) {
        tag_as(&mut response, encoding, |_| true);
    }
    response
}

/// Those that answers are compressed with.
const ENCODINGS: [&str; 2] = ["br", "gzip"];

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
