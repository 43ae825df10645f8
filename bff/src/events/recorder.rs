//! Events of what changed nothing: gathered here, so that whoever was refused does not wait for the database.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Event;
use crate::meter::{Counter, Meter};
use crate::store::OutboxEvent;

/// Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    gathered: Arc<Mutex<Vec<OutboxEvent>>>,
    dropped: Counter,
}

/// More than a flood of logins can bring between two looks of the publisher.
const CAPACITY: usize = 1_000;

impl Recorder {
    pub fn new(meter: &Meter) -> Self {
        Self { gathered: Arc::default(), dropped: meter.counter("bff_events_dropped_total", &[]) }
    }

    /// Loses the event, and counts that, if too many wait.
    pub fn record(&self, event: &Event) {
        self.put_back(vec![event.outbox()]);
    }

    /// Everything gathered since the last time.
    pub(super) fn take(&self) -> Vec<OutboxEvent> {
        std::mem::take(&mut *self.gathered())
    }

    pub(super) fn put_back(&self, events: Vec<OutboxEvent>) {
        let mut gathered = self.gathered();
        let room = CAPACITY.saturating_sub(gathered.len());
        self.dropped.increment(u64::try_from(events.len().saturating_sub(room)).unwrap_or_default());
        gathered.extend(events.into_iter().take(room));
    }

    fn gathered(&self) -> MutexGuard<'_, Vec<OutboxEvent>> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
