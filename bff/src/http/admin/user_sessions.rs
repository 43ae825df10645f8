//! `/v1/admin/users/{id}/sessions`: where somebody is signed in, and signing them out.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use uuid::Uuid;

use super::users::Why;
use super::{queried_reason, require};
use crate::http::account::Sessions;
use crate::http::openapi::Refuses;
use crate::http::{Path, Problem, Query};
use crate::identity::{Admin, Caller, Client, Ending, Identity, Role};

#[utoipa::path(
    get, path = "/v1/admin/users/{id}/sessions", tag = "admin", operation_id = "admin-user-sessions",
    params(("id" = String, Path, format = "uuid")),
    responses(
        (status = 200, description = "Where the account is signed in.", body = Sessions),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<404>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn user_sessions(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<Sessions>, Problem> {
    require(&caller, Role::Admin)?;
    let sessions = identity.sessions_of_another(id).await?;
    Ok(axum::Json(Sessions::new(sessions, Some(caller.session))))
}

#[utoipa::path(
    delete, path = "/v1/admin/users/{id}/sessions", tag = "admin", operation_id = "admin-user-sessions-end",
    params(("id" = String, Path, format = "uuid"), Why),
    responses(
        (status = 204, description = "All of them have ended."),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<404>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn end_user_sessions(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    client: Client,
    Path(id): Path<Uuid>,
    Query(why): Query<Why>,
) -> Result<StatusCode, Problem> {
    require(&caller, Role::Admin)?;
    let admin = Admin { caller: &caller, client: &client, reason: queried_reason(why.reason)? };
    identity.end_sessions_of_another(id, Ending::All, &admin).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    delete, path = "/v1/admin/users/{id}/sessions/{session}", tag = "admin", operation_id = "admin-user-session-end",
    params(("id" = String, Path, format = "uuid"), ("session" = String, Path, format = "uuid"), Why),
    responses(
        (status = 204, description = "It has ended."),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<404>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn end_user_session(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    client: Client,
    Path((id, session)): Path<(Uuid, Uuid)>,
    Query(why): Query<Why>,
) -> Result<StatusCode, Problem> {
    require(&caller, Role::Admin)?;
    let admin = Admin { caller: &caller, client: &client, reason: queried_reason(why.reason)? };
    identity.end_sessions_of_another(id, Ending::One(session), &admin).await?;
    Ok(StatusCode::NO_CONTENT)
}
