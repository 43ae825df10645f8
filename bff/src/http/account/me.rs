//! `GET`, `PATCH` and `DELETE /v1/auth/me`: the caller's own account.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::login::checked;
use super::sessions::ended;
use crate::http::openapi::Refuses;
use crate::http::user::User;
use crate::http::{FieldError, Json, Location, Problem};
use crate::identity::{Caller, Client, Ended, Identity, Profile};

#[utoipa::path(
    get, path = "/v1/auth/me", tag = "account", operation_id = "auth-me",
    responses((status = 200, description = "The caller's account.", body = User), Refuses<400>, Refuses<401>, Refuses<503>),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn me(State(identity): State<Arc<Identity>>, caller: Caller) -> Result<axum::Json<User>, Problem> {
    Ok(axum::Json(identity.me(&caller).await?.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MePatch)]
pub struct Patch {
    #[serde(default)]
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// A language tag (BCP 47); null forgets it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, examples("de-CH"))]
    locale: Option<Option<String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MeDeletion)]
pub struct Deletion {
    /// The account's, once more.
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: SecretString,
}

#[utoipa::path(
    patch, path = "/v1/auth/me", tag = "account", operation_id = "auth-me-update",
    request_body = Patch,
    responses(
        (status = 200, description = "The account as it is now.", body = User),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<413>, Refuses<415>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn update_me(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    client: Client,
    Json(patch): Json<Patch>,
) -> Result<axum::Json<User>, Problem> {
    let name = patch.name.as_deref().map(checked_name).transpose()?;
    let locale = patch.locale.map(|locale| locale.map(checked_locale).transpose()).transpose()?;
    Ok(axum::Json(identity.update_profile(&caller, Profile { name, locale }, &client).await?.into()))
}

/// Signed out everywhere at once; the personal data is removed after a while.
#[utoipa::path(
    delete, path = "/v1/auth/me", tag = "account", operation_id = "auth-me-delete",
    request_body = Deletion,
    responses(
        (status = 204, description = "The account is deleted."),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<409>, Refuses<413>, Refuses<415>, Refuses<503>,
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn delete_me(
    State(identity): State<Arc<Identity>>,
    caller: Caller,
    client: Client,
    Json(deletion): Json<Deletion>,
) -> Result<Response, Problem> {
    identity.delete_own(&caller, checked("/password", deletion.password)?, &client).await?;
    ended(&identity, &caller, true, Ended::Done)
}

/// A member that is there, even with null, and one that is not are different things.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

const MAX_NAME_CHARS: usize = 200;
const MAX_LOCALE_BYTES: usize = 35;

/// How people are called is their own business, within bounds.
pub fn checked_name(text: &str) -> Result<String, Problem> {
    let name = text.trim();
    let fits = !name.is_empty() && name.chars().count() <= MAX_NAME_CHARS && !name.chars().any(is_mark);
    let message = || {
        format!(
            "expected 1 to {MAX_NAME_CHARS} characters, none of them a control character or one that turns the direction of text"
        )
    };
    if fits { Ok(name.to_owned()) } else { Err(invalid("/name", message())) }
}

/// Whatever is shown beside a name must read as it was written.
fn is_mark(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn checked_locale(text: String) -> Result<String, Problem> {
    let subtag = |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let language = |tag: &str| tag.len() >= 2 && tag.bytes().all(|byte| byte.is_ascii_alphabetic());
    let fits =
        text.len() <= MAX_LOCALE_BYTES && text.split('-').all(subtag) && text.split('-').next().is_some_and(language);
    if fits { Ok(text) } else { Err(invalid("/locale", "expected a language tag like `de` or `de-CH`".to_owned())) }
}

fn invalid(pointer: &str, message: String) -> Problem {
    let location = Location::Pointer(pointer.to_owned());
    Problem::invalid(vec![FieldError { location, code: "invalid".to_owned(), message }])
}
