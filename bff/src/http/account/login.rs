//! `POST /v1/auth/login`

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use http::HeaderMap;
use http::header::USER_AGENT;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::answer;
use crate::http::caller::{refuse_cross_site, require_same_site};
use crate::http::{FieldError, Json, Location, Problem};
use crate::identity::{Client, Identifier, Identity, Login, MAX_PASSWORD_BYTES, SessionKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    identifier: String,
    password: SecretString,
    #[serde(default)]
    session: SessionForm,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SessionForm {
    /// For apps: the tokens are in the answer.
    #[default]
    Token,
    /// For browsers: no script ever sees a token.
    Cookie,
}

pub async fn login(
    State(identity): State<Arc<Identity>>,
    connection: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let deployment = identity.deployment();
    match body.session {
        // Signing a stranger's browser in would have its owner act in the stranger's account.
        SessionForm::Cookie => require_same_site(&headers, deployment)?,
        SessionForm::Token => refuse_cross_site(&headers, deployment)?,
    }
    let login = Login {
        identifier: Identifier::parse(&body.identifier).map_err(crate::identity::Error::from)?,
        password: checked(body.password)?,
        session: match body.session {
            SessionForm::Token => SessionKind::Token,
            SessionForm::Cookie => SessionKind::Cookie,
        },
        client: Client {
            user_agent: headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned),
            address: connection.map(|Extension(ConnectInfo(peer))| peer.ip()),
        },
    };
    answer(identity.login(login).await?, deployment)
}

fn checked(password: SecretString) -> Result<SecretString, Problem> {
    if (1..=MAX_PASSWORD_BYTES).contains(&password.expose_secret().len()) {
        return Ok(password);
    }
    Err(Problem::invalid(vec![FieldError {
        location: Location::Pointer("/password".to_owned()),
        code: "invalid".to_owned(),
        message: format!("expected 1 to {MAX_PASSWORD_BYTES} bytes"),
    }]))
}
