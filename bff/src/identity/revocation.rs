//! The sessions of which access tokens no longer count, although their signatures still would: all of them, or those
//! from before the account got another role.
//!
//! Bounded: an entry is dropped when the last token that it concerns has expired, and a flood
//! costs accuracy, never safety: everything signed before it must then be refreshed.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::store::{Lapse, Lapsed};

/// What no longer counts of a session, as replicas tell each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    pub session: Uuid,
    pub at: OffsetDateTime,
    /// Tokens of an earlier version of the account do not count; of a session that has ended, none does.
    pub tokens_from: i64,
}

/// A version that no account reaches.
pub const ENDED: i64 = i64::MAX;

pub struct Revocations {
    known: RwLock<Known>,
    /// How long a token may live after its session was revoked.
    remember: Duration,
    limit: usize,
}

struct Known {
    /// When, and which tokens still count.
    revoked: HashMap<Uuid, (OffsetDateTime, i64)>,
    /// Tokens issued up to here are refused whatever their session.
    floor: OffsetDateTime,
}

impl Revocation {
    pub fn ended(session: Uuid, at: OffsetDateTime) -> Self {
        Self { session, at, tokens_from: ENDED }
    }

    /// The id, then the second, then the version unless the session has ended.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = [&self.session.as_bytes()[..], &self.at.unix_timestamp().to_be_bytes()].concat();
        if self.tokens_from != ENDED {
            bytes.extend(self.tokens_from.to_be_bytes());
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (session, rest) = bytes.split_at_checked(16)?;
        let (second, version) = rest.split_at_checked(8)?;
        let tokens_from = if version.is_empty() { ENDED } else { i64::from_be_bytes(version.try_into().ok()?) };
        let second = i64::from_be_bytes(second.try_into().ok()?);
        let at = OffsetDateTime::from_unix_timestamp(second).ok()?;
        Some(Self { session: Uuid::from_slice(session).ok()?, at, tokens_from })
    }
}

impl From<Lapse> for Revocation {
    fn from(Lapse { session, at, what }: Lapse) -> Self {
        match what {
            Lapsed::All => Self::ended(session, at),
            Lapsed::TokensBefore(version) => Self { session, at, tokens_from: version },
        }
    }
}

impl Revocations {
    pub fn new(remember: Duration, limit: usize) -> Self {
        let known = Known { revoked: HashMap::new(), floor: OffsetDateTime::UNIX_EPOCH };
        Self { known: RwLock::new(known), remember, limit }
    }

    /// False if nothing is new about it.
    pub fn add(&self, revocation: Revocation) -> bool {
        let Revocation { session, at: revoked_at, tokens_from } = revocation;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.revoked.get(&session).is_some_and(|(_, known_from)| *known_from >= tokens_from) {
            return false;
        }
        if known.revoked.len() >= self.limit {
            known.revoked.retain(|_, (at, _)| at.saturating_add(self.remember) > revoked_at);
        }
        if known.revoked.len() >= self.limit {
            // The latest of all of them: what is no longer told apart is refused.
            let latest = known.revoked.values().map(|(at, _)| *at).fold(revoked_at, OffsetDateTime::max);
            known.revoked.clear();
            known.floor = known.floor.max(latest);
        }
        known.revoked.insert(session, (revoked_at, tokens_from));
        true
    }

    /// Whether the session has ended.
    pub fn contains(&self, session: Uuid) -> bool {
        self.tokens_from(session) == Some(ENDED)
    }

    /// Whether the session goes on as that of a later version of its account.
    pub fn outdates(&self, session: Uuid, version: i64) -> bool {
        self.tokens_from(session).is_some_and(|from| from != ENDED && version < from)
    }

    /// Whether a token of this session, of this version of its account and issued then, is refused.
    pub fn covers(&self, session: Uuid, version: i64, issued_at: OffsetDateTime) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        issued_at <= known.floor || known.revoked.get(&session).is_some_and(|(_, from)| version < *from)
    }

    fn tokens_from(&self, session: Uuid) -> Option<i64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.revoked.get(&session).map(|(_, from)| *from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: OffsetDateTime = time::macros::datetime!(2026-01-01 12:00 UTC);

    #[test]
    fn a_revocation_survives_the_bus() {
        let ended = Revocation::ended(Uuid::from_u128(7), NOON);
        for revocation in [ended, Revocation { tokens_from: 3, ..ended }] {
            assert_eq!(Revocation::from_bytes(&revocation.to_bytes()), Some(revocation));
        }
        for bytes in [&[][..], &[0; 16], &[0; 25], &[127; 24], &[0; 33]] {
            assert_eq!(Revocation::from_bytes(bytes), None);
        }
    }

    #[test]
    fn a_renewal_refuses_older_tokens_and_an_end_all_of_them() {
        let session = Uuid::from_u128(7);
        let revocations = Revocations::new(Duration::minutes(10), 2);
        let renewal = |version| Revocation { session, at: NOON, tokens_from: version };
        assert!(revocations.add(renewal(3)) && !revocations.add(renewal(3)) && !revocations.add(renewal(2)));
        let covers = |version| revocations.covers(session, version, NOON);
        assert!(covers(2) && !covers(3));
        assert!(revocations.outdates(session, 2) && !revocations.outdates(session, 3));
        assert!(!revocations.contains(session));
        assert!(revocations.add(Revocation::ended(session, NOON)) && !revocations.add(renewal(4)));
        assert!(covers(3) && revocations.contains(session) && !revocations.outdates(session, 2));
    }

    #[test]
    fn a_flood_forgets_what_has_expired_and_then_refuses_more_rather_than_less() {
        let [first, second, third, bystander] = [1, 2, 3, 4].map(Uuid::from_u128);
        let revocations = Revocations::new(Duration::minutes(10), 2);
        let add = |session, at| revocations.add(Revocation::ended(session, at));
        let covers = |session, at| revocations.covers(session, 1, at);
        add(first, NOON);
        add(second, NOON + Duration::minutes(9));
        assert!(covers(first, NOON) && !covers(bystander, NOON));

        add(third, NOON + Duration::minutes(10));
        assert!(!revocations.contains(first) && revocations.contains(second) && revocations.contains(third));

        add(first, NOON + Duration::minutes(11));
        assert!(covers(second, NOON) && covers(bystander, NOON + Duration::minutes(11)));
        assert!(!covers(bystander, NOON + Duration::minutes(12)));
    }
}
