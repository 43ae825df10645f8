//! `GET /v1/auth/me/logins`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::login::SessionForm;
use crate::http::openapi::Refuses;
use crate::http::page::{PageSize, PageToken};
use crate::http::{Problem, Query};
use crate::identity::{Caller, Identity, LoginEntry, Position};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logins {
    /// Newest first.
    logins: Vec<Attempt>,
    /// What `pageToken` is for the next page, with the same other parameters; null on the last page.
    #[schema(value_type = Option<String>, required)]
    next_page_token: Option<PageToken>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LoginAttempt)]
struct Attempt {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[schema(value_type = SessionForm, inline)]
    kind: String,
    /// Where it came from: not the full address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("192.0.2.0/24"))]
    network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_agent: Option<String>,
    /// `ok`, or why not: `invalid-credentials`, `disabled`.
    result: String,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// How many.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 20)]
    page_size: PageSize,
    /// `nextPageToken` of the page before, with the same other parameters; the first page without it.
    #[param(value_type = Option<String>)]
    page_token: Option<PageToken>,
}

#[utoipa::path(
    get, path = "/v1/auth/me/logins", tag = "account", operation_id = "auth-me-logins",
    params(Page),
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
    let before = page.page_token.map(|PageToken(position)| position);
    let found = identity.logins(&caller, before, page.page_size.and_one()).await?;
    let (entries, next_page_token) = page.page_size.cut(found, |entry| Position { at: entry.at, id: entry.id });
    Ok(Json(Logins { logins: entries.into_iter().map(Attempt::from).collect(), next_page_token }))
}

impl From<LoginEntry> for Attempt {
    fn from(entry: LoginEntry) -> Self {
        let LoginEntry { at, kind, network, user_agent, result, .. } = entry;
        Self { at, kind, network, user_agent, result }
    }
}
