//! `POST /v1/auth/logout`

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use time::Duration;

use crate::http::caller::Presented;
use crate::http::openapi::Refuses;
use crate::http::{Problem, session_cookie};
use crate::identity::{Credentials, Ended, Identity};

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
    let status = match identity.logout(&credentials).await? {
        Ended::Done => StatusCode::NO_CONTENT,
        Ended::Owed => StatusCode::ACCEPTED,
    };
    match credentials {
        Credentials::Cookie(_) => {
            let gone = session_cookie::written(String::new(), Duration::ZERO, identity.deployment())?;
            Ok((status, [(SET_COOKIE, gone)]).into_response())
        }
        Credentials::Bearer(_) | Credentials::None => Ok(status.into_response()),
    }
}
