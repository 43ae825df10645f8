//! Which other sites' pages may call this server and read its answers: those on an exact list.

use std::time::Duration;

use http::header::{ETAG, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowCredentials, AllowHeaders, AllowOrigin, Any, CorsLayer};

/// Stands for every site, without credentials: for development.
pub const ANY: &str = "*";

/// None where no site is listed: browsers then keep other sites out by themselves.
pub fn layer(origins: &[String]) -> Option<CorsLayer> {
    let layer = CorsLayer::new()
        .allow_methods(METHODS)
        // Views declare headers of their own; the origin is what decides.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(MAX_AGE);
    if origins.iter().any(|origin| origin == ANY) {
        return Some(layer.allow_origin(Any));
    }
    let listed: Vec<HeaderValue> = origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok()).collect();
    let with_cookies = listed.clone();
    let credentials = AllowCredentials::predicate(move |origin, _| with_cookies.contains(origin));
    (!listed.is_empty()).then(|| layer.allow_origin(AllowOrigin::list(listed)).allow_credentials(credentials))
}

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// What a page may read besides the few headers that every page may.
const EXPOSED: [HeaderName; 9] = [
    HeaderName::from_static("bff-device"),
    HeaderName::from_static("bff-partial"),
    HeaderName::from_static("idempotent-replayed"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-request-id"),
    ETAG,
    LOCATION,
    RETRY_AFTER,
];
/// The longest that Chromium remembers a preflight.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);
