//! Whether one address of a service takes calls: one that fails again and again, or that nobody answers at, rests.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
pub struct Health {
    /// Failures in a row; 0 is the common case, which touches no lock.
    failures: AtomicU32,
    resting: AtomicBool,
    rest: Mutex<Rest>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Rest {
    until: Option<Instant>,
    /// Rests in a row; each is twice as long as the one before.
    times: u32,
    /// Nobody answered at all: it comes back once somebody has dialled it, not at a user's expense.
    unreached: bool,
}

const FIRST_REST: Duration = Duration::from_millis(500);
const MAX_REST: Duration = Duration::from_secs(30);

impl Health {
    pub fn takes_calls(&self, now: Instant) -> bool {
        if !self.resting.load(Ordering::Relaxed) {
            return true;
        }
        let rest = self.rest();
        !rest.unreached && rest.until.is_none_or(|until| until <= now)
    }

    /// Whether it is time to dial an address that nobody answered at.
    pub fn wants_dialling(&self, now: Instant) -> bool {
        if !self.resting.load(Ordering::Relaxed) {
            return false;
        }
        let rest = self.rest();
        rest.unreached && rest.until.is_none_or(|until| until <= now)
    }

    /// It answered, be it with a refusal.
    pub fn well(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.resting.load(Ordering::Relaxed) {
            *self.rest() = Rest::default();
            self.resting.store(false, Ordering::Relaxed);
        }
    }

    /// A call failed; whether the address begins to rest. It never does where `most` is 0.
    pub fn failed(&self, most: u32, now: Instant) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        most > 0 && failures >= most && self.begin_rest(false, now)
    }

    /// Nobody answered; whether the address begins to rest.
    pub fn unreached(&self, now: Instant) -> bool {
        self.begin_rest(true, now)
    }

    fn begin_rest(&self, unreached: bool, now: Instant) -> bool {
        let mut rest = self.rest();
        if rest.until.is_some_and(|until| now < until) {
            // Whoever called before it began to rest.
            rest.unreached |= unreached;
            return false;
        }
        let pause = FIRST_REST.saturating_mul(1 << rest.times.min(10)).min(MAX_REST);
        *rest = Rest { until: Some(now + pause), times: rest.times.saturating_add(1), unreached };
        self.failures.store(0, Ordering::Relaxed);
        self.resting.store(true, Ordering::Relaxed);
        true
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn failures_in_a_row_make_it_rest_ever_longer() {
        let (health, mut now) = (Health::default(), Instant::now());
        assert!(!health.failed(2, now));
        health.well();
        for rest in [FIRST_REST, FIRST_REST * 2, FIRST_REST * 4] {
            assert!(!health.failed(2, now) && health.takes_calls(now));
            assert!(health.failed(2, now) && !health.takes_calls(now + rest - SOON));
            now += rest;
            assert!(health.takes_calls(now), "its rest is over");
        }
        health.well();
        assert!(!health.failed(2, now) && health.failed(2, now) && health.takes_calls(now + FIRST_REST));
        assert!(!Health::default().failed(0, now), "switched off");
    }

    #[tokio::test]
    async fn where_nobody_answers_somebody_must_dial_first() {
        let (health, now) = (Health::default(), Instant::now());
        assert!(health.unreached(now) && !health.unreached(now), "a burst counts once");
        let later = now + FIRST_REST;
        assert!(!health.wants_dialling(now) && health.wants_dialling(later) && !health.takes_calls(later));
        health.well();
        assert!(health.takes_calls(later) && !health.wants_dialling(later));
    }
}
