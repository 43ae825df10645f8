//! `POST /v1/auth/update-password`

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::login::checked;
use crate::http::openapi::Refuses;
use crate::http::{Json, Problem, session_cookie};
use crate::identity::{Caller, Client, Grant, Identity, PasswordChange};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UpdatePassword)]
pub struct Body {
    #[schema(value_type = String, format = Password, min_length = 1)]
    current_password: SecretString,
    /// None of the passwords that everybody tries first, and more than a name or an address of this account.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 128)]
    new_password: SecretString,
}

/// Every other session ends. Of a cookie session a new one takes the place, with the cookie of this answer; tokens stay
/// as they are until their next refresh.
#[utoipa::path(
    post, path = "/v1/auth/update-password", tag = "account", operation_id = "auth-update-password",
    request_body = Body,
    responses(
        (
            status = 204, description = "The password has changed.",
            headers(("Set-Cookie" = String, description = "For a cookie session."))
        ),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<413>, Refuses<415>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn update_password(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    client: Client,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let change =
        PasswordChange { current: checked("/currentPassword", body.current_password)?, new: body.new_password };
    match identity.update_password(&caller, change, &client).await? {
        Some(Grant::Cookie { value, max_age }) => {
            let cookie = session_cookie::written(value, max_age, identity.deployment())?;
            Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
        }
        Some(Grant::Tokens { .. }) | None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}
