//! What is allowed, and how it is told: `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-10 has them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use serde::Deserialize;

use crate::meter::{Counter, Meter};
use crate::store::Rate;

/// So many uses in so many seconds: a bucket that holds as many at once and fills within that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    pub requests: NonZeroU32,
    pub per_s: NonZeroU32,
}

/// A quota with a name; clones share its counter.
#[derive(Clone)]
pub struct Policy(Arc<Named>);

struct Named {
    name: String,
    quota: Quota,
    rate: Rate,
    field: HeaderValue,
    limited: Counter,
}

/// Where somebody stands with a policy.
#[derive(Clone)]
pub struct Standing {
    policy: Policy,
    pub remaining: u32,
}

impl Quota {
    /// Panics on zero, so that a constant is checked when it is compiled.
    pub const fn of(requests: u32, per_s: u32) -> Self {
        let (Some(requests), Some(per_s)) = (NonZeroU32::new(requests), NonZeroU32::new(per_s)) else {
            panic!("a quota of nothing")
        };
        Self { requests, per_s }
    }

    pub fn at_least_one(requests: u32, per_s: u32) -> Self {
        let [requests, per_s] = [requests, per_s].map(|number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN));
        Self { requests, per_s }
    }

    /// In which the bucket fills.
    pub(super) fn period(self) -> Duration {
        Duration::from_secs(self.per_s.get().into())
    }
}

impl Policy {
    pub fn new(name: &str, quota: Quota, meter: &Meter) -> Self {
        let Quota { requests, per_s } = quota;
        let field = format!("\"{name}\";q={requests};w={per_s}");
        Self(Arc::new(Named {
            name: name.to_owned(),
            quota,
            rate: Rate::new(requests.get(), f64::from(requests.get()) / f64::from(per_s.get())),
            // Names are ours, and ASCII.
            field: HeaderValue::try_from(field).unwrap_or(HeaderValue::from_static("")),
            limited: meter.counter("bff_rate_limited_total", &[("policy", name)]),
        }))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn standing(&self, remaining: u32) -> Standing {
        Standing { policy: self.clone(), remaining: remaining.min(self.0.quota.requests.get()) }
    }

    pub fn count_refusal(&self) {
        self.0.limited.increment(1);
    }

    pub(super) fn quota(&self) -> Quota {
        self.0.quota
    }

    pub(super) fn rate(&self) -> Rate {
        self.0.rate
    }
}

impl Standing {
    /// A member of `RateLimit-Policy`.
    pub fn policy_field(&self) -> HeaderValue {
        self.policy.0.field.clone()
    }

    /// A member of `RateLimit`: what is left, and in how many seconds it is the whole again.
    pub fn field(&self) -> Option<HeaderValue> {
        let Named { name, quota, .. } = &*self.policy.0;
        let missing = u64::from(quota.requests.get() - self.remaining);
        let full_in = (missing * u64::from(quota.per_s.get())).div_ceil(u64::from(quota.requests.get()));
        HeaderValue::try_from(format!("\"{name}\";r={};t={full_in}", self.remaining)).ok()
    }
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} left", self.policy.name(), self.remaining)
    }
}
