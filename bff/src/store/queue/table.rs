//! Jobs as a table of the database: each claim is a compare-and-put on the number of deliveries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::{CLAIM_WAIT, Job, MAX_AGE, MAX_WAITING, PUBLISH, REMEMBERED, Receipt, Topic};
use crate::clock::Clock;
use crate::store::database::{Database, Row, corrupt, micros};
use crate::store::error::{Cause, Error};
use crate::store::guard::Guard;

#[derive(Debug, Clone)]
pub struct Table {
    database: Database,
    clock: Clock,
    /// Wakes who waits in this process; others, and who waits for a job that was given back, look once in each claim.
    published: Arc<Notify>,
}

impl Table {
    pub fn new(database: Database, clock: Clock) -> Self {
        Self { database, clock, published: Arc::default() }
    }

    pub fn guard(&self) -> &Guard {
        self.database.guard()
    }

    pub async fn check(&self) -> Result<(), Error> {
        self.database.check().await
    }

    pub async fn publish(&self, topic: &Topic, id: &str, payload: &[u8]) -> Result<bool, Error> {
        let insert = self.database.query(INSERT).bind(topic.name.to_owned()).bind(id.to_owned());
        let insert = insert.bind(payload.to_vec()).bind(self.now()).bind(i64::from(MAX_WAITING));
        if insert.execute(PUBLISH).await? == 1 {
            self.published.notify_waiters();
            return Ok(true);
        }
        let known = self.database.query(KNOWN).bind(topic.name.to_owned()).bind(id.to_owned());
        match known.first(PUBLISH, |_| Ok(())).await? {
            Some(()) => Ok(false),
            None => Err(self.guard().error(PUBLISH, Cause::Full { topic: topic.name, limit: MAX_WAITING })),
        }
    }

    pub async fn claim(&self, topic: &Topic) -> Result<Option<Job>, Error> {
        let end = Instant::now() + CLAIM_WAIT;
        loop {
            let published = self.published.notified();
            let job = self.claim_due(topic).await?;
            if job.is_some() || timeout_at(end, published).await.is_err() {
                return Ok(job);
            }
        }
    }

    pub async fn acknowledge(&self, topic: &str, id: &str, delivery: u32) -> Result<(), Error> {
        let update = self.database.query(DONE).bind(topic.to_owned()).bind(id.to_owned());
        let update = update.bind(i64::from(delivery)).bind(self.now()).bind(Vec::new());
        update.execute("acknowledge a job").await.map(drop)
    }

    pub async fn give_back(&self, topic: &str, id: &str, delivery: u32, delay: Duration) -> Result<(), Error> {
        let update = self.database.query(GIVE_BACK).bind(topic.to_owned()).bind(id.to_owned());
        let update = update.bind(i64::from(delivery)).bind(self.after(delay));
        update.execute("give a job back").await.map(drop)
    }

    /// Removes some jobs that are done and forgotten, or too old; gives how many, at most a thousand.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let [forgotten, too_old] = [REMEMBERED, MAX_AGE].map(|age| self.now() - span(age));
        self.database.query(SWEEP).bind(forgotten).bind(too_old).execute("remove old jobs").await
    }

    /// Whoever is second finds the number of deliveries changed, and tries the next.
    async fn claim_due(&self, topic: &Topic) -> Result<Option<Job>, Error> {
        let due = self.database.query(DUE).bind(topic.name.to_owned()).bind(self.now());
        let due = due.all(CLAIM, |row| Ok((row.get::<String>("id")?, row.get::<i64>("deliveries")?))).await?;
        for (id, deliveries) in due {
            let claim = self.database.query(CLAIM_ONE).bind(topic.name.to_owned()).bind(id);
            let claim = claim.bind(deliveries).bind(self.now()).bind(self.after(topic.lease));
            if let Some(job) = claim.first(CLAIM, |row| self.job(topic.name, row)).await? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    fn job(&self, topic: &'static str, row: &Row) -> Result<Job, sqlx::Error> {
        Ok(Job {
            id: row.get("id")?,
            payload: Bytes::from(row.get::<Vec<u8>>("payload")?),
            delivery: u32::try_from(row.get::<i64>("deliveries")?).map_err(corrupt)?,
            receipt: Receipt::Table(self.clone(), topic),
        })
    }

    fn now(&self) -> i64 {
        micros(self.clock.now())
    }

    fn after(&self, delay: Duration) -> i64 {
        self.now().saturating_add(span(delay))
    }
}

const CLAIM: &str = "claim a job";

/// `LIMIT` ends the count as soon as it is enough.
const INSERT: &str = "
    INSERT INTO jobs (topic, id, payload, published_at, due_at, deliveries)
    SELECT $1, $2, $3, $4, $4, 0
     WHERE (SELECT count(*)
              FROM (SELECT 1 FROM jobs WHERE topic = $1 AND done_at IS NULL LIMIT $5) AS waiting) < $5
    ON CONFLICT DO NOTHING";

const KNOWN: &str = "SELECT id FROM jobs WHERE topic = $1 AND id = $2";

const DUE: &str = "
    SELECT id, deliveries
      FROM jobs
     WHERE topic = $1 AND due_at <= $2 AND done_at IS NULL
     ORDER BY due_at
     LIMIT 10";

const CLAIM_ONE: &str = "
    UPDATE jobs
       SET deliveries = deliveries + 1, due_at = $5
     WHERE topic = $1 AND id = $2 AND deliveries = $3 AND due_at <= $4 AND done_at IS NULL
    RETURNING id, payload, deliveries";

const DONE: &str = "
    UPDATE jobs
       SET done_at = $4, payload = $5
     WHERE topic = $1 AND id = $2 AND deliveries = $3";

const GIVE_BACK: &str = "
    UPDATE jobs
       SET due_at = $4
     WHERE topic = $1 AND id = $2 AND deliveries = $3 AND done_at IS NULL";

const SWEEP: &str = "
    DELETE FROM jobs
     WHERE (topic, id) IN (SELECT topic, id
                             FROM jobs
                            WHERE published_at < $1 AND (done_at IS NOT NULL OR published_at < $2)
                            LIMIT 1000)";

fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
