//! `GET /v1/admin/audit`: who did what.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::require;
use crate::http::openapi::Refuses;
use crate::http::page::{Cursor, Page};
use crate::http::{Problem, Query};
use crate::identity::{AuditEntry, Caller, Identity, Position, Role};

#[derive(Serialize, ToSchema)]
pub struct Audit {
    /// The newest first.
    entries: Vec<Line>,
    /// What `before` must be to see the next page; there is none without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false, required = false)]
    next: Option<Cursor>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct Line {
    id: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The account that did it; none where the server itself or a command acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    actor: Option<String>,
    #[schema(examples("password-changed"))]
    action: String,
    /// The id of what it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    target: Option<String>,
    /// The network that the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("203.0.113.0/24"))]
    network: Option<String>,
    #[schema(examples("ok"))]
    result: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// Only what was done to this account or key.
    #[param(max_length = 128)]
    target: Option<String>,
    /// The `next` of the page before.
    #[param(value_type = Option<String>)]
    before: Option<Cursor>,
    /// How many, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// For auditors and admins.
#[utoipa::path(
    get, path = "/v1/admin/audit", tag = "admin", operation_id = "admin-audit", params(Search),
    responses(
        (status = 200, description = "What was done.", body = Audit),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn audit(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    Query(search): Query<Search>,
) -> Result<axum::Json<Audit>, Problem> {
    require(&caller, Role::Auditor)?;
    let limit = Page::new(search.before, search.limit).limit()?;
    let before = search.before.map(|Cursor(position)| position);
    let entries = identity.audit(search.target.as_deref(), before, limit).await?;
    let next = Cursor::after(&entries, limit, |entry| Position { at: entry.at, id: entry.id });
    Ok(axum::Json(Audit { entries: entries.into_iter().map(Line::from).collect(), next }))
}

impl From<AuditEntry> for Line {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            at: entry.at,
            actor: entry.actor.map(|actor| actor.to_string()),
            action: entry.action,
            target: entry.target,
            network: entry.network,
            result: entry.result,
            reason: entry.reason,
        }
    }
}
