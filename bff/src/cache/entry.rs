//! One reply that is kept.

use std::sync::OnceLock;
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

/// Of a small body a few values may take more than it.
const MIN_ROOM_TO_READ: usize = 256;

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
    /// How long it is worth keeping.
    pub(super) keep: Duration,
    /// The generation in which its tags were last looked up, so that they are not as long as nothing happens.
    pub(super) looked_up: AtomicU64,
    /// When it was last known that nobody has invalidated it.
    confirmed: AtomicI64,
    /// The first reader, and what it made of the body.
    reading: OnceLock<(u64, R)>,
}

impl<R: Clone> Entry<R> {
    pub(super) fn new(fetched: Fetched, born: i64, began: u64, tags: Box<[TagId]>, keep: Duration) -> Self {
        let Fetched { body, headers } = fetched;
        let (looked_up, confirmed) = (AtomicU64::new(began), AtomicI64::new(born));
        Self { body, headers, born, began, tags, keep, looked_up, confirmed, reading: OnceLock::new() }
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

    /// What this reader makes of it: none where it cannot be read. `read` is asked each time but where this was the first
    /// reader, which most entries have alone; `bytes` is what a reading takes in memory.
    pub(super) fn read(
        &self,
        reader: u64,
        read: impl FnOnce(Option<&Bytes>) -> Option<R>,
        bytes: fn(&R) -> usize,
    ) -> Option<R> {
        match self.reading.get() {
            Some((first, reading)) if *first == reader => Some(reading.clone()),
            Some(_) => read(self.body.as_ref()),
            None => {
                let reading = read(self.body.as_ref())?;
                if bytes(&reading) <= self.room_to_read() {
                    self.reading.get_or_init(|| (reader, reading.clone()));
                }
                Some(reading)
            }
        }
    }

    /// What a reading may take, so that an entry's weight is known before it is read.
    fn room_to_read(&self) -> usize {
        self.body.as_ref().map_or(0, Bytes::len).max(MIN_ROOM_TO_READ)
    }

    /// What it takes in memory at the most, beside its key.
    pub(super) fn weight(&self) -> usize {
        self.bytes() + self.room_to_read()
    }

    /// The same before anybody has read it.
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
    use std::cell::Cell;

    use super::*;

    fn entry(body: &'static [u8]) -> Entry<usize> {
        let fetched = Fetched { body: Some(Bytes::from_static(body)), headers: Vec::new() };
        Entry::new(fetched, 0, 0, Box::new([]), Duration::from_secs(1))
    }

    #[test]
    fn the_first_reader_reads_once_and_others_each_time() {
        let (entry, asked) = (entry(b"abc"), Cell::new(0));
        let read = |reader| {
            let read = |body: Option<&Bytes>| Some(body?.len() + asked.replace(asked.get() + 1));
            entry.read(reader, read, |_| 1).unwrap()
        };
        assert_eq!([1, 1, 2, 2, 1].map(read), [3, 3, 4, 5, 3]);
    }

    #[test]
    fn what_cannot_be_read_or_takes_too_much_is_not_kept() {
        let entry = entry(b"abc");
        let room = entry.weight() - entry.bytes();
        assert_eq!(entry.read(1, |_| None, |_| 1), None);
        assert_eq!(entry.read(1, |_| Some(room + 1), |bytes| *bytes), Some(room + 1));
        assert_eq!(entry.read(1, |_| Some(room), |bytes| *bytes), Some(room));
        assert_eq!(entry.read(1, |_| None, |bytes| *bytes), Some(room));
    }
}
