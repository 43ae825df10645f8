//! What is kept of the codes of one identifier for one purpose.

use serde::{Deserialize, Serialize};
use time::serde::timestamp::microseconds;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Asker, ChallengeId};

/// At most `MAX_LIVE` challenges, and as many moments as the limits of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The oldest first.
    pub challenges: Vec<Challenge>,
    pub strangers: Budget,
    pub known_devices: Budget,
}

/// A code that was sent, and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    pub id: ChallengeId,
    /// Of the code and all it belongs to; see `Digester`.
    pub digest: [u8; 32],
    /// With which pepper.
    pub pepper: [u8; 4],
    /// Whose it is, where one must be signed in.
    pub account: Option<Uuid>,
    pub created_at: Moment,
    pub expires_at: Moment,
    pub tries: u32,
    /// Until then somebody uses the code.
    pub leased_until: Option<Moment>,
}

/// What some have used of the limits: the moments of a day, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    pub sent: Vec<Moment>,
    pub wrong: Vec<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(#[serde(with = "microseconds")] pub OffsetDateTime);

/// After so long nothing in a record counts any more.
pub const REMEMBERED: Duration = Duration::DAY;

impl Record {
    /// Without what no longer counts.
    pub(super) fn at(&self, now: OffsetDateTime) -> Self {
        let mut record = self.clone();
        record.challenges.retain(|challenge| now < challenge.expires_at.0);
        for budget in [&mut record.strangers, &mut record.known_devices] {
            for moments in [&mut budget.sent, &mut budget.wrong] {
                moments.retain(|at| now - at.0 < REMEMBERED);
            }
        }
        record
    }

    pub(super) fn budget(&self, asker: Asker) -> &Budget {
        match asker {
            Asker::Stranger => &self.strangers,
            Asker::KnownDevice => &self.known_devices,
        }
    }

    pub(super) fn budget_mut(&mut self, asker: Asker) -> &mut Budget {
        match asker {
            Asker::Stranger => &mut self.strangers,
            Asker::KnownDevice => &mut self.known_devices,
        }
    }
}

impl From<OffsetDateTime> for Moment {
    fn from(at: OffsetDateTime) -> Self {
        Self(at)
    }
}
