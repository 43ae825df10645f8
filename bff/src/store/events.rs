//! Events for whoever listens: each listener is given every event at least once, over JetStream or a table.

mod stream;

pub use stream::EventStream;

use std::sync::Arc;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::queue::{self, Job, Table, Topic};
use super::record::OutboxEvent;

#[derive(Debug, Clone)]
pub enum Events {
    /// A job of the table for each listener.
    Embedded(Table),
    Nats(Arc<EventStream>),
}

impl Events {
    /// The same id again, within ten minutes, is the same event. Over JetStream others may listen besides these.
    pub async fn publish(&self, event: &OutboxEvent, listeners: &[&Topic]) -> Result<(), Error> {
        match self {
            Self::Embedded(table) => {
                for listener in listeners {
                    table.publish(listener, &event.id.to_string(), &event.payload).await?;
                }
                Ok(())
            }
            Self::Nats(stream) => stream.publish(event).await,
        }
    }

    /// Hands every event to `work`, as `Queue::work` does with jobs.
    pub async fn work<F>(&self, listener: &Topic, at_once: usize, stop: &CancellationToken, work: impl Fn(Job) -> F)
    where
        F: Future<Output = ()>,
    {
        let claim = || match self {
            Self::Embedded(table) => table.claim(listener).boxed(),
            Self::Nats(stream) => stream.claim(listener).boxed(),
        };
        queue::work_on(listener, at_once, stop, claim, work).await;
    }
}
