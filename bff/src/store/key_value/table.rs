//! Expiring values as a table of the database; expiry goes by this server's clock.

use std::time::Duration;

use bytes::Bytes;

use super::token_bucket::{Buckets, Rate, Taken};
use crate::clock::Clock;
use crate::store::database::{Database, Row, micros};
use crate::store::error::Error;
use crate::store::guard::Guard;

#[derive(Debug, Clone)]
pub struct Table {
    database: Database,
    buckets: Buckets,
    clock: Clock,
}

impl Table {
    pub fn new(database: Database, clock: Clock) -> Self {
        Self { database, buckets: Buckets::default(), clock }
    }

    pub fn guard(&self) -> &Guard {
        self.database.guard()
    }

    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.database.query(GET).bind(key.to_owned()).bind(self.now()).first("read a value", value_in).await
    }

    pub async fn get_all(&self, keys: &[String], max_bytes: usize) -> Result<Vec<Option<Bytes>>, Error> {
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            values.push(self.get(key).await?.filter(|value| !value.is_empty() && value.len() <= max_bytes));
        }
        Ok(values)
    }

    pub async fn delete_all(&self, keys: &[String]) -> Result<(), Error> {
        for key in keys {
            self.delete(key).await?;
        }
        Ok(())
    }

    pub async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Error> {
        let put = self.database.query(PUT).bind(key.to_owned()).bind(value.to_vec()).bind(self.end(ttl));
        put.execute("keep a value").await.map(drop)
    }

    pub async fn take(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.database.query(TAKE).bind(key.to_owned()).bind(self.now()).first("take a value", value_in).await
    }

    pub async fn compare_and_put(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: &[u8],
        ttl: Duration,
    ) -> Result<bool, Error> {
        let sql = if expected.is_some() { REPLACE } else { ADD };
        let put = self.database.query(sql).bind(key.to_owned()).bind(new.to_vec()).bind(self.end(ttl)).bind(self.now());
        let put = match expected {
            Some(expected) => put.bind(expected.to_vec()),
            None => put,
        };
        Ok(put.execute("change a value").await? == 1)
    }

    pub async fn keep_first(&self, values: &[(String, Vec<u8>)], ttl: Duration) -> Result<Vec<Bytes>, Error> {
        let mut kept = Vec::with_capacity(values.len());
        for (key, value) in values {
            self.compare_and_put(key, None, value, ttl).await?;
            // It may have expired in between.
            kept.push(self.get(key).await?.unwrap_or_else(|| Bytes::copy_from_slice(value)));
        }
        Ok(kept)
    }

    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.database.query(DELETE).bind(key.to_owned()).execute("delete a value").await.map(drop)
    }

    pub async fn take_tokens(&self, key: &str, rate: Rate, cost: u32) -> Taken {
        self.buckets.take(key, rate, cost, &self.clock).await
    }

    pub async fn give_back_tokens(&self, key: &str, rate: Rate, count: u32) {
        self.buckets.give_back(key, rate, count).await;
    }

    /// Removes some of what has expired; gives how many, at most a thousand.
    pub async fn sweep(&self) -> Result<u64, Error> {
        self.database.query(SWEEP).bind(self.now()).execute("remove what has expired").await
    }

    fn now(&self) -> i64 {
        micros(self.clock.now())
    }

    fn end(&self, ttl: Duration) -> i64 {
        self.now().saturating_add(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX))
    }
}

const GET: &str = "SELECT value FROM expiring_values WHERE key = $1 AND expires_at > $2";

const PUT: &str = "
    INSERT INTO expiring_values (key, value, expires_at) VALUES ($1, $2, $3)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at";

const TAKE: &str = "DELETE FROM expiring_values WHERE key = $1 AND expires_at > $2 RETURNING value";

/// Over a value that has expired and waits to be swept, too.
const ADD: &str = "
    INSERT INTO expiring_values (key, value, expires_at) VALUES ($1, $2, $3)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
     WHERE expiring_values.expires_at <= $4";

const REPLACE: &str = "
    UPDATE expiring_values
       SET value = $2, expires_at = $3
     WHERE key = $1 AND value = $5 AND expires_at > $4";

const DELETE: &str = "DELETE FROM expiring_values WHERE key = $1";

const SWEEP: &str = "
    DELETE FROM expiring_values
     WHERE key IN (SELECT key FROM expiring_values WHERE expires_at <= $1 LIMIT 1000)";

fn value_in(row: &Row) -> Result<Bytes, sqlx::Error> {
    row.get::<Vec<u8>>("value").map(Bytes::from)
}
