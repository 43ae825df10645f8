//! How often a call's reply was kept, stale, shared or fetched.

use super::How;
use crate::meter::{Counter, Meter};

pub struct CallMeters {
    hit: Counter,
    stale: Counter,
    miss: Counter,
    coalesced: Counter,
}

impl CallMeters {
    /// `call` is `VIEW.CALL`.
    pub fn new(meter: &Meter, call: &str) -> Self {
        let counter = |result| meter.counter("bff_cache_requests_total", &[("call", call), ("result", result)]);
        Self { hit: counter("hit"), stale: counter("stale"), miss: counter("miss"), coalesced: counter("coalesced") }
    }

    pub fn count(&self, how: How, times: usize) {
        let counter = match how {
            How::Hit => &self.hit,
            How::Stale => &self.stale,
            How::Miss => &self.miss,
            How::Coalesced => &self.coalesced,
        };
        counter.increment(times as u64);
    }
}
