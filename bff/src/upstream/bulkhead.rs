//! How many calls a service may be busy with for us: one that hangs must not take every request with it.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::Config;

#[derive(Debug)]
pub struct Bulkhead {
    places: Semaphore,
    patience: Duration,
}

impl From<&Config> for Bulkhead {
    fn from(config: &Config) -> Self {
        let places = Semaphore::new(config.max_in_flight.min(Semaphore::MAX_PERMITS));
        Self { places, patience: Duration::from_millis(config.queue_ms) }
    }
}

impl Bulkhead {
    /// A place, if one is free.
    pub fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// A place, if one becomes free soon.
    pub async fn wait(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        let until = (Instant::now() + self.patience).min(deadline);
        // Boxed, because it is seldom needed and would make every call larger.
        timeout_at(until, self.places.acquire()).boxed().await.ok()?.ok()
    }
}
