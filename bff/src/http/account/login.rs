//! `POST /v1/auth/login`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{SignedInAnswer, answer};
use crate::http::caller::{refuse_cross_site, require_same_site};
use crate::http::openapi::Refuses;
use crate::http::{FieldError, Json, Location, Problem};
use crate::identity::{Client, Deployment, Identifier, Identity, Login, MAX_PASSWORD_BYTES, SessionKind};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Login)]
pub struct Body {
    /// An e-mail address, or a phone number in E.164.
    #[schema(examples("user@shop.test"))]
    identifier: String,
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: SecretString,
    #[serde(default)]
    #[schema(inline)]
    session: SessionForm,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionForm {
    /// For apps: the tokens are in the answer.
    #[default]
    Token,
    /// For browsers: no script ever sees a token.
    Cookie,
}

#[utoipa::path(
    post, path = "/v1/auth/login", tag = "account", operation_id = "auth-login",
    request_body = Body,
    responses(
        (
            status = 200, description = "Signed in; with `session: \"cookie\"` the tokens are left out.",
            body = inline(SignedInAnswer), headers(
                ("Set-Cookie" = String, description = "With `session: \"cookie\"`: the session, and what the device is known by."),
                ("bff-device" = String, description = "With tokens: send it with later logins, so that strangers' wrong passwords do not keep you out.")
            )
        ),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<413>, Refuses<415>, Refuses<503>,
    )
)]
pub async fn login(
    State(identity): State<Arc<Identity>>,
    client: Client,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let deployment = identity.deployment();
    may_sign_in(body.session, &headers, deployment)?;
    let login = Login {
        identifier: Identifier::parse(&body.identifier).map_err(crate::identity::Error::from)?,
        password: checked("/password", body.password)?,
        session: body.session.into(),
        client,
    };
    answer(identity.login(login).await?, deployment)
}

/// Signing a stranger's browser in would have its owner act in the stranger's account.
pub fn may_sign_in(session: SessionForm, headers: &HeaderMap, deployment: &Deployment) -> Result<(), Problem> {
    match session {
        SessionForm::Cookie => require_same_site(headers, deployment),
        SessionForm::Token => refuse_cross_site(headers, deployment),
    }
}

impl From<SessionForm> for SessionKind {
    fn from(form: SessionForm) -> Self {
        match form {
            SessionForm::Token => Self::Token,
            SessionForm::Cookie => Self::Cookie,
        }
    }
}

/// A password that could be somebody's; whose, its hash says.
pub fn checked(pointer: &str, password: SecretString) -> Result<SecretString, Problem> {
    if (1..=MAX_PASSWORD_BYTES).contains(&password.expose_secret().len()) {
        return Ok(password);
    }
    Err(Problem::invalid(vec![FieldError {
        location: Location::Pointer(pointer.to_owned()),
        code: "invalid".to_owned(),
        message: format!("expected 1 to {MAX_PASSWORD_BYTES} bytes"),
    }]))
}
