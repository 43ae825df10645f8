//! One reply that is kept.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;

use super::generations::TagId;

/// A reply as it comes.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// None where there is no such thing.
    pub body: Option<Bytes>,
    /// The values of the headers that are read.
    pub headers: Vec<Option<String>>,
}

#[derive(Debug)]
pub struct Entry {
    pub body: Option<Bytes>,
    pub headers: Vec<Option<String>>,
    /// When the reply came: milliseconds since 1970.
    pub(super) born: i64,
    /// The generation in which its fetch began.
    pub(super) began: u64,
    pub(super) tags: Box<[TagId]>,
    /// How long it is worth keeping.
    pub(super) keep: Duration,
    /// The generation in which its tags were last looked up, so that they are not as long as nothing happens.
    pub(super) looked_up: AtomicU64,
    /// When it was last known that nobody has invalidated it.
    confirmed: AtomicI64,
    /// Whose reading of it is known to succeed.
    reader: AtomicU64,
}

impl Entry {
    pub(super) fn new(fetched: Fetched, born: i64, began: u64, tags: Box<[TagId]>, keep: Duration) -> Self {
        let Fetched { body, headers } = fetched;
        let (looked_up, confirmed) = (AtomicU64::new(began), AtomicI64::new(born));
        Self { body, headers, born, began, tags, keep, looked_up, confirmed, reader: AtomicU64::new(0) }
    }

    /// A clock that was set back makes nothing younger than new.
    pub fn age(&self, now: i64) -> Duration {
        since(self.born, now)
    }

    /// Nobody has invalidated it until now.
    pub(super) fn confirm(&self, now: i64) {
        self.confirmed.store(now, Ordering::Relaxed);
    }

    pub(super) fn unconfirmed(&self, now: i64) -> Duration {
        since(self.confirmed.load(Ordering::Relaxed), now)
    }

    /// Whether this reader is known to be able to read it; `fits` is asked where it is not.
    pub fn suits(&self, reader: u64, fits: impl FnOnce(&Bytes) -> bool) -> bool {
        if self.reader.load(Ordering::Relaxed) == reader {
            return true;
        }
        let suits = self.body.as_ref().is_none_or(fits);
        if suits {
            self.reader.store(reader, Ordering::Relaxed);
        }
        suits
    }

    /// What it takes in memory, beside its key.
    pub(super) fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().flatten().map(|value| value.len() + size_of::<String>()).sum();
        self.body.as_ref().map_or(0, Bytes::len) + headers + size_of_val(&*self.tags) + size_of::<Self>()
    }
}

fn since(then: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(now.saturating_sub(then)).unwrap_or(0))
}

pub(super) fn millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
