//! What handlers take from a request: axum's extractors, refusing with problems.

use axum::extract::FromRequest;
use axum::extract::FromRequestParts;

use super::Problem;

/// A JSON body; other content types are refused.
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub struct Json<T>(pub T);

/// The parameters of the route's path.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub struct Path<T>(pub T);

/// The query string.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub struct Query<T>(pub T);
