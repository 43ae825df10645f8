//! `POST /v1/auth/logout`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::sessions::without_body;
use crate::http::Problem;
use crate::http::caller::Presented;
use crate::http::openapi::Refuses;
use crate::identity::{Credentials, Identity};

/// Ends the session of these credentials, which may have expired: leaving must always work.
#[utoipa::path(
    post, path = "/v1/auth/logout", tag = "account", operation_id = "auth-logout",
    responses(
        (status = 204, description = "Signed out."),
        (status = 202, description = "Signed out here; the records are away, and told when they are back."),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn logout(
    State(identity): State<Arc<Identity>>,
    Presented(credentials): Presented,
) -> Result<Response, Problem> {
    let done = identity.logout(&credentials).await?;
    without_body(&identity, matches!(credentials, Credentials::Cookie(_)), done)
}
