//! How many requests a client address may make: a token bucket each, asked before anything costs.
//!
//! A keyed hash spreads the addresses over a fixed number of buckets. A flood of addresses can so
//! neither fill the memory nor push anyone out; strangers seldom share a bucket, and nobody can
//! aim for another's.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower::{Layer, ServiceExt};
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use super::Problem;
use super::client_address::ClientAddress;
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
    per_second: u32,
    burst: u32,
    limited: Counter,
}

type WithState = governor::middleware::StateInformationMiddleware;

const BUCKETS: u64 = 1 << 18;
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Load balancers ask this often, all from one address.
const HEALTH: &str = "/healthz";
const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
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
        let mut builder = GovernorConfigBuilder::default().key_extractor(Bucket(RandomState::new())).use_headers();
        let buckets = builder.period(period).burst_size(burst).finish().expect("neither is zero");
        let limited = meter.counter("bff_rate_limited_total", &[("policy", "address")]);
        Self { buckets: Arc::new(buckets), per_second, burst, limited }
    }

    /// Forgets the addresses whose buckets are full again, until `closing`.
    pub async fn sweep(&self, closing: CancellationToken) {
        while closing.run_until_cancelled(sleep(SWEEP_EVERY)).await.is_some() {
            self.buckets.limiter().retain_recent();
            self.buckets.limiter().shrink_to_fit();
        }
    }

    /// What is left, as draft-ietf-httpapi-ratelimit-headers-10 says it.
    fn described(&self, headers: HeaderMap) -> HeaderMap {
        let mut headers = headers;
        headers.remove(X_RATELIMIT_LIMIT);
        let remaining = headers.remove(X_RATELIMIT_REMAINING);
        let remaining: u32 = remaining.and_then(|left| left.to_str().ok()?.parse().ok()).unwrap_or(0);
        let full_in = self.burst.saturating_sub(remaining).div_ceil(self.per_second);
        let window = self.burst.div_ceil(self.per_second);
        let policy = format!("\"address\";q={};w={window}", self.burst);
        let state = format!("\"address\";r={remaining};t={full_in}");
        for (name, text) in [(RATELIMIT_POLICY, policy), (RATELIMIT, state)] {
            headers.extend(HeaderValue::try_from(text).ok().map(|value| (name, value)));
        }
        headers
    }
}

/// Answers 429 where the address has used up its bucket.
pub async fn admit(limit: Option<AddressLimit>, request: Request, next: Next) -> Response {
    let Some(limit) = limit.filter(|_| request.uri().path() != HEALTH) else { return next.run(request).await };
    let limited = limit.limited.clone();
    let governor = GovernorLayer::new(Arc::clone(&limit.buckets)).error_handler(move |error| refused(error, &limited));
    let Ok(mut response) = governor.layer(next).oneshot(request).await;
    let headers = std::mem::take(response.headers_mut());
    *response.headers_mut() = limit.described(headers);
    response
}

/// Which bucket a request draws from.
#[derive(Clone)]
struct Bucket(RandomState);

impl KeyExtractor for Bucket {
    type Key = u64;

    fn extract<T>(&self, request: &http::Request<T>) -> Result<u64, GovernorError> {
        let client = request.extensions().get::<ClientAddress>().ok_or(GovernorError::UnableToExtractKey)?;
        Ok(self.0.hash_one(client.household()) % BUCKETS)
    }
}

fn refused(error: GovernorError, limited: &Counter) -> Response<Body> {
    let problem = match error {
        // The governor cuts the wait down to whole seconds.
        GovernorError::TooManyRequests { wait_time, .. } => {
            limited.increment(1);
            Problem::too_many_requests(Duration::from_secs(wait_time.saturating_add(1)))
        }
        _ => Problem::internal(),
    };
    problem.into_response()
}
