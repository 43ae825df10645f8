//! `GET /v1/auth/me/logins`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::http::openapi::Refuses;
use crate::http::page::{Cursor, Page};
use crate::http::{Problem, Query};
use crate::identity::{Caller, Identity, LoginEntry, Position};

#[derive(Serialize, ToSchema)]
pub struct Logins {
    /// Newest first.
    logins: Vec<Attempt>,
    /// Where the next page begins; left out on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    next: Option<Cursor>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LoginAttempt)]
struct Attempt {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// What the client asked for: `cookie` or `token`.
    kind: String,
    /// Where it came from: not the full address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("192.0.2.0/24"))]
    network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_agent: Option<String>,
    /// `ok`, or why not: `invalid-credentials`, `disabled`, `throttled`.
    result: String,
}

#[utoipa::path(
    get, path = "/v1/auth/me/logins", tag = "account", operation_id = "auth-me-logins",
    params(
        ("limit" = Option<u32>, Query, description = "How many, 20 unless said.", minimum = 1, maximum = 100),
        ("before" = Option<String>, Query, description = "`next` of the page before."),
    ),
    responses(
        (status = 200, description = "Who has signed in to the caller's account, or tried to, in the last 90 days.", body = Logins),
        Refuses<400>, Refuses<401>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn logins(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<Json<Logins>, Problem> {
    let limit = page.limit()?;
    let before = page.before.map(|Cursor(position)| position);
    let entries = identity.logins(&caller, before, limit).await?;
    let next = Cursor::after(&entries, limit, |entry| Position { at: entry.at, id: entry.id });
    Ok(Json(Logins { logins: entries.into_iter().map(Attempt::from).collect(), next }))
}

impl From<LoginEntry> for Attempt {
    fn from(entry: LoginEntry) -> Self {
        let LoginEntry { at, kind, network, user_agent, result, .. } = entry;
        Self { at, kind, network, user_agent, result }
    }
}
