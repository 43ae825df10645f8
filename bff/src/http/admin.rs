//! What admins, and for the audit auditors, may see and do. Each of these requests is checked against the records.

mod audit;
mod user_sessions;
mod users;

pub use audit::audit;
pub use user_sessions::{end_user_session, end_user_sessions, user_sessions};
pub use users::{change_user, delete_user, user, users};

use utoipa::OpenApi;

use super::{FieldError, Location, Problem};
use crate::identity::{Access, Caller, Role};

#[derive(OpenApi)]
#[openapi(paths(
    users::users,
    users::user,
    users::change_user,
    users::delete_user,
    user_sessions::user_sessions,
    user_sessions::end_user_sessions,
    user_sessions::end_user_session,
    audit::audit
))]
pub struct Description;

fn require(caller: &Caller, role: Role) -> Result<(), Problem> {
    if Access::Roles(vec![role]).admits(caller.role) { Ok(()) } else { Err(Problem::forbidden()) }
}

/// Why something was done, as its admin says it.
fn checked_reason(location: Location, reason: Option<String>) -> Result<Option<String>, Problem> {
    let fits = |reason: &String| reason.chars().count() <= MAX_REASON_CHARS;
    match reason {
        Some(reason) if !fits(&reason) => Err(Problem::invalid(vec![FieldError {
            location,
            code: "range".to_owned(),
            message: format!("must be at most {MAX_REASON_CHARS} characters"),
        }])),
        reason => Ok(reason),
    }
}

/// Where a reason is part of the query.
fn queried_reason(reason: Option<String>) -> Result<Option<String>, Problem> {
    checked_reason(Location::Parameter("reason".to_owned()), reason)
}

const MAX_REASON_CHARS: usize = 500;
