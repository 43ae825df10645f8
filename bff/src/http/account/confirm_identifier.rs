//! `POST /v1/auth/confirm-identifier`

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::codes::proof;
use crate::http::openapi::Refuses;
use crate::http::{Json, Problem};
use crate::identity::{Caller, Client, Identity};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ConfirmIdentifier)]
pub struct Body {
    challenge_id: String,
    #[schema(value_type = String, examples("012345"))]
    code: SecretString,
    /// The one that the code was sent to.
    #[schema(examples("ada@shop.test"))]
    identifier: String,
}

/// Takes the place of the address or the number that the account had.
#[utoipa::path(
    post, path = "/v1/auth/confirm-identifier", tag = "account", operation_id = "auth-confirm-identifier",
    request_body = Body,
    responses(
        (status = 204, description = "It is the caller's, and verified."),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<413>, Refuses<415>, Refuses<429>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn confirm_identifier(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    client: Client,
    Json(body): Json<Body>,
) -> Result<StatusCode, Problem> {
    let proof = proof(&identity, &client, &body.identifier, body.challenge_id, body.code)?;
    identity.confirm_identifier(&caller, proof, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
