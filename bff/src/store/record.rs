//! The records as they are kept: plain data without rules.

use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Clone)]
pub struct Account {
    pub id: Uuid,
    /// Normalised, so that equal addresses are equal text.
    pub email: Option<String>,
    pub email_verified_at: Option<OffsetDateTime>,
    /// E.164.
    pub phone: Option<String>,
    pub phone_verified_at: Option<OffsetDateTime>,
    /// A PHC string; none for accounts that sign in by other means.
    pub password_hash: Option<String>,
    pub name: String,
    pub locale: Option<String>,
    pub role: String,
    /// Grows with every change that must end what was signed before it.
    pub auth_version: i64,
    pub credentials_changed_at: OffsetDateTime,
    pub created_at: OffsetDateTime,
    pub disabled_at: Option<OffsetDateTime>,
    pub deleted_at: Option<OffsetDateTime>,
}

#[derive(Clone)]
pub struct Session {
    pub id: Uuid,
    pub account_id: Uuid,
    pub kind: SessionKind,
    pub secret_hash: [u8; 32],
    /// How often the secret has been rotated.
    pub generation: u32,
    pub previous: Option<Previous>,
    pub created_at: OffsetDateTime,
    pub last_seen_at: OffsetDateTime,
    pub idle_expires_at: OffsetDateTime,
    pub absolute_expires_at: OffsetDateTime,
    /// The account's, when the session began.
    pub auth_version: i64,
    pub user_agent: Option<String>,
    /// The network the client came from, not its full address.
    pub address: Option<String>,
    pub revoked_at: Option<OffsetDateTime>,
    /// Counts writes, for compare-and-put.
    pub revision: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    Cookie,
    Token,
}

/// The secret that was rotated away, and its successor, which only its holder can unseal.
#[derive(Clone)]
pub struct Previous {
    pub secret_hash: [u8; 32],
    pub sealed_successor: Vec<u8>,
    pub rotated_at: OffsetDateTime,
}

#[derive(Clone)]
pub struct SigningKey {
    pub kid: String,
    /// As in a token's header: `ES256`.
    pub algorithm: String,
    pub state: KeyState,
    /// The private key in PKCS #8, encrypted under the master key.
    pub sealed: Vec<u8>,
    pub created_at: OffsetDateTime,
    pub state_since: OffsetDateTime,
}

/// Published, then signing, then published until its last token has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    Next,
    Current,
    Retiring,
}
