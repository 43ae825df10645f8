//! A token bucket in one number: when it will be full again (the generic cell rate algorithm).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;

use crate::clock::Clock;
use crate::store::database::micros;

/// How many tokens a bucket holds, and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    capacity: u32,
    /// Microseconds in which one token comes back.
    interval: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub allowed: bool,
    pub remaining: u32,
    /// How long until the same call can succeed; never, where it costs more than the bucket holds.
    pub retry_after: Duration,
}

/// The buckets of one process. A flood of new keys evicts no busy one: a newcomer is let in only if it is
/// asked for more often than what it would displace.
#[derive(Debug, Clone)]
pub struct Buckets {
    full_at: Cache<String, Arc<AtomicU64>>,
}

const MAX_BUCKETS: u64 = 100_000;
const MAX_INTERVAL: u64 = 86_400_000_000;
/// A bucket that takes longer to fill is as good as one that takes this long.
const MAX_FILL: u64 = 366 * 86_400_000_000;

impl Rate {
    /// At least one token, and at least one a day.
    pub fn new(capacity: u32, refill_per_second: f64) -> Self {
        let interval = (1_000_000.0 / refill_per_second).clamp(1.0, MAX_INTERVAL as f64);
        // `as` turns what is no number into 0.
        Self { capacity: capacity.max(1), interval: (interval.round() as u64).max(1) }
    }

    /// Microseconds in which one token comes back.
    pub(super) fn interval(self) -> u64 {
        self.interval
    }

    /// Microseconds in which an empty bucket becomes full.
    pub(super) fn fill(self) -> u64 {
        self.interval.saturating_mul(u64::from(self.capacity)).min(MAX_FILL)
    }

    /// When the bucket will be full after taking from it now, unless it refuses; and what to say.
    /// `bucket.lua` is the same arithmetic.
    fn take(self, full_at: u64, cost: u32, now: u64) -> (Option<u64>, Taken) {
        let before = full_at.max(now);
        let after = before.saturating_add(self.interval.saturating_mul(u64::from(cost)));
        let earliest = after.saturating_sub(self.fill());
        if now < earliest {
            let remaining = self.tokens(before, now);
            return (None, Taken { allowed: false, remaining, retry_after: Duration::from_micros(earliest - now) });
        }
        (Some(after), Taken { allowed: true, remaining: self.tokens(after, now), retry_after: Duration::ZERO })
    }

    fn tokens(self, full_at: u64, now: u64) -> u32 {
        let tokens = (now + self.fill()).saturating_sub(full_at) / self.interval;
        u32::try_from(tokens).unwrap_or(u32::MAX)
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self { full_at: Cache::new(MAX_BUCKETS) }
    }
}

impl Buckets {
    pub async fn take(&self, key: &str, rate: Rate, cost: u32, clock: &Clock) -> Taken {
        let now = u64::try_from(micros(clock.now())).unwrap_or(0);
        let full_at = self.full_at.get_with_by_ref(key, async { Arc::default() }).await;
        let mut seen = full_at.load(Ordering::Relaxed);
        loop {
            let (next, taken) = rate.take(seen, cost, now);
            let Some(next) = next else { return taken };
            match full_at.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return taken,
                Err(newer) => seen = newer,
            }
        }
    }

    /// As if so many had not been taken.
    pub async fn give_back(&self, key: &str, rate: Rate, count: u32) {
        let Some(full_at) = self.full_at.get(key).await else { return };
        let earlier = |full_at: u64| Some(full_at.saturating_sub(rate.interval.saturating_mul(count.into())));
        let _always = full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000_000;
    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_bucket_starts_full_empties_and_fills_at_its_rate() {
        let rate = Rate::new(3, 2.0);
        let (full_at, taken) = rate.take(0, 2, NOW);
        assert_eq!((taken.allowed, taken.remaining), (true, 1));
        let (refused, taken) = rate.take(full_at.unwrap(), 2, NOW);
        assert_eq!(refused, None);
        assert_eq!(taken, Taken { allowed: false, remaining: 1, retry_after: Duration::from_millis(500) });
        let (full_at, taken) = rate.take(full_at.unwrap(), 2, NOW + SECOND / 2);
        assert_eq!((taken.allowed, taken.remaining), (true, 0));
        let (_, taken) = rate.take(full_at.unwrap(), 0, NOW + 10 * SECOND);
        assert_eq!((taken.allowed, taken.remaining), (true, 3), "never more than full");
    }

    #[test]
    fn nonsense_rates_are_brought_into_bounds() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 1e-300] {
            let rate = Rate::new(u32::MAX, rate);
            assert!((1..=MAX_INTERVAL).contains(&rate.interval()) && rate.fill() <= MAX_FILL);
            assert!(rate.take(u64::MAX, u32::MAX, NOW).1.remaining == 0);
        }
        assert!(!Rate::new(0, 1.0).take(0, 2, NOW).1.allowed, "more than the bucket ever holds");
    }

    #[tokio::test]
    async fn a_million_new_keys_neither_fill_the_memory_nor_reset_a_busy_one() {
        let (buckets, rate) = (Buckets::default(), Rate::new(50, 0.001));
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        // Uses are counted from the moment when half of the room is taken.
        for number in 0..MAX_BUCKETS {
            buckets.take(&format!("early {number}"), rate, 1, &clock).await;
        }
        for _ in 0..50 {
            assert!(buckets.take("busy", rate, 1, &clock).await.allowed);
        }
        for number in 0..1_000_000 {
            buckets.take(&number.to_string(), rate, 1, &clock).await;
            if number % 10_000 == 0 {
                assert!(!buckets.take("busy", rate, 1, &clock).await.allowed, "after {number}");
            }
        }
        buckets.full_at.run_pending_tasks().await;
        assert!(buckets.full_at.entry_count() <= MAX_BUCKETS);
    }

    #[tokio::test]
    async fn a_flood_of_new_keys_does_not_reset_a_busy_one() {
        let buckets = Buckets { full_at: Cache::new(100) };
        let rate = Rate::new(50, 0.001);
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        let flood = async |count: u32, name: &str| {
            for number in 0..count {
                buckets.take(&format!("{name} {number}"), rate, 1, &clock).await;
            }
            buckets.full_at.run_pending_tasks().await;
        };
        // Uses are counted from the moment when half of the room is taken.
        flood(50, "early").await;
        for _ in 0..50 {
            assert!(buckets.take("busy", rate, 1, &clock).await.allowed);
        }
        buckets.full_at.run_pending_tasks().await;
        flood(500, "new").await;
        assert!(!buckets.take("busy", rate, 1, &clock).await.allowed);
        assert!(buckets.full_at.entry_count() <= 100);
    }
}
