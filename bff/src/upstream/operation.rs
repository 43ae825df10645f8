//! How the calls of one operation are counted and timed.

use std::sync::OnceLock;

use tokio::time::Instant;

use super::Error;
use crate::meter::{Counter, Gauge, Histogram, Meter, Raised};

/// The measures of one operation of a source.
pub struct OperationMeter {
    meter: Meter,
    source: String,
    operation: String,
    /// By gRPC's number of the outcome, each made when it first happens.
    outcomes: [OnceLock<Counter>; OUTCOMES.len()],
    broken: OnceLock<Counter>,
    duration: Histogram,
    in_flight: Gauge,
}

/// How a call ends, by gRPC's number.
const OUTCOMES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];
const OK: usize = 0;
const CANCELLED: usize = 1;

impl OperationMeter {
    pub fn new(meter: &Meter, source: &str, operation: &str) -> Self {
        let labels = [("source", source), ("operation", operation)];
        Self {
            meter: meter.clone(),
            source: source.to_owned(),
            operation: operation.to_owned(),
            outcomes: Default::default(),
            broken: OnceLock::new(),
            duration: meter.histogram("bff_upstream_call_duration_seconds", &labels),
            in_flight: meter.gauge("bff_upstream_in_flight", &labels[..1]),
        }
    }

    /// Measures a call from now to its end; one that is given up is `cancelled`.
    pub fn begin(&self) -> Ongoing<'_> {
        Ongoing { meter: self, began: Instant::now(), outcome: CANCELLED, _busy: self.busy() }
    }

    /// Counts as in flight for as long as it lives.
    pub fn busy(&self) -> Raised {
        Raised::new(&self.in_flight)
    }

    /// Counts a reply that breaks its contract.
    pub fn broke_contract(&self) {
        let labels = [("source", self.source.as_str()), ("operation", &self.operation)];
        self.broken.get_or_init(|| self.meter.counter("bff_contract_violations_total", &labels)).increment(1);
    }

    fn count(&self, outcome: usize) {
        let (Some(counter), Some(name)) = (self.outcomes.get(outcome), OUTCOMES.get(outcome)) else { return };
        let labels = [("source", self.source.as_str()), ("operation", &self.operation), ("outcome", name)];
        counter.get_or_init(|| self.meter.counter("bff_upstream_calls_total", &labels)).increment(1);
    }
}

/// A call that is being measured.
pub struct Ongoing<'a> {
    meter: &'a OperationMeter,
    began: Instant,
    outcome: usize,
    _busy: Raised,
}

impl Ongoing<'_> {
    pub fn ended<T>(mut self, result: &Result<T, Error>) {
        self.outcome = result.as_ref().map_or_else(|error| error.code as usize, |_| OK);
    }
}

impl Drop for Ongoing<'_> {
    fn drop(&mut self) {
        self.meter.duration.record(self.began.elapsed());
        self.meter.count(self.outcome);
    }
}
