//! Takes events from the outbox to where their listeners find them.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Recorder, logins};
use crate::clock::Clock;
use crate::meter::{Gauge, Meter};
use crate::store::{Accompanying, Accounts, Error, Events};

/// One for each replica; one of them at a time has the outbox.
pub struct Publisher {
    accounts: Accounts,
    events: Events,
    recorder: Recorder,
    clock: Clock,
    meter: Meter,
    lag: Gauge,
}

const BATCH: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longer than a batch takes; if its publisher dies, another goes on after this.
const LEASE: Duration = Duration::from_secs(30);

impl Publisher {
    pub fn new(accounts: Accounts, events: Events, recorder: Recorder, clock: Clock, meter: Meter) -> Self {
        let lag = meter.gauge("bff_outbox_lag_seconds", &[]);
        Self { accounts, events, recorder, clock, meter, lag }
    }

    /// Publishes until told to stop; what was gathered until then is written.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut fine = true;
        loop {
            let stopping = stop.is_cancelled();
            let turn = self.turn().await;
            let was_fine = std::mem::replace(&mut fine, turn.is_ok());
            match turn {
                Err(error) if was_fine => {
                    tracing::warn!(%error, cause = %error.cause(), "events cannot be published and wait");
                }
                Ok(_) if !was_fine => tracing::info!("events are published again"),
                // More may wait than one batch takes.
                Ok(BATCH) if !stopping => continue,
                _ => {}
            }
            if stopping {
                return;
            }
            stop.run_until_cancelled(sleep(LOOK_EVERY)).await;
        }
    }

    /// Writes what was gathered and publishes a batch; gives how large it was.
    async fn turn(&self) -> Result<u32, Error> {
        let gathered = Accompanying { events: self.recorder.take(), ..Accompanying::default() };
        if !gathered.events.is_empty()
            && let Err(error) = self.accounts.note(&gathered).await
        {
            self.recorder.put_back(gathered.events);
            return Err(error);
        }
        self.publish().await
    }

    async fn publish(&self) -> Result<u32, Error> {
        let now = self.clock.now();
        let batch = self.accounts.claim_events(BATCH, LEASE, now).await?;
        let oldest = batch.first().map_or(now, |event| event.created_at);
        self.lag.set((now - oldest).as_seconds_f64());
        for (place, event) in batch.iter().enumerate() {
            if let Err(error) = self.events.publish(event, &[&logins::TOPIC]).await {
                // In order: what comes after this one waits for it.
                for event in &batch[place..] {
                    self.accounts.release_event(event.id).await?;
                }
                return Err(error);
            }
            self.accounts.published(event.id).await?;
            self.meter.counter("bff_events_published_total", &[("event", &event.name)]).increment(1);
        }
        Ok(u32::try_from(batch.len()).unwrap_or(BATCH))
    }
}
