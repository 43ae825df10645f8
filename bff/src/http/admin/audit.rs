//! `GET /v1/admin/audit`: who did what.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::require;
use crate::http::openapi::Refuses;
use crate::http::page::{PageSize, PageToken};
use crate::http::{Problem, Query};
use crate::identity::{AuditEntry, Caller, Identity, Position, Role};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// The newest first.
    entries: Vec<Line>,
    /// What `pageToken` is for the next page, with the same other parameters; null on the last page.
    #[schema(value_type = Option<String>, required)]
    next_page_token: Option<PageToken>,
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// Only what was done to this account or key.
    target: Option<String>,
    /// How many.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 20)]
    page_size: PageSize,
    /// `nextPageToken` of the page before, with the same other parameters; the first page without it.
    #[param(value_type = Option<String>)]
    page_token: Option<PageToken>,
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
    let before = search.page_token.map(|PageToken(position)| position);
    let found = identity.audit(search.target.as_deref(), before, search.page_size.and_one()).await?;
    let (entries, next_page_token) = search.page_size.cut(found, |entry| Position { at: entry.at, id: entry.id });
    Ok(axum::Json(Audit { entries: entries.into_iter().map(Line::from).collect(), next_page_token }))
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
