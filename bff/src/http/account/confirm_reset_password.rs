//! `POST /v1/auth/confirm-reset-password`

use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::codes::proof;
use crate::http::caller::refuse_cross_site;
use crate::http::openapi::Refuses;
use crate::http::{Json, Problem};
use crate::identity::{Client, Identity, PasswordReset};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ConfirmResetPassword)]
pub struct Body {
    challenge_id: String,
    /// The one that the code was sent to.
    #[schema(examples("user@shop.test"))]
    identifier: String,
    #[schema(value_type = String, examples("012345"))]
    code: SecretString,
    #[schema(value_type = String, format = Password)]
    new_password: SecretString,
}

/// Ends every session of the account, and begins none.
#[utoipa::path(
    post, path = "/v1/auth/confirm-reset-password", tag = "account", operation_id = "auth-confirm-reset-password",
    request_body = Body,
    responses(
        (status = 204, description = "The password is changed; sign in with it."),
        Refuses<400>, Refuses<403>, Refuses<413>, Refuses<415>, Refuses<429>, Refuses<503>,
    )
)]
pub async fn confirm_reset_password(
    State(identity): State<Arc<Identity>>,
    client: Client,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<StatusCode, Problem> {
    refuse_cross_site(&headers, identity.deployment())?;
    let reset = PasswordReset {
        proof: proof(&identity, &client, &body.identifier, body.challenge_id, body.code)?,
        new_password: body.new_password,
        client,
    };
    identity.reset_password(reset).await?;
    Ok(StatusCode::NO_CONTENT)
}
