//! The wall clock, handed to whoever stamps a row.

use std::time::{SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

const MICROS_PER_SECOND: i64 = 1_000_000;

#[derive(Clone, Copy)]
pub struct Clock(fn() -> SystemTime);

impl Clock {
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's time")]
        Self(SystemTime::now)
    }

    /// Microseconds since 1970: what both databases store exactly.
    pub fn now_micros(self) -> i64 {
        let since_1970 = (self.0)().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
    }
}

pub fn timestamp(micros: i64) -> Timestamp {
    Timestamp {
        seconds: micros.div_euclid(MICROS_PER_SECOND),
        nanos: i32::try_from(micros.rem_euclid(MICROS_PER_SECOND) * 1_000).unwrap_or_default(),
    }
}
