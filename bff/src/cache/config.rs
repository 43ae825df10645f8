//! What the cache is told from outside: `[cache]`.

use secrecy::SecretString;
use serde::Deserialize;

use crate::store::{self, KeyValue, MAX_VALUE_BYTES, OpenError};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether replies are kept as the views' `cache` says; without it every call is made.
    pub enabled: bool,
    /// What is kept in the memory of one replica, altogether: replies, and what is decoded of them.
    pub max_bytes: u64,
    /// A larger reply is not kept.
    pub max_entry_bytes: usize,
    /// Whether what is kept is shared by replicas, where there is a Redis.
    pub shared: bool,
    /// That Redis; the store's unless set.
    pub redis_url: Option<SecretString>,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true, max_bytes: 64 << 20, max_entry_bytes: 512 << 10, shared: true, redis_url: None }
    }
}

const URL: &str = "cache.redis_url";

impl Config {
    pub fn problems(&self) -> Vec<String> {
        let url = self.redis_url.as_ref().map(|url| KeyValue::redis(url, URL, &store::Config::default()).map(drop));
        let url = url.and_then(Result::err).map(|problem| problem.to_string());
        let least = (self.max_bytes == 0).then(|| "cache.max_bytes: must be at least 1".to_owned());
        let most = (self.max_entry_bytes > MAX_VALUE_BYTES)
            .then(|| format!("cache.max_entry_bytes: must be at most {MAX_VALUE_BYTES}"));
        url.into_iter().chain(least).chain(most).collect()
    }

    /// A connection of its own, so that a large reply does not hold up sessions.
    pub(super) fn store(&self, store: &store::Config) -> Result<Option<KeyValue>, OpenError> {
        let url = self.redis_url.as_ref().or(store.redis_url.as_ref()).filter(|_| self.shared);
        url.map(|url| KeyValue::redis(url, URL, store)).transpose()
    }
}
