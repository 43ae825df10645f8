//! How many requests a client address may make: a token bucket each, asked before anything costs.
//!
//! A keyed hash spreads the addresses over a fixed number of buckets. A flood of addresses can so
//! neither fill the memory nor push anyone out; strangers seldom share a bucket, and nobody can
//! aim for another's.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use governor::clock::Clock;
use serde::Deserialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_governor::GovernorError;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;

use super::Problem;
use super::facts::Facts;
use crate::limits::{Enforce, Limited, Policy, Quota, Standing};
use crate::meter::Meter;

/// `[http.rate_limit]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimit {
    pub enforce: Enforce,
    pub per_second: NonZeroU32,
    /// How many may come at once.
    pub burst: NonZeroU32,
}

impl Default for RateLimit {
    fn default() -> Self {
        // An office or a mobile network of thousands may share one address: this stops floods, not use.
        Self { enforce: Enforce::Auto, per_second: FIVE_HUNDRED, burst: FIVE_THOUSAND }
    }
}

const FIVE_HUNDRED: NonZeroU32 = NonZeroU32::new(500).expect("500 is not 0");
const FIVE_THOUSAND: NonZeroU32 = NonZeroU32::new(5_000).expect("5000 is not 0");

/// The buckets of all addresses.
#[derive(Clone)]
pub struct AddressLimit {
    buckets: Arc<GovernorConfig<Bucket, WithState>>,
    bucket: Bucket,
    policy: Policy,
}

type WithState = governor::middleware::StateInformationMiddleware;

const BUCKETS: u64 = 1 << 18;
const SWEEP_EVERY: Duration = Duration::from_secs(10);

impl AddressLimit {
    /// None where none is to be enforced.
    pub fn new(config: &RateLimit, production: bool, meter: &Meter) -> Option<Self> {
        config.enforce.is_on(production).then(|| Self::of(config, meter))
    }

    fn of(config: &RateLimit, meter: &Meter) -> Self {
        let (per_second, burst) = (config.per_second.get(), config.burst.get());
        let period = (Duration::from_secs(1) / per_second).max(Duration::from_nanos(1));
        let bucket = Bucket(RandomState::new());
        let mut builder = GovernorConfigBuilder::default().key_extractor(bucket.clone()).use_headers();
        let buckets = builder.period(period).burst_size(burst).finish().expect("neither is zero");
        let per_s = config.burst.div_ceil(config.per_second);
        let policy = Policy::new("address", Quota { requests: config.burst, per_s }, meter);
        Self { buckets: Arc::new(buckets), bucket, policy }
    }

    /// Forgets the addresses whose buckets are full again, until `closing`.
    pub async fn sweep(&self, closing: CancellationToken) {
        while closing.run_until_cancelled(sleep(SWEEP_EVERY)).await.is_some() {
            self.buckets.limiter().retain_recent();
            self.buckets.limiter().shrink_to_fit();
        }
    }

    /// Takes one out of the client's bucket: what is left then, or why the request is refused.
    pub fn draw(&self, request: &Request) -> Result<Standing, Problem> {
        let Ok(bucket) = self.bucket.extract(request) else { return Err(Problem::internal()) };
        match self.buckets.limiter().check_key(&bucket) {
            Ok(left) => Ok(self.policy.standing(left.remaining_burst_capacity())),
            Err(until) => {
                self.policy.count_refusal();
                let retry_after = until.wait_time_from(self.buckets.limiter().clock().now());
                Err(Limited { standing: self.policy.standing(0), retry_after }.into())
            }
        }
    }
}

/// Which bucket a request draws from.
#[derive(Clone)]
struct Bucket(RandomState);

impl KeyExtractor for Bucket {
    type Key = u64;

    fn extract<T>(&self, request: &http::Request<T>) -> Result<u64, GovernorError> {
        let client = request
            .extensions()
            .get::<Facts>()
            .and_then(|facts| facts.client)
            .ok_or(GovernorError::UnableToExtractKey)?;
        Ok(self.0.hash_one(client.household()) % BUCKETS)
    }
}
