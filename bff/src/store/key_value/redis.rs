//! Expiring values and buckets in Redis; expiry and refill go by its clock.
//!
//! `{key}` is the hash tag: whatever concerns a key lives in one slot of a cluster. Some decisions are scripts, because
//! Redis has no compare-and-put and no bucket of its own.

mod address;
mod link;

pub use address::Address;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use redis::{Cmd, Script, cmd};

use super::token_bucket::{Rate, Taken};
use crate::store::error::{Error, OpenError};
use crate::store::guard::Guard;
use link::Link;

#[derive(Debug, Clone)]
pub struct Redis {
    link: Arc<Link>,
    guard: Guard,
    namespace: Arc<str>,
}

/// What Redis says of a key that holds a list or the like.
const WRONG_TYPE: &str = "WRONGTYPE";

static COMPARE_AND_PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("compare_and_put.lua")));
static KEEP_FIRST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("keep_first.lua")));
static BUCKET: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("bucket.lua")));

impl Redis {
    /// Connects at the first call, so that Redis may be away when this server starts.
    pub fn new(address: Address, namespace: &str, timeout: Duration) -> Result<Self, OpenError> {
        let link = Arc::new(Link::new(address)?);
        Ok(Self { link, guard: Guard::new("redis", timeout), namespace: namespace.into() })
    }

    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { guard: self.guard.with_timeout(timeout), ..self.clone() }
    }

    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Succeeds if Redis answers.
    pub async fn check(&self) -> Result<(), Error> {
        self.call("be reached", &cmd("PING")).await
    }

    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.call("read a value", cmd("GET").arg(self.value(key))).await
    }

    /// One command for each key, because a cluster has no other; they share a round trip.
    pub async fn get_all(&self, keys: &[String], max_bytes: usize) -> Result<Vec<Option<Bytes>>, Error> {
        let commands: Vec<Cmd> =
            keys.iter().map(|key| cmd("GETRANGE").arg(self.value(key)).arg(0).arg(max_bytes).take()).collect();
        let values = try_join_all(commands.iter().map(async |command| match self.link.query::<Bytes>(command).await {
            Err(error) if error.code() == Some(WRONG_TYPE) => Ok(Bytes::new()),
            value => value,
        }));
        let values = self.guard.call("read values", values).await?;
        // What is not there is empty.
        Ok(values.into_iter().map(|value| Some(value).filter(|v| !v.is_empty() && v.len() <= max_bytes)).collect())
    }

    pub async fn delete_all(&self, keys: &[String]) -> Result<(), Error> {
        let commands: Vec<Cmd> = keys.iter().map(|key| cmd("DEL").arg(self.value(key)).take()).collect();
        let deleted = try_join_all(commands.iter().map(|command| self.link.query::<()>(command)));
        self.guard.call("delete values", deleted).await.map(drop)
    }

    pub async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Error> {
        let put = cmd("SET").arg(self.value(key)).arg(value).arg("PX").arg(millis(ttl)).take();
        self.call("keep a value", &put).await
    }

    pub async fn take(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.call("take a value", cmd("GETDEL").arg(self.value(key))).await
    }

    pub async fn compare_and_put(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: &[u8],
        ttl: Duration,
    ) -> Result<bool, Error> {
        let script = COMPARE_AND_PUT.key(self.value(key));
        let mut script = script;
        script.arg(new).arg(millis(ttl));
        if let Some(expected) = expected {
            script.arg(expected);
        }
        self.guard.call("change a value", self.link.run(&script)).await
    }

    /// Every key by itself, in one round trip.
    pub async fn keep_first(&self, values: &[(String, Vec<u8>)], ttl: Duration) -> Result<Vec<Bytes>, Error> {
        let scripts = values.iter().map(|(key, value)| {
            let mut script = KEEP_FIRST.key(self.value(key));
            script.arg(value.as_slice()).arg(millis(ttl));
            script
        });
        let scripts: Vec<_> = scripts.collect();
        let kept = try_join_all(scripts.iter().map(|script| self.link.run::<Bytes>(script)));
        self.guard.call("agree on values", kept).await
    }

    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.call("delete a value", cmd("DEL").arg(self.value(key))).await
    }

    pub async fn take_tokens(&self, key: &str, rate: Rate, cost: u32) -> Result<Taken, Error> {
        let (allowed, remaining, retry_after) = self.bucket("count a use", key, rate, cost.into()).await?;
        Ok(Taken { allowed, remaining, retry_after: Duration::from_micros(retry_after) })
    }

    pub async fn give_back_tokens(&self, key: &str, rate: Rate, count: u32) -> Result<(), Error> {
        self.bucket("take a use back", key, rate, -i64::from(count)).await.map(drop)
    }

    async fn bucket(&self, action: &'static str, key: &str, rate: Rate, cost: i64) -> Result<(bool, u32, u64), Error> {
        let mut script = BUCKET.key(format!("{}:bucket:{{{key}}}", self.namespace));
        script.arg(rate.interval()).arg(rate.fill()).arg(cost);
        self.guard.call(action, self.link.run(&script)).await
    }

    fn value(&self, key: &str) -> String {
        format!("{}:value:{{{key}}}", self.namespace)
    }

    async fn call<T: redis::FromRedisValue>(&self, action: &'static str, command: &Cmd) -> Result<T, Error> {
        self.guard.call(action, self.link.query(command)).await
    }
}

/// Redis refuses an expiry of nothing.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, MAX_TTL_MS)
}

const MAX_TTL_MS: u64 = 366 * 86_400_000;
