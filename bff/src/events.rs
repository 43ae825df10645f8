//! What happens to accounts, told to others: at least once, in order, and never while somebody waits.
//!
//! A change writes its event in its own transaction; the publisher takes it from there. What changes nothing, as a
//! failed login, is gathered in memory and written a moment later.

mod logins;
mod publisher;
mod recorder;
mod wire;

pub use logins::LoginHistory;
pub use publisher::Publisher;
pub use recorder::Recorder;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::{OutboxEvent, SessionKind};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whose account it is; none where nobody has the name that was tried.
    pub account: Option<Uuid>,
    /// Who did it, if not the owner.
    pub actor: Option<Uuid>,
    pub at: OffsetDateTime,
    pub origin: Origin,
    pub what: What,
}

/// Where the request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Not the full address.
    pub network: Option<String>,
    pub user_agent: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Registered,
    LoggedIn { session: Uuid, kind: SessionKind },
    LoginFailed { reason: LoginRefusal, kind: SessionKind },
    PasswordChanged { reset: bool },
    IdentifierChanged,
    RoleChanged { from: String, to: String },
    SessionsRevoked { sessions: Vec<Uuid> },
    Deleted,
    RefreshReuse { session: Uuid },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    InvalidCredentials,
    Disabled,
}

/// An event of a large change names so many sessions at the most.
const MAX_SESSIONS: usize = 1_000;

impl Event {
    /// As it is written beside the change.
    pub fn outbox(&self) -> OutboxEvent {
        let id = Uuid::now_v7();
        OutboxEvent {
            id,
            name: self.what.name().to_owned(),
            payload: wire::encode(id, self),
            account_id: self.account,
            created_at: self.at,
        }
    }
}

impl What {
    /// The last word of its subject.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::LoggedIn { .. } => "logged-in",
            Self::LoginFailed { .. } => "login-failed",
            Self::PasswordChanged { .. } => "password-changed",
            Self::IdentifierChanged => "identifier-changed",
            Self::RoleChanged { .. } => "role-changed",
            Self::SessionsRevoked { .. } => "sessions-revoked",
            Self::Deleted => "deleted",
            Self::RefreshReuse { .. } => "refresh-reuse",
        }
    }
}

impl LoginRefusal {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidCredentials => "invalid-credentials",
            Self::Disabled => "disabled",
        }
    }
}
