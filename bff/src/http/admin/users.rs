//! `/v1/admin/users`: accounts, found, changed and deleted.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{checked_reason, queried_reason, require};
use crate::http::openapi::Refuses;
use crate::http::page::{PageSize, PageToken};
use crate::http::user::{RoleName, User};
use crate::http::{FieldError, Json, Location, Path, Problem, Query};
use crate::identity::{
    Account, AccountChange, AccountFilter, AccountState, Admin, Caller, Client, Identifier, Identity, Position, Role,
};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Users {
    /// The newest first.
    users: Vec<User>,
    /// What `pageToken` is for the next page, with the same other parameters; null on the last page.
    #[schema(value_type = Option<String>, required)]
    next_page_token: Option<PageToken>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// An e-mail address or a phone number, the whole.
    identifier: Option<String>,
    /// How the name begins, whatever the case of its letters.
    name: Option<String>,
    #[param(inline)]
    role: Option<RoleName>,
    #[param(inline)]
    state: Option<Standing>,
    /// How many.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 20)]
    page_size: PageSize,
    /// `nextPageToken` of the page before, with the same other parameters; the first page without it.
    #[param(value_type = Option<String>)]
    page_token: Option<PageToken>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Standing {
    Active,
    Disabled,
    Deleted,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdminUserPatch)]
pub struct Patch {
    /// It counts on the account's next request. Tokens from before must be refreshed; what is open ends.
    #[serde(default)]
    #[schema(nullable = false, inline)]
    role: Option<RoleName>,
    /// Whether the account is kept from signing in; a change of it ends its sessions.
    #[serde(default)]
    #[schema(nullable = false)]
    disabled: Option<bool>,
    /// For the audit.
    #[serde(default)]
    #[schema(nullable = false, max_length = 500)]
    reason: Option<String>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Why {
    /// For the audit.
    #[param(max_length = 500)]
    pub reason: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/admin/users", tag = "admin", operation_id = "admin-users", params(Search),
    responses(
        (status = 200, description = "The accounts that fit everything that is given.", body = Users),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn users(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    Query(search): Query<Search>,
) -> Result<axum::Json<Users>, Problem> {
    require(&caller, Role::Admin)?;
    let before = search.page_token.map(|PageToken(position)| position);
    let found = identity.accounts(&search.filter()?, before, search.page_size.and_one()).await?;
    let position = |account: &Account| Position { at: account.created_at, id: account.id };
    let (accounts, next_page_token) = search.page_size.cut(found, position);
    Ok(axum::Json(Users { users: accounts.into_iter().map(User::from).collect(), next_page_token }))
}

#[utoipa::path(
    get, path = "/v1/admin/users/{id}", tag = "admin", operation_id = "admin-user", params(("id" = String, Path, format = "uuid")),
    responses(
        (status = 200, description = "The account, also one that is deleted.", body = User),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<404>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn user(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<User>, Problem> {
    require(&caller, Role::Admin)?;
    Ok(axum::Json(identity.account(id).await?.into()))
}

/// The last admin who can sign in stays one: 409 `last-admin`.
#[utoipa::path(
    patch, path = "/v1/admin/users/{id}", tag = "admin", operation_id = "admin-user-update",
    params(("id" = String, Path, format = "uuid")), request_body = Patch,
    responses(
        (status = 200, description = "The account as it is now.", body = User),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<404>, Refuses<409>, Refuses<413>, Refuses<415>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn change_user(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    client: Client,
    Path(id): Path<Uuid>,
    Json(patch): Json<Patch>,
) -> Result<axum::Json<User>, Problem> {
    require(&caller, Role::Admin)?;
    let reason = checked_reason(Location::Pointer("/reason".to_owned()), patch.reason)?;
    let admin = Admin { caller: &caller, client: &client, reason };
    let change = AccountChange { role: patch.role.map(Role::from), disabled: patch.disabled };
    Ok(axum::Json(identity.change_account(id, change, &admin).await?.into()))
}

/// Signed out everywhere at once; the personal data is removed after a while.
#[utoipa::path(
    delete, path = "/v1/admin/users/{id}", tag = "admin", operation_id = "admin-user-delete",
    params(("id" = String, Path, format = "uuid"), Why),
    responses(
        (status = 204, description = "The account is deleted."),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<404>, Refuses<409>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn delete_user(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    client: Client,
    Path(id): Path<Uuid>,
    Query(why): Query<Why>,
) -> Result<StatusCode, Problem> {
    require(&caller, Role::Admin)?;
    let admin = Admin { caller: &caller, client: &client, reason: queried_reason(why.reason)? };
    identity.delete_account(id, &admin).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Search {
    fn filter(&self) -> Result<AccountFilter, Problem> {
        let wrong = |message| FieldError {
            location: Location::Parameter("identifier".to_owned()),
            code: "invalid".to_owned(),
            message,
        };
        let identifier = self.identifier.as_deref().map(Identifier::parse).transpose();
        let identifier = identifier.map_err(|error| Problem::invalid(vec![wrong(error.to_string())]))?;
        let (email, phone) = match identifier {
            None => (None, None),
            Some(Identifier::Email(email)) => (Some(email), None),
            Some(Identifier::Phone(phone)) => (None, Some(phone)),
        };
        let state = self.state.map(|state| match state {
            Standing::Active => AccountState::Active,
            Standing::Disabled => AccountState::Disabled,
            Standing::Deleted => AccountState::Deleted,
        });
        let role = self.role.map(|role| Role::from(role).to_string());
        Ok(AccountFilter { email, phone, name: self.name.clone(), role, state })
    }
}
