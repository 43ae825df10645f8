//! Bytes that stay the same while the server runs, under an ETag.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, StatusCode};

use super::request::is_known;

pub struct StaticFile {
    kind: &'static str,
    body: Bytes,
    etag: String,
}

impl StaticFile {
    pub fn new(kind: &'static str, body: Bytes) -> Self {
        let hash = digest(&SHA256, &body);
        Self { kind, etag: format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12])), body }
    }

    /// 304 where the client has it already.
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        let fresh = [(CACHE_CONTROL, "public, max-age=60"), (ETAG, self.etag.as_str())];
        if is_known(headers, &self.etag) {
            return (StatusCode::NOT_MODIFIED, fresh).into_response();
        }
        (fresh, [(CONTENT_TYPE, self.kind)], self.body.clone()).into_response()
    }
}
