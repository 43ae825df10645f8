//! `POST /v1/auth/refresh`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::answer;
use crate::http::{Json, Problem};
use crate::identity::Identity;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Body {
    refresh_token: SecretString,
}

pub async fn refresh(State(identity): State<Arc<Identity>>, Json(body): Json<Body>) -> Result<Response, Problem> {
    answer(identity.refresh(body.refresh_token.expose_secret()).await?, identity.deployment())
}
