//! `GET /.well-known/jwks.json`: all that another service needs to verify our tokens.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, StatusCode};

use crate::http::request::is_known;
use crate::identity::Identity;

#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "account", operation_id = "jwks",
    responses(
        (status = 200, description = "The public keys (RFC 7517).", content_type = "application/jwk-set+json", body = Object),
        (status = 304, description = "Nothing new.")
    )
)]
pub async fn jwks(State(identity): State<Arc<Identity>>, headers: HeaderMap) -> Response {
    let jwks = identity.jwks();
    let fresh = [(CACHE_CONTROL, "public, max-age=300"), (ETAG, jwks.etag.as_str())];
    if is_known(&headers, &jwks.etag) {
        return (StatusCode::NOT_MODIFIED, fresh).into_response();
    }
    (fresh, [(CONTENT_TYPE, "application/jwk-set+json")], jwks.body.clone()).into_response()
}
