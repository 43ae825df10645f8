//! `POST /v1/auth/refresh`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{WithTokens, answer};
use crate::http::openapi::Refuses;
use crate::http::{Json, Problem};
use crate::identity::{Client, Identity};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Refresh)]
pub struct Body {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

#[utoipa::path(
    post, path = "/v1/auth/refresh", tag = "account", operation_id = "auth-refresh",
    request_body = Body,
    responses(
        (status = 200, description = "New tokens; the refresh token is spent, unless the answer has the same one.", body = WithTokens),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<413>, Refuses<415>, Refuses<503>,
    )
)]
pub async fn refresh(
    State(identity): State<Arc<Identity>>,
    client: Client,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    answer(identity.refresh(body.refresh_token.expose_secret(), &client).await?, identity.deployment())
}
