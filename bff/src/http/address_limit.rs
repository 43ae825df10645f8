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
use axum::response::{IntoResponse, Response};
use governor::clock::Clock;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_governor::GovernorError;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;

use super::Problem;
use super::layers::Facts;
use crate::meter::{Counter, Meter};

/// `[http.rate_limit]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimit {
    pub enforce: Enforce,
    pub per_second: NonZeroU32,
    /// How many may come at once.
    pub burst: NonZeroU32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforce {
    /// In production only, so that nobody measures the limit instead of the server.
    #[default]
    Auto,
    On,
    Off,
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
    per_second: u32,
    burst: u32,
    policy: HeaderValue,
    limited: Counter,
}

/// What is left to a client.
pub struct Quota {
    policy: HeaderValue,
    remaining: u32,
    /// In seconds.
    full_in: u32,
}

type WithState = governor::middleware::StateInformationMiddleware;

const BUCKETS: u64 = 1 << 18;
const SWEEP_EVERY: Duration = Duration::from_secs(10);
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl AddressLimit {
    /// None where none is to be enforced.
    pub fn new(config: &RateLimit, production: bool, meter: &Meter) -> Option<Self> {
        let enforced = match config.enforce {
            Enforce::Auto => production,
            Enforce::On => true,
            Enforce::Off => false,
        };
        enforced.then(|| Self::of(config, meter))
    }

    fn of(config: &RateLimit, meter: &Meter) -> Self {
        let (per_second, burst) = (config.per_second.get(), config.burst.get());
        let period = (Duration::from_secs(1) / per_second).max(Duration::from_nanos(1));
        let bucket = Bucket(RandomState::new());
        let mut builder = GovernorConfigBuilder::default().key_extractor(bucket.clone()).use_headers();
        let buckets = builder.period(period).burst_size(burst).finish().expect("neither is zero");
        let limited = meter.counter("bff_rate_limited_total", &[("policy", "address")]);
        let policy = format!("\"address\";q={burst};w={}", burst.div_ceil(per_second));
        let policy = HeaderValue::try_from(policy).expect("it is ASCII");
        Self { buckets: Arc::new(buckets), bucket, per_second, burst, policy, limited }
    }

    /// Forgets the addresses whose buckets are full again, until `closing`.
    pub async fn sweep(&self, closing: CancellationToken) {
        while closing.run_until_cancelled(sleep(SWEEP_EVERY)).await.is_some() {
            self.buckets.limiter().retain_recent();
            self.buckets.limiter().shrink_to_fit();
        }
    }

    /// Takes one out of the client's bucket: what is left then, or why the request is refused.
    pub fn draw(&self, request: &Request) -> Result<Quota, Box<Response>> {
        let Ok(bucket) = self.bucket.extract(request) else { return Err(Problem::internal().into_response().into()) };
        match self.buckets.limiter().check_key(&bucket) {
            Ok(left) => Ok(self.quota(left.remaining_burst_capacity())),
            Err(until) => {
                self.limited.increment(1);
                let now = self.buckets.limiter().clock().now();
                let mut refusal = Problem::too_many_requests(until.wait_time_from(now)).into_response();
                self.quota(0).describe(refusal.headers_mut());
                Err(refusal.into())
            }
        }
    }

    /// What a client is told whose bucket has this much left.
    fn quota(&self, remaining: u32) -> Quota {
        let full_in = self.burst.saturating_sub(remaining).div_ceil(self.per_second);
        Quota { policy: self.policy.clone(), remaining, full_in }
    }
}

impl Quota {
    /// As draft-ietf-httpapi-ratelimit-headers-10 says it.
    pub fn describe(self, headers: &mut HeaderMap) {
        let Self { policy, remaining, full_in } = self;
        headers.insert(RATELIMIT_POLICY, policy);
        let state = HeaderValue::try_from(format!("\"address\";r={remaining};t={full_in}"));
        headers.extend(state.ok().map(|state| (RATELIMIT, state)));
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
