//! Uses that this replica took ahead from a shared bucket, so that not every request of a busy caller asks the store.
//!
//! A lease grows with what its caller needs, up to a twentieth of the bucket, and ends after the time in which the bucket
//! regains that twentieth. What all replicas hold was thus taken within that time: however many they are, together they let
//! through at most 5 % of the bucket more than one bucket would.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use moka::future::Cache;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Policy;
use crate::store::Taken;

/// The leases of one replica. A flood of new keys displaces no busy one, and a displaced lease is only asked for again.
pub struct Leases(Cache<String, Arc<Mutex<Lease>>>);

#[derive(Default)]
struct Lease {
    size: u32,
    left: u32,
    ends: Option<Instant>,
    /// In the bucket, when it was last asked.
    remaining: u32,
}

const MAX_LEASES: u64 = 100_000;
/// How much of a bucket one replica takes ahead.
const SHARE: u32 = 20;

impl Default for Leases {
    fn default() -> Self {
        Self(Cache::new(MAX_LEASES))
    }
}

impl Leases {
    /// One use, from the lease if there is one. `ask` takes so many from the bucket; who needs the same key waits for it.
    pub async fn take<'a, E>(
        &self,
        bucket: &str,
        policy: &Policy,
        now: Instant,
        ask: impl Fn(u32) -> BoxFuture<'a, Result<Taken, E>>,
    ) -> Result<Taken, E> {
        let largest = policy.quota().requests.get() / SHARE;
        if largest < 2 {
            return ask(1).await;
        }
        let lease = self.0.get_with_by_ref(bucket, async { Arc::default() }).await;
        let mut lease = lease.lock().await;
        if let Some(taken) = lease.use_one(now) {
            return Ok(taken);
        }
        let mut size = lease.next_size(now, largest);
        let mut taken = ask(size).await?;
        if !taken.allowed && size > 1 {
            size = 1;
            taken = ask(size).await?;
        }
        let left = if taken.allowed { size - 1 } else { 0 };
        let ends = now + policy.quota().period() / SHARE;
        *lease = Lease { size, left, ends: Some(ends), remaining: taken.remaining };
        Ok(Taken { remaining: taken.remaining.saturating_add(left), ..taken })
    }
}

impl Lease {
    fn lasts(&self, now: Instant) -> bool {
        self.ends.is_some_and(|ends| now < ends)
    }

    fn use_one(&mut self, now: Instant) -> Option<Taken> {
        if !self.lasts(now) || self.left == 0 {
            return None;
        }
        self.left -= 1;
        let remaining = self.remaining.saturating_add(self.left);
        Some(Taken { allowed: true, remaining, retry_after: Duration::ZERO })
    }

    /// Twice as many where they were used up in time, else as many as were used.
    fn next_size(&self, now: Instant, largest: u32) -> u32 {
        let size = if self.lasts(now) { self.size.saturating_mul(2) } else { self.size - self.left };
        size.clamp(1, largest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt;

    use super::*;
    use crate::clock::Clock;
    use crate::limits::Quota;
    use crate::meter::Meter;
    use crate::store::Buckets;

    struct Fleet {
        replicas: Vec<Leases>,
        policy: Policy,
        shared: Buckets,
        clock: Clock,
        start: Instant,
        asked: AtomicU32,
    }

    /// A bucket of 400 that fills in 200 seconds.
    impl Fleet {
        fn of(replicas: usize) -> Self {
            Self {
                replicas: (0..replicas).map(|_| Leases::default()).collect(),
                policy: Policy::new("test", Quota::of(400, 200), &Meter::none()),
                shared: Buckets::default(),
                clock: Clock::manual(time::OffsetDateTime::UNIX_EPOCH),
                start: Instant::now(),
                asked: AtomicU32::new(0),
            }
        }

        async fn take(&self, replica: usize, second: u64) -> bool {
            let now = self.start + Duration::from_secs(second);
            let ask = |count| {
                self.asked.fetch_add(1, Ordering::Relaxed);
                self.shared.take("key", self.policy.rate(), count, &self.clock).map(Ok::<_, ()>).boxed()
            };
            self.replicas[replica].take("key", &self.policy, now, ask).await.unwrap().allowed
        }
    }

    #[tokio::test]
    async fn a_busy_caller_asks_the_store_seldom() {
        let fleet = Fleet::of(1);
        let mut allowed = 0;
        while fleet.take(0, 0).await {
            allowed += 1;
        }
        assert_eq!(allowed, 400, "alone, a replica lets exactly as many through");
        let asked = fleet.asked.into_inner();
        assert!(asked < 400 / 10, "{asked} round trips");
    }

    #[tokio::test]
    async fn a_rare_caller_takes_nothing_ahead() {
        let fleet = Fleet::of(10);
        // One every ten seconds at each replica: half of what the bucket regains, and never refused.
        for second in (0..1_000).step_by(10) {
            for replica in 0..10 {
                assert!(fleet.take(replica, second).await, "second {second}");
            }
            fleet.clock.advance(Duration::from_secs(10));
        }
    }

    #[tokio::test]
    async fn however_many_replicas_together_let_through_a_twentieth_more_at_most() {
        for replicas in [1, 2, 10, 50] {
            let fleet = Fleet::of(replicas);
            let mut admitted: Vec<(u64, u32)> = Vec::new();
            // Bursts at moments that make leases, let them rest, and use them together.
            for second in [0, 1, 5, 9, 150, 151, 155, 159, 160, 168, 400, 409, 410, 419, 420] {
                let last = admitted.last().map_or(0, |(second, _)| *second);
                fleet.clock.advance(Duration::from_secs(second - last));
                let tries = if second % 10 == 9 { 1_000 } else { 30 };
                let mut allowed = 0;
                for number in 0..tries {
                    allowed += u32::from(fleet.take(number % replicas, second).await);
                }
                admitted.push((second, allowed));
            }
            for (first, (from, _)) in admitted.iter().enumerate() {
                let mut sum = 0;
                for (until, allowed) in &admitted[first..] {
                    sum += allowed;
                    let regained = 2 * u32::try_from(until - from).unwrap();
                    assert!(sum <= 420 + regained, "{replicas} replicas: {sum} from {from} until {until}");
                }
            }
        }
    }
}
