//! What the stores are told from outside, and what is wrong with it.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{database, key_value, nats};

/// Where records are kept and what replicas share: `[store]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite:PATH`, one file with nothing to install, or `postgres://...`.
    pub database_url: SecretString,
    /// How many connections to PostgreSQL one replica opens.
    pub database_connections: u32,
    /// Brings the tables up to date at start; else `bff migrate` does.
    pub migrate_at_start: bool,
    /// Keeps expiring values and token buckets; the database and this process's memory do unless it is set.
    pub redis_url: Option<SecretString>,
    /// Carries work and announcements; the database and this process's memory do unless it is set.
    pub nats_url: Option<SecretString>,
    /// What every key, subject and stream begins with, so that installations can share a server.
    pub namespace: String,
    /// How long a call to a store may take.
    pub timeout_ms: u64,
    /// How long it may take where every request waits for it.
    pub hot_timeout_ms: u64,
    /// How long the personal data of a deleted account is kept.
    pub keep_deleted_days: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database_url: "sqlite:data/bff.db".into(),
            database_connections: 10,
            migrate_at_start: true,
            redis_url: None,
            nats_url: None,
            namespace: "bff".to_owned(),
            timeout_ms: 250,
            hot_timeout_ms: 50,
            keep_deleted_days: 30,
        }
    }
}

impl Config {
    /// One file on this machine, and nothing that others could share.
    pub fn is_alone(&self) -> bool {
        let file = self.database_url.expose_secret().starts_with("sqlite:");
        file && self.redis_url.is_none() && self.nats_url.is_none()
    }

    /// Every option that cannot be used, and what to write instead.
    pub fn problems(&self) -> Vec<String> {
        let database = database::Address::parse(self.database_url.expose_secret()).map(drop);
        let redis = self
            .redis_url
            .as_ref()
            .map(|url| key_value::Address::parse(url.expose_secret(), "store.redis_url").map(drop));
        let nats = self.nats_url.as_ref().map(|url| nats::addresses(url.expose_secret()).map(drop));
        let urls = [Some(database), redis, nats].into_iter().flatten().filter_map(Result::err);
        urls.map(|problem| problem.to_string()).chain(self.other_problems()).collect()
    }

    fn other_problems(&self) -> impl Iterator<Item = String> {
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        let namespace = !self.namespace.is_empty() && self.namespace.len() <= 32 && self.namespace.bytes().all(named);
        let problems = [
            (namespace, "store.namespace: expected 1 to 32 characters of a-z, 0-9, _ and -"),
            (self.database_connections > 0, "store.database_connections: must be at least 1"),
            (self.timeout_ms > 0, "store.timeout_ms: must be at least 1"),
            (self.hot_timeout_ms > 0, "store.hot_timeout_ms: must be at least 1"),
        ];
        problems.into_iter().filter(|(fine, _)| !fine).map(|(_, problem)| problem.to_owned())
    }
}
