//! Where a call of a plan goes, and what is counted on the way.

use std::sync::Arc;

use compose::plan::{Call, Request as Planned};
use http::uri::PathAndQuery;
use http::{HeaderName, Method};

use super::Cache;
use super::door::Shared;
use super::keeping::Keeping;
use crate::meter::{Counter, Meter, Raised};
use crate::upstream::{self, Error, OperationMeter, Replies, Reply, Source};

pub(super) struct Destination {
    pub source: Arc<Source>,
    pub address: Address,
    /// Where calls that ask for the same at the same time become one; none where each is made.
    shared: Option<Shared>,
    /// What is kept of its replies.
    keeping: Option<Keeping>,
    /// The call changes something, so that it is made as often as it is asked for.
    changes: bool,
    meter: OperationMeter,
    hedges: Counter,
    coalesced: Counter,
}

pub(super) enum Address {
    Grpc(PathAndQuery),
    Http(Method),
    Nats,
}

impl Destination {
    /// None where the plan names a path or a method that HTTP does not know.
    pub fn of(
        view: &str,
        call: &Call,
        source: Arc<Source>,
        (shared, cache): (Option<&Shared>, Option<&Arc<Cache>>),
        meter: &Meter,
    ) -> Option<Self> {
        let address = match &call.request {
            Planned::Grpc { path, .. } => Address::Grpc(path.parse().ok()?),
            Planned::Http { method, .. } => Address::Http(method.parse().ok()?),
            Planned::Nats { .. } => Address::Nats,
        };
        let name = format!("{view}.{}", call.name);
        let coalesced = [("call", name.as_str()), ("result", "coalesced")];
        Some(Self {
            source,
            address,
            shared: shared.cloned(),
            keeping: Keeping::of(&name, call, cache, meter),
            changes: !call.safe,
            hedges: meter.counter("bff_hedges_total", &[("source", call.source.as_str())]),
            coalesced: meter.counter("bff_cache_requests_total", &coalesced),
            meter: OperationMeter::new(meter, &call.source, &call.operation),
        })
    }

    pub async fn call(&self, call: upstream::Call) -> Result<Reply, Error> {
        let ongoing = self.meter.begin();
        let reply = self.source.call(call).await;
        ongoing.ended(&reply);
        if let (true, Some(shared)) = (self.changes, &self.shared) {
            // Whoever changed something must see it, and a reading that is under way may not.
            shared.part_with_all();
        }
        reply
    }

    /// The calls that this one may join.
    pub fn joinable(&self) -> Option<&Shared> {
        self.shared.as_ref().filter(|_| !self.changes)
    }

    pub fn keeping(&self) -> Option<&Keeping> {
        self.keeping.as_ref()
    }

    pub async fn open(&self, call: upstream::Call) -> Result<Replies, Error> {
        let ongoing = self.meter.begin();
        let replies = self.source.open(call).await;
        ongoing.ended(&replies);
        replies
    }

    /// Counts as in flight for as long as it lives.
    pub fn busy(&self) -> Raised {
        self.meter.busy()
    }

    pub fn hedged(&self) {
        self.hedges.increment(1);
    }

    pub fn coalesced(&self) {
        self.coalesced.increment(1);
    }

    /// Counts a reply that breaks its contract.
    pub fn broke_contract(&self) {
        self.meter.broke_contract();
    }

    /// The client's headers that go along.
    pub fn forward(&self) -> &[HeaderName] {
        self.source.forward()
    }
}
