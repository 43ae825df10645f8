//! Jobs as JetStream streams, one for each topic: a work queue with one durable consumer that all replicas pull from.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, PullConsumer};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::{Acker, PublishMessage};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use async_nats::jetstream::{AckKind, Context};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{CLAIM_WAIT, Job, MAX_AGE, MAX_WAITING, PUBLISH, REMEMBERED, Receipt, Topic};
use crate::store::error::{self, Cause, Error};
use crate::store::guard::Guard;
use crate::store::nats::Nats;

#[derive(Debug)]
pub struct Stream {
    nats: Nats,
    context: Context,
    /// By topic, until one of them fails.
    consumers: Mutex<HashMap<&'static str, PullConsumer>>,
}

/// A first use asks for the stream and the consumer too.
pub const SET_UP: Duration = Duration::from_secs(1);
/// How much later than asked the answer to a claim may come.
pub const GRACE: Duration = Duration::from_secs(1);

impl Stream {
    pub fn new(nats: Nats) -> Self {
        let context = async_nats::jetstream::new(nats.client.clone());
        Self { nats, context, consumers: Mutex::default() }
    }

    pub fn guard(&self) -> &Guard {
        &self.nats.guard
    }

    pub async fn check(&self) -> Result<(), Error> {
        self.nats.check().await
    }

    pub async fn publish(&self, topic: &Topic, id: &str, payload: &[u8]) -> Result<bool, Error> {
        let payload = Bytes::copy_from_slice(payload);
        let publish = async {
            match self.send(topic, id, payload.clone()).await {
                Err(error) if error.kind() == PublishErrorKind::StreamNotFound => {
                    self.create_stream(topic).await?;
                    self.send(topic, id, payload).await.map_err(|error| refused(topic, error))
                }
                sent => sent.map_err(|error| refused(topic, error)),
            }
        };
        self.guard().call_after(SET_UP, PUBLISH, publish).await
    }

    pub async fn claim(&self, topic: &Topic) -> Result<Option<Job>, Error> {
        let claim = async {
            let claimed = match self.consumer(topic).await {
                Ok(consumer) => pull(self.guard(), &consumer).await,
                Err(error) => Err(error),
            };
            if claimed.is_err() {
                self.consumers().remove(topic.name);
            }
            claimed
        };
        self.guard().call_after(SET_UP + CLAIM_WAIT + GRACE, "claim a job", claim).await
    }

    /// True if the job is a new one.
    async fn send(
        &self,
        topic: &Topic,
        id: &str,
        payload: Bytes,
    ) -> Result<bool, async_nats::jetstream::context::PublishError> {
        let message = PublishMessage::build().message_id(id).payload(payload);
        let acknowledgement = self.context.send_publish(self.subject(topic), message).await?.await?;
        Ok(!acknowledgement.duplicate)
    }

    async fn consumer(&self, topic: &Topic) -> Result<PullConsumer, Cause> {
        let known = self.consumers().get(topic.name).cloned();
        if let Some(consumer) = known {
            return Ok(consumer);
        }
        let stream = self.create_stream(topic).await?;
        let config = consumer::pull::Config {
            durable_name: Some("workers".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: topic.lease,
            // Whoever claims a job counts its deliveries, as over the other backends.
            max_deliver: -1,
            max_ack_pending: i64::from(MAX_WAITING),
            ..consumer::pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(error::nats)?;
        self.consumers().insert(topic.name, consumer.clone());
        Ok(consumer)
    }

    /// Takes a stream that is there as it is, so that operators may tune it.
    async fn create_stream(&self, topic: &Topic) -> Result<async_nats::jetstream::stream::Stream, Cause> {
        let config = Config {
            name: format!("{}_{}", self.nats.namespace, topic.name),
            subjects: vec![self.subject(topic)],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            max_messages: i64::from(MAX_WAITING),
            max_age: MAX_AGE,
            duplicate_window: REMEMBERED,
            ..Config::default()
        };
        self.context.get_or_create_stream(config).await.map_err(error::nats)
    }

    fn subject(&self, topic: &Topic) -> String {
        format!("{}.queue.{}", self.nats.namespace, topic.name)
    }

    fn consumers(&self) -> MutexGuard<'_, HashMap<&'static str, PullConsumer>> {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the consumer's next job.
pub async fn pull(guard: &Guard, consumer: &PullConsumer) -> Result<Option<Job>, Cause> {
    let pull = consumer.batch().max_messages(1).expires(CLAIM_WAIT).messages().await;
    let mut pull = pull.map_err(error::nats)?;
    // The server says when there is nothing; if it does not, the consumer is gone.
    let pulled = timeout(CLAIM_WAIT + GRACE, pull.next()).await;
    let Some(message) = pulled.map_err(|_| Cause::TimedOut(CLAIM_WAIT + GRACE))? else { return Ok(None) };
    let message = message.map_err(Cause::Nats)?;
    let delivery = message.info().map_err(Cause::Nats)?.delivered;
    let (message, acker) = message.split();
    let id = message.headers.as_ref().and_then(|headers| headers.get(async_nats::header::NATS_MESSAGE_ID));
    Ok(Some(Job {
        id: id.map(ToString::to_string).unwrap_or_default(),
        payload: message.payload,
        delivery: u32::try_from(delivery).unwrap_or(u32::MAX),
        receipt: Receipt::Stream(guard.clone(), Box::new(acker)),
    }))
}

pub async fn acknowledge(guard: &Guard, acker: &Acker) -> Result<(), Error> {
    guard.call("acknowledge a job", async { acker.double_ack().await.map_err(Cause::Nats) }).await
}

pub async fn give_back(guard: &Guard, acker: &Acker, delay: Duration) -> Result<(), Error> {
    let give_back = acker.double_ack_with(AckKind::Nak(Some(delay)));
    guard.call("give a job back", async { give_back.await.map_err(Cause::Nats) }).await
}

/// A full stream answers; it is not away.
fn refused(topic: &Topic, error: async_nats::jetstream::context::PublishError) -> Cause {
    if error.to_string().contains("maximum messages exceeded") {
        return Cause::Full { topic: topic.name, limit: MAX_WAITING };
    }
    error::nats(error)
}
