//! The sessions whose access tokens no longer count, although their signatures still would.
//!
//! Bounded: an entry is dropped when the last token that it concerns has expired, and a flood
//! costs accuracy, never safety: everything signed before it must then be refreshed.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// The end of a session, as replicas tell each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    pub session: Uuid,
    pub at: OffsetDateTime,
}

pub struct Revocations {
    known: RwLock<Known>,
    /// How long a token may live after its session was revoked.
    remember: Duration,
    limit: usize,
}

struct Known {
    revoked_at: HashMap<Uuid, OffsetDateTime>,
    /// Tokens issued up to here are refused whatever their session.
    floor: OffsetDateTime,
}

impl Revocation {
    /// The id, then the second.
    pub fn to_bytes(self) -> Vec<u8> {
        [&self.session.as_bytes()[..], &self.at.unix_timestamp().to_be_bytes()].concat()
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (session, second) = bytes.split_at_checked(16)?;
        let second = i64::from_be_bytes(second.try_into().ok()?);
        Some(Self { session: Uuid::from_slice(session).ok()?, at: OffsetDateTime::from_unix_timestamp(second).ok()? })
    }
}

impl Revocations {
    pub fn new(remember: Duration, limit: usize) -> Self {
        let known = Known { revoked_at: HashMap::new(), floor: OffsetDateTime::UNIX_EPOCH };
        Self { known: RwLock::new(known), remember, limit }
    }

    pub fn add(&self, session: Uuid, revoked_at: OffsetDateTime) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.revoked_at.contains_key(&session) {
            return;
        }
        if known.revoked_at.len() >= self.limit {
            known.revoked_at.retain(|_, at| at.saturating_add(self.remember) > revoked_at);
        }
        if known.revoked_at.len() >= self.limit {
            // The latest of all of them: what is no longer told apart is refused.
            let latest = known.revoked_at.values().copied().fold(revoked_at, OffsetDateTime::max);
            known.revoked_at.clear();
            known.floor = known.floor.max(latest);
        }
        known.revoked_at.insert(session, revoked_at);
    }

    pub fn contains(&self, session: Uuid) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).revoked_at.contains_key(&session)
    }

    /// Whether a token of this session, issued then, is refused.
    pub fn covers(&self, session: Uuid, issued_at: OffsetDateTime) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        issued_at <= known.floor || known.revoked_at.contains_key(&session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: OffsetDateTime = time::macros::datetime!(2026-01-01 12:00 UTC);

    #[test]
    fn a_revocation_survives_the_bus() {
        let revocation = Revocation { session: Uuid::from_u128(7), at: NOON };
        assert_eq!(Revocation::from_bytes(&revocation.to_bytes()), Some(revocation));
        for bytes in [&[][..], &[0; 16], &[0; 25], &[127; 24]] {
            assert_eq!(Revocation::from_bytes(bytes), None);
        }
    }

    #[test]
    fn a_flood_forgets_what_has_expired_and_then_refuses_more_rather_than_less() {
        let [first, second, third, bystander] = [1, 2, 3, 4].map(Uuid::from_u128);
        let revocations = Revocations::new(Duration::minutes(10), 2);
        revocations.add(first, NOON);
        revocations.add(second, NOON + Duration::minutes(9));
        assert!(revocations.covers(first, NOON) && !revocations.covers(bystander, NOON));

        revocations.add(third, NOON + Duration::minutes(10));
        assert!(!revocations.contains(first) && revocations.contains(second) && revocations.contains(third));

        revocations.add(first, NOON + Duration::minutes(11));
        assert!(revocations.covers(second, NOON) && revocations.covers(bystander, NOON + Duration::minutes(11)));
        assert!(!revocations.covers(bystander, NOON + Duration::minutes(12)));
    }
}
