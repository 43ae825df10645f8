//! `GET /v1/auth/me`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::http::Problem;
use crate::http::openapi::Refuses;
use crate::identity::{Account, Caller, Identity};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone: Option<String>,
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    locale: Option<String>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email_verified_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone_verified_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

#[utoipa::path(
    get, path = "/v1/auth/me", tag = "account", operation_id = "auth-me",
    responses((status = 200, description = "The caller's account.", body = Me), Refuses<401>, Refuses<503>),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn me(State(identity): State<Arc<Identity>>, caller: Caller) -> Result<Json<Me>, Problem> {
    Ok(Json(identity.me(&caller).await?.into()))
}

impl From<Account> for Me {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name,
            email: account.email,
            phone: account.phone,
            role: account.role,
            locale: account.locale,
            email_verified_at: account.email_verified_at,
            phone_verified_at: account.phone_verified_at,
            created_at: account.created_at,
        }
    }
}
