//! Values that expire, and token buckets: in Redis where it is used, else in the database and in memory.
//!
//! Every decision touches one key. Expiry is housekeeping, by Redis's clock or by this server's: a rule that
//! depends on a time keeps it inside its value.

mod redis;
mod table;
mod token_bucket;

pub use redis::{Address, Redis};
pub use table::Table;
pub use token_bucket::{Buckets, Rate, Taken};

use std::time::Duration;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

use super::config::Config;
use super::error::{Error, OpenError};
use super::guard::Guard;

pub const MAX_KEY_BYTES: usize = 512;
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub enum KeyValue {
    /// A table of the database; the buckets are this process's own.
    Embedded(Table),
    Redis(Redis),
}

impl KeyValue {
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.check_sizes("read a value", key, &[])?;
        match self {
            Self::Embedded(store) => store.get(key).await,
            Self::Redis(store) => store.get(key).await,
        }
    }

    /// The values of all these keys, in their order. An empty one counts as none; so does one of more bytes
    /// than this, which is never read whole, and what is no value at all.
    pub async fn get_all(&self, keys: &[String], max_bytes: usize) -> Result<Vec<Option<Bytes>>, Error> {
        keys.iter().try_for_each(|key| self.check_sizes("read values", key, &[]))?;
        match self {
            Self::Embedded(store) => store.get_all(keys, max_bytes).await,
            Self::Redis(store) => store.get_all(keys, max_bytes).await,
        }
    }

    pub async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Error> {
        self.check_sizes("keep a value", key, value)?;
        match self {
            Self::Embedded(store) => store.put(key, value, ttl).await,
            Self::Redis(store) => store.put(key, value, ttl).await,
        }
    }

    /// Removes the value and hands it to one caller alone.
    pub async fn take(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.check_sizes("take a value", key, &[])?;
        match self {
            Self::Embedded(store) => store.take(key).await,
            Self::Redis(store) => store.take(key).await,
        }
    }

    /// False, and nothing written, unless the value is the expected one; none means that there is no value.
    pub async fn compare_and_put(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: &[u8],
        ttl: Duration,
    ) -> Result<bool, Error> {
        self.check_sizes("change a value", key, new)?;
        match self {
            Self::Embedded(store) => store.compare_and_put(key, expected, new, ttl).await,
            Self::Redis(store) => store.compare_and_put(key, expected, new, ttl).await,
        }
    }

    /// The value of each key: what was put there first, or else this one, which is kept then. In Redis only what was
    /// put there since it began to run counts: a deleted value does not come back with a snapshot or a failover.
    pub async fn keep_first(&self, values: &[(String, Vec<u8>)], ttl: Duration) -> Result<Vec<Bytes>, Error> {
        values.iter().try_for_each(|(key, value)| self.check_sizes("agree on values", key, value))?;
        match self {
            Self::Embedded(store) => store.keep_first(values, ttl).await,
            Self::Redis(store) => store.keep_first(values, ttl).await,
        }
    }

    pub async fn delete_all(&self, keys: &[String]) -> Result<(), Error> {
        keys.iter().try_for_each(|key| self.check_sizes("delete values", key, &[]))?;
        match self {
            Self::Embedded(store) => store.delete_all(keys).await,
            Self::Redis(store) => store.delete_all(keys).await,
        }
    }

    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.check_sizes("delete a value", key, &[])?;
        match self {
            Self::Embedded(store) => store.delete(key).await,
            Self::Redis(store) => store.delete(key).await,
        }
    }

    /// Takes so many tokens from the bucket of a key, or none. A bucket starts full.
    pub async fn take_tokens(&self, key: &str, rate: Rate, cost: u32) -> Result<Taken, Error> {
        self.check_sizes("count a use", key, &[])?;
        match self {
            Self::Embedded(store) => Ok(store.take_tokens(key, rate, cost).await),
            // Boxed, because whoever counts would else carry the whole of Redis in its type.
            Self::Redis(store) => Box::pin(store.take_tokens(key, rate, cost)).await,
        }
    }

    /// Puts tokens back that were taken for nothing; a full bucket stays full.
    pub async fn give_back_tokens(&self, key: &str, rate: Rate, count: u32) -> Result<(), Error> {
        self.check_sizes("take a use back", key, &[])?;
        match self {
            Self::Embedded(store) => {
                store.give_back_tokens(key, rate, count).await;
                Ok(())
            }
            Self::Redis(store) => Box::pin(store.give_back_tokens(key, rate, count)).await,
        }
    }

    /// Succeeds if it answers; the database is asked for itself.
    pub async fn check(&self) -> Result<(), Error> {
        match self {
            Self::Embedded(_) => Ok(()),
            // Boxed, because whoever asks would else carry the whole of Redis in its type.
            Self::Redis(store) => Box::pin(store.check()).await,
        }
    }

    /// Whether buckets are kept elsewhere, so that asking them takes a while.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// A Redis of somebody's own. Connects at the first call.
    pub fn redis(url: &SecretString, setting: &'static str, config: &Config) -> Result<Self, OpenError> {
        let address = Address::parse(url.expose_secret(), setting)?;
        let timeout = Duration::from_millis(config.hot_timeout_ms);
        Ok(Self::Redis(Redis::new(address, &config.namespace, timeout)?))
    }

    /// The same store, waited for this long.
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        match self {
            Self::Embedded(store) => Self::Embedded(store.clone()),
            Self::Redis(store) => Self::Redis(store.with_timeout(timeout)),
        }
    }

    fn check_sizes(&self, action: &'static str, key: &str, value: &[u8]) -> Result<(), Error> {
        self.guard().bounded(action, "the key", key.len(), MAX_KEY_BYTES)?;
        self.guard().bounded(action, "the value", value.len(), MAX_VALUE_BYTES)
    }

    fn guard(&self) -> &Guard {
        match self {
            Self::Embedded(store) => store.guard(),
            Self::Redis(store) => store.guard(),
        }
    }
}
