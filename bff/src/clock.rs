//! The wall clock, handed to whoever needs the time, so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;

#[derive(Debug, Clone)]
pub struct Clock(Reading);

#[derive(Debug, Clone)]
enum Reading {
    System,
    /// Seconds since 1970 that only `advance` moves.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Self {
        Self(Reading::System)
    }

    /// A clock that stands still until `advance` is called; clones share it.
    pub fn manual(start: OffsetDateTime) -> Self {
        Self(Reading::Manual(Arc::new(AtomicI64::new(start.unix_timestamp()))))
    }

    pub fn now(&self) -> OffsetDateTime {
        match &self.0 {
            Reading::System => system_time(),
            Reading::Manual(seconds) => OffsetDateTime::from_unix_timestamp(seconds.load(Ordering::SeqCst))
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
        }
    }

    /// Moves a manual clock forward by whole seconds; the system clock takes no orders.
    pub fn advance(&self, by: Duration) {
        if let Reading::Manual(seconds) = &self.0 {
            let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
            seconds.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// In whole microseconds, as it is stored: what is written is what is read again.
#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
fn system_time() -> OffsetDateTime {
    OffsetDateTime::now_utc().truncate_to_microsecond()
}
