//! `GET /.well-known/jwks.json`: all that another service needs to verify our tokens.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};

use crate::identity::Identity;

pub async fn jwks(State(identity): State<Arc<Identity>>, headers: HeaderMap) -> Response {
    let jwks = identity.jwks();
    let fresh = [(CACHE_CONTROL, "public, max-age=300"), (ETAG, jwks.etag.as_str())];
    if is_known(&headers, &jwks.etag) {
        return (StatusCode::NOT_MODIFIED, fresh).into_response();
    }
    (fresh, [(CONTENT_TYPE, "application/jwk-set+json")], jwks.body.clone()).into_response()
}

fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag)
}
