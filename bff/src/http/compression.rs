//! Which answers are made smaller on their way out, and how hard that is tried.

use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, StatusCode, Version};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};

type Inspect = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// Brotli or gzip, as the client prefers.
pub fn layer() -> CompressionLayer<And<SizeAbove, Inspect>> {
    let worthwhile = SizeAbove::new(MIN_BYTES).and(is_text as Inspect);
    CompressionLayer::new().quality(CompressionLevel::Precise(LEVEL)).compress_when(worthwhile)
}

/// Smaller answers fit into one packet anyway.
const MIN_BYTES: u64 = 1024;
/// Where more effort begins to cost more time than the bytes it saves.
const LEVEL: i32 = 4;

/// Not events: a compressor would hold them back.
fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim_end();
    let text = ["text/html", "text/css", "text/javascript", "text/plain", "application/javascript", "image/svg+xml"];
    essence == "application/json" || essence.ends_with("+json") || text.contains(&essence)
}
