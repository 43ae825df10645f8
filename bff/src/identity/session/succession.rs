//! Cookie sessions of an account that has another role now: one of its own, with a cookie of its own, takes the place of
//! each.
//!
//! For a moment the old cookie counts as the new one, which was kept sealed under it: requests under way are no
//! strangers, and a lost answer loses nobody.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Rules;
use crate::identity::role::Role;
use crate::identity::secret::Secret;
use crate::seal::SealingKey;
use crate::store::{Previous, Session};

/// Where a cookie session stands, for whoever presents its secret.
pub enum Succession {
    Current,
    /// Another must take its place.
    Due,
    /// Another has; this is its secret.
    Done(Secret),
}

const GRACE: Duration = Duration::seconds(10);

pub fn succession(session: &Session, secret: &Secret) -> Succession {
    let Some(previous) = &session.previous else {
        return if session.renewed_at.is_some() { Succession::Due } else { Succession::Current };
    };
    let successor = successor_key(secret).open(&session.id.to_string(), &previous.sealed_successor);
    successor.and_then(|bytes| Secret::from_bytes(&bytes)).map_or(Succession::Current, Succession::Done)
}

/// The record of the old session, which ends soon, and the new one. Neither end is ever put off by it.
pub fn succeed(
    rules: &Rules,
    session: &Session,
    role: Role,
    secret: &Secret,
    successor: &Secret,
    now: OffsetDateTime,
) -> (Session, Session) {
    let absolute_expires_at = session.absolute_expires_at.min(now + rules.absolute(session.kind, role));
    let new = Session {
        id: Uuid::now_v7(),
        secret_hash: successor.hash(),
        previous: None,
        created_at: now,
        last_seen_at: now,
        idle_expires_at: absolute_expires_at.min(now + rules.idle(session.kind, role)),
        absolute_expires_at,
        renewed_at: None,
        tokens_from: 0,
        revision: 0,
        ..session.clone()
    };
    let old = Session {
        previous: Some(Previous {
            secret_hash: session.secret_hash,
            sealed_successor: successor_key(secret).seal(&session.id.to_string(), successor.as_bytes()),
            rotated_at: now,
        }),
        idle_expires_at: session.idle_expires_at.min(now + GRACE),
        ..session.clone()
    };
    (old, new)
}

fn successor_key(secret: &Secret) -> SealingKey {
    SealingKey::new(secret.derive("bff session cookie successor").as_bytes())
}
