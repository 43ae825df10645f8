//! Events in one JetStream stream, `NAMESPACE_events`: a subject for each kind, a durable consumer for each listener.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, Stream};
use bytes::Bytes;

use crate::store::error::{self, Cause, Error};
use crate::store::nats::Nats;
use crate::store::queue::{self, CLAIM_WAIT, GRACE, Job, MAX_AGE, REMEMBERED, SET_UP, Topic};
use crate::store::record::OutboxEvent;

#[derive(Debug)]
pub struct EventStream {
    nats: Nats,
    context: Context,
    /// By listener, until one of them fails.
    consumers: Mutex<HashMap<&'static str, PullConsumer>>,
}

/// The oldest give way to the newest, whoever has not listened.
const MAX_EVENTS: i64 = 1_000_000;
const MAX_PENDING: i64 = 10_000;

impl EventStream {
    pub fn new(nats: Nats) -> Self {
        let context = async_nats::jetstream::new(nats.client.clone());
        Self { nats, context, consumers: Mutex::default() }
    }

    pub async fn publish(&self, event: &OutboxEvent) -> Result<(), Error> {
        let publish = async {
            match self.send(event).await {
                Err(error) if error.kind() == PublishErrorKind::StreamNotFound => {
                    self.create_stream().await?;
                    self.send(event).await.map_err(error::nats)
                }
                sent => sent.map_err(error::nats),
            }
        };
        self.nats.guard.call_after(SET_UP, "publish an event", publish).await
    }

    pub async fn claim(&self, listener: &Topic) -> Result<Option<Job>, Error> {
        let claim = async {
            let claimed = match self.consumer(listener).await {
                Ok(consumer) => queue::pull(&self.nats.guard, &consumer).await,
                Err(error) => Err(error),
            };
            if claimed.is_err() {
                self.consumers().remove(listener.name);
            }
            claimed
        };
        self.nats.guard.call_after(SET_UP + CLAIM_WAIT + GRACE, "wait for an event", claim).await
    }

    async fn send(&self, event: &OutboxEvent) -> Result<(), PublishError> {
        let payload = Bytes::from(event.payload.clone());
        let message = PublishMessage::build().message_id(event.id.to_string()).payload(payload);
        let subject = format!("{}.events.v1.{}", self.nats.namespace, event.name);
        self.context.send_publish(subject, message).await?.await.map(drop)
    }

    async fn consumer(&self, listener: &Topic) -> Result<PullConsumer, Cause> {
        let known = self.consumers().get(listener.name).cloned();
        if let Some(consumer) = known {
            return Ok(consumer);
        }
        let config = pull::Config {
            durable_name: Some(listener.name.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: listener.lease,
            // Whoever claims counts the deliveries, as with jobs.
            max_deliver: -1,
            max_ack_pending: MAX_PENDING,
            ..pull::Config::default()
        };
        let consumer = self.create_stream().await?.create_consumer(config).await.map_err(error::nats)?;
        self.consumers().insert(listener.name, consumer.clone());
        Ok(consumer)
    }

    /// Takes a stream that is there as it is, so that operators may tune it.
    async fn create_stream(&self) -> Result<Stream, Cause> {
        let config = Config {
            name: format!("{}_events", self.nats.namespace),
            subjects: vec![format!("{}.events.v1.*", self.nats.namespace)],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            max_messages: MAX_EVENTS,
            max_age: MAX_AGE,
            duplicate_window: REMEMBERED,
            ..Config::default()
        };
        self.context.get_or_create_stream(config).await.map_err(error::nats)
    }

    fn consumers(&self) -> MutexGuard<'_, HashMap<&'static str, PullConsumer>> {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
