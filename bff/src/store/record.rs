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
    /// The account's, when the session began or was renewed.
    pub auth_version: i64,
    /// When it went on as that of an account with another role.
    pub renewed_at: Option<OffsetDateTime>,
    /// Tokens that were signed for an earlier version of the account do not count.
    pub tokens_from: i64,
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

/// The secret that was rotated away, and its successor, which only its holder can unseal. Of a cookie session, whose
/// secret stays: the one of the session that takes its place.
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

/// A change of one key's row, as it was seen; an algorithm has at most one next and one current key.
pub enum KeyChange {
    Insert(SigningKey),
    Move {
        kid: String,
        from: KeyState,
        to: KeyState,
        at: OffsetDateTime,
    },
    /// The same private key under another master key.
    Reseal {
        kid: String,
        from: Vec<u8>,
        to: Vec<u8>,
    },
    Remove {
        kid: String,
        state: KeyState,
    },
}

impl KeyState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retiring => "retiring",
        }
    }
}

/// One line of the audit, which only grows: who did what to whom, from where, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// In the order of time (version 7), so that pages can follow it.
    pub id: Uuid,
    pub at: OffsetDateTime,
    /// None where the server itself or a command acts.
    pub actor: Option<Uuid>,
    /// A word: `password-changed`.
    pub action: String,
    /// The id of an account, of a key.
    pub target: Option<String>,
    /// The network the request came from, not its full address.
    pub network: Option<String>,
    pub result: String,
    pub reason: Option<String>,
}

/// What others are told of a change, once it is certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    /// In the order of time (version 7); what listeners know repetitions by.
    pub id: Uuid,
    pub name: String,
    pub payload: Vec<u8>,
    pub account_id: Option<Uuid>,
    pub created_at: OffsetDateTime,
}

/// What is written in the same transaction as a change, or not at all.
#[derive(Debug, Clone, Default)]
pub struct Accompanying {
    pub audit: Vec<AuditEntry>,
    pub events: Vec<OutboxEvent>,
}

/// A code's challenge that pays for a change, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub id: String,
    /// It is worth nothing to an account whose credentials have changed since.
    pub issued_at: OffsetDateTime,
}

/// One attempt to sign in to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginEntry {
    /// The event's that told of it.
    pub id: Uuid,
    pub account_id: Uuid,
    pub at: OffsetDateTime,
    pub kind: String,
    pub network: Option<String>,
    pub user_agent: Option<String>,
    pub result: String,
}

/// A normalised address, by what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    Email(String),
    Phone(String),
}

/// What comes of a change that happens as a whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written<T> {
    Done(T),
    /// The challenge has paid for another change.
    Spent,
    /// The address belongs to another account.
    Taken,
    /// The record is gone, or no longer what the change was made for.
    Outdated,
    /// Nobody would be left with a role that somebody must have.
    Needed,
}

impl<T> Written<T> {
    /// The same, with something else to show for it.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Written<U> {
        match self {
            Self::Done(done) => Written::Done(with(done)),
            Self::Spent => Written::Spent,
            Self::Taken => Written::Taken,
            Self::Outdated => Written::Outdated,
            Self::Needed => Written::Needed,
        }
    }
}

/// What lets a password be replaced.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// The hash that the current password was checked against.
    OldHash(&'a str),
    Challenge(&'a Challenge),
}

/// Which sessions of an account outlive a change.
#[derive(Clone, Copy)]
pub enum Keep<'a> {
    None,
    /// This one, moved to the account's new version.
    Session(Uuid),
    /// None of the old ones; this one begins.
    New(&'a Session),
}

/// What an account shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Its sessions go on, until then at the latest.
    Role {
        old: &'a str,
        new: &'a str,
        latest: [(SessionKind, Ends); 2],
    },
    Disabled,
    Enabled,
    Deleted,
}

/// The idle and the absolute end of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    pub idle: OffsetDateTime,
    pub absolute: OffsetDateTime,
}

/// An account as a change left it, and its sessions that ended with it or, with another role, go on.
pub struct Changed {
    pub account: Account,
    pub sessions: Vec<Uuid>,
}

/// What no longer counts of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lapse {
    pub session: Uuid,
    pub at: OffsetDateTime,
    pub what: Lapsed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapsed {
    /// It has ended.
    All,
    /// Tokens that were signed for a version of the account before this one.
    TokensBefore(i64),
}

/// Which sessions of an account shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    One(Uuid),
    AllBut(Uuid),
    All,
}

/// A place in a list that is ordered by time, newest first; the id tells apart what happened at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub at: OffsetDateTime,
    pub id: Uuid,
}

/// Which accounts to look for: those that fit everything that is given.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Normalised, the whole.
    pub email: Option<String>,
    /// E.164, the whole.
    pub phone: Option<String>,
    /// How it begins, whatever the case of its letters.
    pub name: Option<String>,
    pub role: Option<String>,
    pub state: Option<AccountState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountState {
    Active,
    Disabled,
    Deleted,
}
