//! Signing in and out, and who one is.

mod codes;
mod confirm_identifier;
mod confirm_reset_password;
pub mod device;
mod jwks;
mod login;
mod logins;
mod logout;
mod me;
mod refresh;
mod register;
mod reset_password;
mod sessions;
mod update_password;
mod verify_code;

pub use confirm_identifier::confirm_identifier;
pub use confirm_reset_password::confirm_reset_password;
pub use jwks::jwks;
pub use login::login;
pub use logins::logins;
pub use logout::logout;
pub use me::{delete_me, me, update_me};
pub use refresh::refresh;
pub use register::register;
pub use reset_password::reset_password;
pub use sessions::{Sessions, end_session, end_sessions, sessions};
pub use update_password::update_password;
pub use verify_code::verify_code;

use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::user::User;
use super::{Problem, session_cookie};
use crate::identity::{Deployment, Grant, SessionKind, SignedIn};

/// The largest body of these routes; the longest password and the longest token are a small part of it.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

#[derive(OpenApi)]
#[openapi(paths(
    verify_code::verify_code,
    register::register,
    login::login,
    refresh::refresh,
    logout::logout,
    me::me,
    me::update_me,
    me::delete_me,
    logins::logins,
    sessions::sessions,
    sessions::end_session,
    sessions::end_sessions,
    update_password::update_password,
    confirm_identifier::confirm_identifier,
    reset_password::reset_password,
    confirm_reset_password::confirm_reset_password,
    jwks::jwks,
))]
pub struct Description;

/// What a login or a refresh answers: the user, and the tokens unless a cookie carries the session.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum SignedInAnswer {
    Tokens(WithTokens),
    Cookie(WithCookie),
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WithTokens {
    user: User,
    access_token: String,
    refresh_token: String,
    #[schema(examples("Bearer"))]
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: i64,
}

#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WithCookie {
    user: User,
}

fn answer(signed_in: SignedIn, deployment: &Deployment) -> Result<Response, Problem> {
    let SignedIn { account, grant, device } = signed_in;
    let user = User::from(account);
    let (mut response, kind) = match grant {
        Grant::Cookie { value, max_age } => {
            let body = SignedInAnswer::Cookie(WithCookie { user });
            let set_cookie = [(SET_COOKIE, session_cookie::written(value, max_age, deployment)?)];
            ((set_cookie, axum::Json(body)).into_response(), SessionKind::Cookie)
        }
        Grant::Tokens { access, refresh, expires_in } => {
            let body = SignedInAnswer::Tokens(WithTokens {
                user,
                access_token: access,
                refresh_token: refresh,
                token_type: "Bearer",
                expires_in: expires_in.whole_seconds(),
            });
            (axum::Json(body).into_response(), SessionKind::Token)
        }
    };
    if let Some(device) = device {
        device::leave(response.headers_mut(), device, kind, deployment)?;
    }
    Ok(response)
}
