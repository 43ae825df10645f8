//! How many requests are answered at once. What comes beyond that is told at once to come again, before it costs
//! anything: a longer queue would only make everybody late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Problem;
use crate::meter::{Counter, Gauge, Meter};

/// The places of one server; a reload begins with empty ones.
#[derive(Clone)]
pub struct Capacity(Arc<Places>);

struct Places {
    taken: AtomicUsize,
    most: usize,
    in_flight: Gauge,
    shed: Counter,
}

/// A request that is being answered, until its answer's head is there or nobody waits for it any more.
pub struct Place(Arc<Places>);

const RETRY: Duration = Duration::from_secs(1);

impl Capacity {
    pub fn new(most: usize, meter: &Meter) -> Self {
        let (in_flight, shed) = (meter.gauge("bff_http_in_flight", &[]), meter.counter("bff_shed_total", &[]));
        Self(Arc::new(Places { taken: AtomicUsize::new(0), most, in_flight, shed }))
    }

    pub fn enter(&self) -> Result<Place, Problem> {
        let Self(places) = self;
        if places.taken.fetch_add(1, Ordering::Relaxed) >= places.most {
            places.taken.fetch_sub(1, Ordering::Relaxed);
            places.shed.increment(1);
            return Err(Problem::unavailable(RETRY).code("overloaded", "The server has more to do than it can; wait"));
        }
        places.in_flight.increment(1.0);
        Ok(Place(Arc::clone(places)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_flight.decrement(1.0);
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
