//! `POST /v1/auth/reset-password`: sends a code to whoever has forgotten a password.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::codes::{CodeSent, ask, identifier};
use crate::http::caller::refuse_cross_site;
use crate::http::openapi::Refuses;
use crate::http::{Json, Problem};
use crate::identity::{Client, Identity, Purpose};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResetPassword)]
pub struct Body {
    /// An e-mail address, or a phone number in E.164.
    #[schema(examples("user@shop.test"))]
    identifier: String,
}

/// Where nothing delivers to identifiers of this kind it is 400 `channel-unavailable`, whoever is asked about.
#[utoipa::path(
    post, path = "/v1/auth/reset-password", tag = "account", operation_id = "auth-reset-password",
    request_body = Body,
    responses(
        (status = 202, description = "A code is on its way, if there is such an account.", body = CodeSent),
        Refuses<400>, Refuses<403>, Refuses<413>, Refuses<415>, Refuses<429>, Refuses<503>,
    )
)]
pub async fn reset_password(
    State(identity): State<Arc<Identity>>,
    client: Client,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    refuse_cross_site(&headers, identity.deployment())?;
    ask(&identity, Purpose::ResetPassword, identifier(&body.identifier)?, None, &client, &headers).await
}
