//! `POST /v1/auth/register`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::IgnoredAny;
use utoipa::ToSchema;

use super::codes::{locale, proof};
use super::login::{SessionForm, may_sign_in};
use super::me::checked_name;
use super::{SignedInAnswer, answer};
use crate::http::openapi::Refuses;
use crate::http::{Json, Problem};
use crate::identity::{Client, Error, Identity, Registration};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Register)]
pub struct Body {
    challenge_id: String,
    #[schema(value_type = String, examples("012345"))]
    code: SecretString,
    /// The one that the code was sent to.
    #[schema(examples("ada@shop.test"))]
    identifier: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    #[schema(examples("Ada Lovelace"))]
    name: String,
    #[serde(default)]
    #[schema(inline)]
    session: SessionForm,
    /// Whatever it says: whoever signs up is a user.
    #[serde(default, rename = "role")]
    #[schema(ignore)]
    _role: IgnoredAny,
}

#[utoipa::path(
    post, path = "/v1/auth/register", tag = "account", operation_id = "auth-register",
    request_body = Body,
    responses(
        (
            status = 201, description = "Signed up and in; with `session: \"cookie\"` the tokens are left out.",
            body = inline(SignedInAnswer), headers(
                ("Set-Cookie" = String, description = "With `session: \"cookie\"`: the session, and what the device is known by."),
                ("bff-device" = String, description = "With tokens: as a login leaves it.")
            )
        ),
        Refuses<400>, Refuses<403>, Refuses<413>, Refuses<415>, Refuses<429>, Refuses<503>,
    )
)]
pub async fn register(
    State(identity): State<Arc<Identity>>,
    client: Client,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let deployment = identity.deployment();
    may_sign_in(body.session, &headers, deployment)?;
    let registration = Registration {
        proof: proof(&identity, &client, &body.identifier, body.challenge_id, body.code)?,
        password: body.password,
        name: checked_name(&body.name)?,
        locale: locale(&headers),
        session: body.session.into(),
        client,
    };
    let signed_in = identity.register(registration).await.map_err(|error| match error {
        Error::Unfit(unfit) => Problem::password("/password", unfit),
        error => error.into(),
    })?;
    let mut response = answer(signed_in, deployment)?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}
