//! How often something may be asked for: token buckets by policy and key, which all replicas share.
//!
//! Where the shared store does not answer, this replica counts by itself: a limit is then one for each replica, never none.
//! A busy caller's uses are taken some ahead (`lease`), so that together replicas may let 5 % more through than one would.

mod config;
mod key;
mod lease;
mod policy;

pub use config::{Config, Enforce, Roles};
pub use key::{Key, household};
pub use policy::{Policy, Quota, Standing};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::meter::{Gauge, Meter};
use crate::store::{Buckets, KeyValue, Taken};
use lease::Leases;

/// The buckets of all policies; clones share them.
#[derive(Clone)]
pub struct Limits(Arc<Shared>);

struct Shared {
    store: KeyValue,
    leases: Leases,
    /// What counts while the store is away.
    floor: Buckets,
    clock: Clock,
    meter: Meter,
    degraded: Gauge,
}

/// Too often: what the policy is, and when the same may be asked again.
#[derive(Debug, Clone)]
pub struct Limited {
    pub standing: Standing,
    pub retry_after: Duration,
}

impl Limits {
    /// `store` should be the hot one: whoever is limited waits for it.
    pub fn new(store: KeyValue, clock: Clock, meter: &Meter) -> Self {
        let degraded = meter.gauge("bff_degraded", &[("part", "limits")]);
        let meter = meter.clone();
        let (leases, floor) = (Leases::default(), Buckets::default());
        Self(Arc::new(Shared { store, leases, floor, clock, meter, degraded }))
    }

    /// Made once and kept: it holds its counter. The name is in headers and metrics, so it comes from a closed set.
    pub fn policy(&self, name: &str, quota: Quota) -> Policy {
        Policy::new(name, quota, &self.0.meter)
    }

    /// Takes one use from the key's bucket under this policy, or says how long none is there.
    pub async fn take(&self, key: &Key, policy: &Policy) -> Result<Standing, Limited> {
        let taken = self.0.take(&bucket(policy, key), policy).await;
        let standing = policy.standing(taken.remaining);
        if taken.allowed {
            return Ok(standing);
        }
        policy.count_refusal();
        Err(Limited { standing, retry_after: taken.retry_after })
    }

    /// Puts one use back that turned out to be none. What cannot be put back comes back with time.
    pub async fn give_back(&self, key: &Key, policy: &Policy) {
        let bucket = bucket(policy, key);
        if let Err(error) = self.0.store.give_back_tokens(&bucket, policy.rate(), 1).await {
            tracing::debug!(%error, "a use that was none goes on counting");
            self.0.floor.give_back(&bucket, policy.rate(), 1).await;
        }
    }
}

impl Shared {
    async fn take(&self, bucket: &str, policy: &Policy) -> Taken {
        let taken = if self.store.is_remote() {
            let ask = |count| self.store.take_tokens(bucket, policy.rate(), count).boxed();
            self.leases.take(bucket, policy, Instant::now(), ask).await
        } else {
            self.store.take_tokens(bucket, policy.rate(), 1).await
        };
        match taken {
            Ok(taken) => {
                self.degraded.set(0.0);
                taken
            }
            Err(error) => {
                self.degraded.set(1.0);
                tracing::debug!(%error, cause = %error.cause(), "limits are counted by this replica alone");
                self.floor.take(bucket, policy.rate(), 1, &self.clock).await
            }
        }
    }
}

fn bucket(policy: &Policy, key: &Key) -> String {
    format!("{}:{key}", policy.name())
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limits")
    }
}
