//! Work for one of the replicas, at least once: a job that is claimed and not acknowledged is due again when its lease ends.

mod stream;
mod table;
mod work;

pub use stream::{GRACE, SET_UP, Stream, pull};
pub use table::Table;
pub use work::work_on;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::message::Acker;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::error::Error;
use super::guard::Guard;

#[derive(Debug, Clone)]
pub enum Queue {
    /// A table of the database.
    Embedded(Table),
    /// JetStream.
    Nats(Arc<Stream>),
}

/// A kind of job and its bounds; `name` is a word of a-z, 0-9, - and _.
#[derive(Debug, Clone, Copy)]
pub struct Topic {
    pub name: &'static str,
    /// How long a worker has until another may try.
    pub lease: Duration,
    /// After so many claims a job is given up.
    pub max_deliveries: u32,
}

/// A claimed job.
pub struct Job {
    /// As its publisher named it.
    pub id: String,
    pub payload: Bytes,
    /// 1 at the first claim.
    pub delivery: u32,
    receipt: Receipt,
}

/// Whom to tell what became of a claim.
enum Receipt {
    Table(Table, &'static str),
    Stream(Guard, Box<Acker>),
}

pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
pub const MAX_ID_BYTES: usize = 256;
/// How many jobs of a topic may wait.
pub const MAX_WAITING: u32 = 100_000;
/// How long an id is remembered: publishing it again in that time adds nothing.
pub const REMEMBERED: Duration = Duration::from_secs(600);
/// A job that nobody does is dropped after this long.
pub const MAX_AGE: Duration = Duration::from_secs(7 * 86_400);
/// How long a claim waits for a job.
pub const CLAIM_WAIT: Duration = Duration::from_secs(1);
/// How many jobs one claim may give up before it says that there is none.
const MAX_GIVEN_UP: usize = 100;

impl Queue {
    /// False if a job of this id was published lately; nothing is added then.
    pub async fn publish(&self, topic: &Topic, id: &str, payload: &[u8]) -> Result<bool, Error> {
        self.guard().bounded(PUBLISH, "the id", id.len(), MAX_ID_BYTES)?;
        self.guard().bounded(PUBLISH, "the payload", payload.len(), MAX_PAYLOAD_BYTES)?;
        match self {
            Self::Embedded(table) => table.publish(topic, id, payload).await,
            Self::Nats(stream) => stream.publish(topic, id, payload).await,
        }
    }

    /// A job that nobody else has, for the length of the topic's lease; waits up to a second for one.
    pub async fn claim(&self, topic: &Topic) -> Result<Option<Job>, Error> {
        claim_within_bounds(topic, &|| match self {
            Self::Embedded(table) => table.claim(topic).boxed(),
            Self::Nats(stream) => stream.claim(topic).boxed(),
        })
        .await
    }

    /// Succeeds if a job could be published now.
    pub async fn check(&self) -> Result<(), Error> {
        match self {
            Self::Embedded(table) => table.check().await,
            Self::Nats(stream) => stream.check().await,
        }
    }

    fn guard(&self) -> &Guard {
        match self {
            Self::Embedded(table) => table.guard(),
            Self::Nats(stream) => stream.guard(),
        }
    }
}

type Claim<'a> = BoxFuture<'a, Result<Option<Job>, Error>>;

/// A job that was not claimed too often already: what was is given up.
async fn claim_within_bounds<'a>(topic: &Topic, claim: &impl Fn() -> Claim<'a>) -> Result<Option<Job>, Error> {
    for _ in 0..MAX_GIVEN_UP {
        match claim().await? {
            Some(job) if job.delivery > topic.max_deliveries => {
                tracing::error!(topic = topic.name, job = job.id, deliveries = job.delivery - 1, "a job is given up");
                job.acknowledge().await?;
            }
            claimed => return Ok(claimed),
        }
    }
    Ok(None)
}

impl Job {
    /// It is done.
    pub async fn acknowledge(self) -> Result<(), Error> {
        match self.receipt {
            Receipt::Table(table, topic) => table.acknowledge(topic, &self.id, self.delivery).await,
            Receipt::Stream(guard, acker) => stream::acknowledge(&guard, &acker).await,
        }
    }

    /// It could not be done and is due again after a while.
    pub async fn give_back(self, delay: Duration) -> Result<(), Error> {
        match self.receipt {
            Receipt::Table(table, topic) => table.give_back(topic, &self.id, self.delivery, delay).await,
            Receipt::Stream(guard, acker) => stream::give_back(&guard, &acker, delay).await,
        }
    }
}

const PUBLISH: &str = "publish a job";
