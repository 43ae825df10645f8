//! `GET` and `DELETE /v1/auth/sessions`: where the caller is signed in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::login::SessionForm;
use crate::http::openapi::Refuses;
use crate::http::{Path, Problem, Query, session_cookie};
use crate::identity::{Caller, Client, Ended, Ending, Identity, Session, SessionKind};

#[derive(Serialize, ToSchema)]
pub struct Sessions {
    /// Those used last first; a hundred at the most.
    sessions: Vec<Shown>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
struct Shown {
    id: String,
    #[schema(value_type = SessionForm, inline)]
    kind: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// The network that it began in, not the full address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("203.0.113.0/24"))]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_agent: Option<String>,
    /// Whether this request came with it.
    current: bool,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WhatToKeep {
    #[param(inline)]
    keep: Kept,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Kept {
    /// The session of this request goes on.
    Current,
    /// It ends as well.
    None,
}

#[utoipa::path(
    get, path = "/v1/auth/sessions", tag = "account", operation_id = "auth-sessions",
    responses((status = 200, description = "Where the caller is signed in.", body = Sessions), Refuses<400>, Refuses<401>, Refuses<503>),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn sessions(State(identity): State<Arc<Identity>>, caller: Caller) -> Result<Json<Sessions>, Problem> {
    Ok(Json(Sessions::new(identity.sessions_of(caller.sub).await?, Some(caller.session))))
}

#[utoipa::path(
    delete, path = "/v1/auth/sessions/{id}", tag = "account", operation_id = "auth-session-end",
    params(("id" = String, Path, format = "uuid")),
    responses(
        (status = 204, description = "It has ended."),
        (status = 202, description = "The request's own has ended here; the records are away, and told when they are back."),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<404>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn end_session(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    client: Client,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let done = identity.end_own_sessions(&caller, Ending::One(id), &client).await?;
    ended(&identity, &caller, id == caller.session, done)
}

#[utoipa::path(
    delete, path = "/v1/auth/sessions", tag = "account", operation_id = "auth-sessions-end",
    params(WhatToKeep),
    responses((status = 204, description = "They have ended."), Refuses<400>, Refuses<401>, Refuses<403>, Refuses<503>),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn end_sessions(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    client: Client,
    Query(WhatToKeep { keep }): Query<WhatToKeep>,
) -> Result<Response, Problem> {
    let which = match keep {
        Kept::Current => Ending::AllBut(caller.session),
        Kept::None => Ending::All,
    };
    let done = identity.end_own_sessions(&caller, which, &client).await?;
    ended(&identity, &caller, which == Ending::All, done)
}

/// Without a body; a browser whose own session ended forgets its cookie.
pub fn ended(identity: &Identity, caller: &Caller, own: bool, done: Ended) -> Result<Response, Problem> {
    without_body(identity, own && caller.kind == SessionKind::Cookie, done)
}

/// Done, or owed to records that are away.
pub fn without_body(identity: &Identity, forgets_cookie: bool, done: Ended) -> Result<Response, Problem> {
    let status = match done {
        Ended::Done => StatusCode::NO_CONTENT,
        Ended::Owed => StatusCode::ACCEPTED,
    };
    if !forgets_cookie {
        return Ok(status.into_response());
    }
    let gone = session_cookie::written(String::new(), Duration::ZERO, identity.deployment())?;
    Ok((status, [(SET_COOKIE, gone)]).into_response())
}

impl Sessions {
    pub fn new(sessions: Vec<Session>, current: Option<Uuid>) -> Self {
        let shown = |session: Session| Shown {
            id: session.id.to_string(),
            kind: match session.kind {
                SessionKind::Cookie => "cookie",
                SessionKind::Token => "token",
            },
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.idle_expires_at,
            address: session.address,
            user_agent: session.user_agent,
            current: Some(session.id) == current,
        };
        Self { sessions: sessions.into_iter().map(shown).collect() }
    }
}
