//! One reply that is kept.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

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

/// `R` is what readers make of a body.
#[derive(Debug)]
pub struct Entry<R> {
    pub body: Option<Bytes>,
    pub headers: Vec<Option<String>>,
    /// When the reply came: milliseconds since 1970.
    pub(super) born: i64,
    /// The generation in which its fetch began.
    pub(super) began: u64,
    pub(super) tags: Box<[TagId]>,
    /// How long it is worth keeping, from when it was made.
    pub(super) keep: Duration,
    made: Instant,
    /// The generation in which its tags were last looked up, so that they are not as long as nothing happens.
    pub(super) looked_up: AtomicU64,
    /// When it was last known that nobody has invalidated it.
    confirmed: AtomicI64,
    reading: OnceLock<First<R>>,
}

/// The first reader, and what it made of the body: most entries have no other.
#[derive(Debug)]
struct First<R> {
    reader: u64,
    reading: R,
    bytes: usize,
}

impl<R> Entry<R> {
    pub(super) fn new(fetched: Fetched, born: i64, began: u64, tags: Box<[TagId]>, keep: Duration) -> Self {
        let Fetched { body, headers } = fetched;
        let (looked_up, confirmed) = (AtomicU64::new(began), AtomicI64::new(born));
        Self {
            body,
            headers,
            born,
            began,
            tags,
            keep,
            made: Instant::now(),
            looked_up,
            confirmed,
            reading: OnceLock::new(),
        }
    }

    /// What is left of `keep`, whenever it is put where.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.keep.saturating_sub(now.saturating_duration_since(self.made))
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

    /// What this reader made of it, if it was the first to read it.
    pub(super) fn reading(&self, reader: u64) -> Option<&R> {
        self.reading.get().filter(|first| first.reader == reader).map(|first| &first.reading)
    }

    /// True where the entry takes as many bytes more from now on: what further readers make of it is not kept.
    pub(super) fn keep_reading(&self, reader: u64, reading: R, bytes: usize) -> bool {
        self.reading.set(First { reader, reading, bytes }).is_ok()
    }

    /// What it takes in memory, beside its key.
    pub(super) fn weight(&self) -> usize {
        self.bytes() + self.reading.get().map_or(0, |first| first.bytes)
    }

    /// The same without what a reader made of it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_first_reader_makes_of_it_is_kept_and_weighs() {
        let fetched = Fetched { body: Some(Bytes::from_static(b"abc")), headers: Vec::new() };
        let entry = Entry::new(fetched, 0, 0, Box::new([]), Duration::from_secs(1));
        assert_eq!((entry.reading(1), entry.weight()), (None, entry.bytes()));
        assert!(entry.keep_reading(1, "first", 5));
        assert!(!entry.keep_reading(2, "second", 7));
        assert_eq!((entry.reading(1), entry.reading(2)), (Some(&"first"), None));
        assert_eq!(entry.weight(), entry.bytes() + 5);
    }
}
