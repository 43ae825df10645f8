//! What no longer counts of sessions, as replicas tell each other: over the bus at once, by the records after a while.

use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::{MAX_REVOKED, Sessions};
use crate::clock::Clock;
use crate::identity::revocation::Revocation;
use crate::store::{self, Changed, Heard, Subscription};

/// The topic of the bus.
const REVOKED: &str = "revoked";
const POLL_EVERY: std::time::Duration = std::time::Duration::from_secs(5);
/// How late a row may appear, and how far the clocks of two replicas may be apart.
const OVERLAP: time::Duration = time::Duration::seconds(60);

impl Sessions {
    /// Learns what other replicas revoke: from the bus at once, from the rows after a while. Never ends.
    pub async fn follow(&self, clock: &Clock) {
        let mut turns = interval(POLL_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut subscription: Option<Subscription> = None;
        let mut complete_until = clock.now();
        loop {
            tokio::select! {
                heard = next(&mut subscription) => if let Heard::Announcement(bytes) = heard {
                    if let Some(revocation) = Revocation::from_bytes(&bytes) {
                        self.note(revocation);
                    }
                    continue;
                },
                _ = turns.tick() => {}
            }
            if subscription.is_none() {
                subscription = self.bus.subscribe(REVOKED).await.ok();
            }
            self.settle().await;
            let now = clock.now();
            match self.read_lapses(complete_until - OVERLAP).await {
                Ok(()) => complete_until = now,
                Err(error) => tracing::warn!(%error, "cannot see what other replicas revoked"),
            }
        }
    }

    /// Tells of sessions that ended together with a change of their account.
    pub async fn ended(&self, sessions: &[Uuid], at: OffsetDateTime) {
        for session in sessions {
            self.tell(Revocation::ended(*session, at)).await;
        }
    }

    /// Tells of sessions that go on with another role.
    pub async fn renewed(&self, changed: &Changed, at: OffsetDateTime) {
        for session in &changed.sessions {
            self.tell(Revocation { session: *session, at, tokens_from: changed.account.auth_version }).await;
        }
    }

    /// Here at once, elsewhere soon: a replica that the announcement does not reach reads the rows.
    pub(super) async fn tell(&self, revocation: Revocation) {
        self.note(revocation);
        if let Err(error) = self.bus.announce(REVOKED, &revocation.to_bytes()).await {
            tracing::debug!(%error, "cannot announce a revocation");
        }
    }

    pub(super) async fn read_lapses(&self, since: OffsetDateTime) -> Result<(), store::Error> {
        // Oldest first, so that an overflow is met as it would have been met live.
        for lapse in self.store.lapsed_since(since, MAX_REVOKED + 1).await?.into_iter().rev() {
            self.note(lapse.into());
        }
        Ok(())
    }

    /// What is open since a renewal is not ended by hearing of it again.
    fn note(&self, revocation: Revocation) {
        if self.revocations.add(revocation) {
            self.standings.end(revocation.session);
        }
    }
}

/// What the bus says next; where there is no subscription, or its bus is closed, that is nothing, ever.
async fn next(subscription: &mut Option<Subscription>) -> Heard {
    if let Some(subscription) = subscription
        && let Some(heard) = subscription.next().await
    {
        return heard;
    }
    std::future::pending().await
}
