//! Refresh tokens: each is used once, and each use yields the next.
//!
//! A client that lost the answer may ask again for a moment and gets the same successor, which was
//! kept sealed under the token it already holds. Any other second use means that two parties hold
//! the token, so the whole session ends.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Rules;
use crate::identity::role::Role;
use crate::identity::secret::Secret;
use crate::seal::SealingKey;
use crate::store::{Previous, Session, SessionKind};

/// `rt1.<session>.<generation>.<secret>`
#[derive(Clone)]
pub struct RefreshToken {
    pub session: Uuid,
    pub generation: u32,
    pub secret: Secret,
}

/// What using a refresh token leads to.
pub enum Refresh {
    /// The record to put, and the next token.
    Rotated(Box<Session>, RefreshToken),
    /// The next token once more; nothing to put.
    Repeated(RefreshToken),
    /// The token is in two hands, so the session must end.
    Reused,
    /// No such session any more.
    Ended,
}

impl RefreshToken {
    /// The inverse of `encode`; refuses every other spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.splitn(3, '.');
        let session = Uuid::try_parse(parts.next()?).ok()?;
        let generation = parts.next()?.parse().ok()?;
        let secret = Secret::decode(parts.next()?)?;
        let token = Self { session, generation, secret };
        (token.encode() == text).then_some(token)
    }

    pub fn encode(&self) -> String {
        format!("{PREFIX}{}.{}.{}", self.session, self.generation, self.secret.encode())
    }
}

/// Whether the account may still have sessions is the caller's question.
pub fn refresh(
    rules: &Rules,
    session: &Session,
    token: &RefreshToken,
    successor: Secret,
    role: Role,
    now: OffsetDateTime,
) -> Refresh {
    let over = now >= session.idle_expires_at || now >= session.absolute_expires_at;
    if session.kind != SessionKind::Token || session.revoked_at.is_some() || over {
        return Refresh::Ended;
    }
    if is_current(session, token) {
        return rotate(rules, session, token, successor, role, now);
    }
    match repeat(rules, session, token, now) {
        Some(successor) => Refresh::Repeated(successor),
        None => Refresh::Reused,
    }
}

/// Whether the token is the one that is to be used next.
pub fn is_current(session: &Session, token: &RefreshToken) -> bool {
    token.generation == session.generation && is_hash_of(&session.secret_hash, &token.secret)
}

const PREFIX: &str = "rt1.";

fn rotate(
    rules: &Rules,
    session: &Session,
    token: &RefreshToken,
    successor: Secret,
    role: Role,
    now: OffsetDateTime,
) -> Refresh {
    let Some(generation) = session.generation.checked_add(1) else { return Refresh::Ended };
    let rotated = Session {
        secret_hash: successor.hash(),
        generation,
        previous: Some(Previous {
            secret_hash: session.secret_hash,
            sealed_successor: successor_key(token).seal(&successor_name(token), successor.as_bytes()),
            rotated_at: now,
        }),
        last_seen_at: now,
        idle_expires_at: rules.idle_end(session, role, now),
        ..session.clone()
    };
    Refresh::Rotated(Box::new(rotated), RefreshToken { session: session.id, generation, secret: successor })
}

/// The successor of the token before the current one, while the grace lasts.
fn repeat(rules: &Rules, session: &Session, token: &RefreshToken, now: OffsetDateTime) -> Option<RefreshToken> {
    let previous = session.previous.as_ref()?;
    let grace = Duration::seconds(i64::from(rules.refresh_grace_s));
    let immediate = token.generation.checked_add(1) == Some(session.generation);
    if !immediate || now > previous.rotated_at + grace || !is_hash_of(&previous.secret_hash, &token.secret) {
        return None;
    }
    let secret = successor_key(token).open(&successor_name(token), &previous.sealed_successor)?;
    Some(RefreshToken { session: session.id, generation: session.generation, secret: Secret::from_bytes(&secret)? })
}

fn is_hash_of(hash: &[u8; 32], secret: &Secret) -> bool {
    verify_slices_are_equal(hash, &secret.hash()).is_ok()
}

/// Only the holder of a token can derive the key under which its successor is kept.
fn successor_key(token: &RefreshToken) -> SealingKey {
    SealingKey::new(token.secret.derive("bff refresh token successor").as_bytes())
}

fn successor_name(token: &RefreshToken) -> String {
    format!("{}.{}", token.session, token.generation)
}
