//! Whether another try is worth it: only where it does no harm, from a budget, after a pause that no two callers share.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::Config;
use super::error::{Error, Kind};
use tonic::Code;

/// The tries of one source. A call pays a share of one in; each further try takes one out.
#[derive(Debug)]
pub struct Retries {
    most: u32,
    /// In thousandths of a try.
    income: i64,
    budget: AtomicI64,
    turn: AtomicU64,
}

const TRY: i64 = 1_000;
/// What a source may spend that was well for a while.
const MAX_BUDGET: i64 = 20 * TRY;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// What comes after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another try after this long.
    Pause(Duration),
    /// Another try would help, but too many calls are tries already.
    Spent,
    Stop,
}

impl From<&Config> for Retries {
    fn from(config: &Config) -> Self {
        Self {
            most: config.retries,
            income: i64::from(config.retry_percent) * TRY / 100,
            budget: AtomicI64::new(MAX_BUDGET / 2),
            turn: AtomicU64::new(0),
        }
    }
}

impl Retries {
    /// Every call pays, so that tries are a share of calls whatever happens.
    pub fn pay(&self) {
        // Two that race past the top by a little do no harm.
        if self.budget.load(Ordering::Relaxed) < MAX_BUDGET {
            self.budget.fetch_add(self.income, Ordering::Relaxed);
        }
    }

    /// After so many tries that failed, of which the last said this. `repeatable`: the call may be made twice.
    pub fn next(&self, error: &Error, tries: u32, repeatable: bool, remaining: Duration) -> Next {
        // What was never sent can be sent again, whatever it changes; what the breaker refused is to be told at once.
        let harmless = repeatable || error.kind == Kind::Unreached;
        let helps = error.code == Code::Unavailable && error.kind != Kind::Refused;
        if tries > self.most || !harmless || !helps {
            return Next::Stop;
        }
        let pause = self.pause(tries).max(error.retry_after.unwrap_or_default());
        if pause >= remaining {
            return Next::Stop;
        }
        if self.spend() { Next::Pause(pause) } else { Next::Spent }
    }

    fn spend(&self) -> bool {
        let spent = self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |budget| {
            let left = budget - TRY;
            (left >= 0).then_some(left)
        });
        spent.is_ok()
    }

    /// Somewhere between half the pause and all of it; the pause doubles with every try.
    fn pause(&self, tries: u32) -> Duration {
        let whole = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(MAX_PAUSE);
        let share = spread(self.turn.fetch_add(1, Ordering::Relaxed)) % 512;
        whole / 2 + whole * u32::try_from(share).unwrap_or_default() / 1024
    }
}

/// Numbers in a row, far apart (splitmix64).
pub fn spread(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn retries(percent: u32) -> Retries {
        Retries::from(&Config { retry_percent: percent, ..Config::default() })
    }

    #[test]
    fn only_what_does_no_harm_is_tried_again() {
        let retries = retries(10);
        let goes_on =
            |error: &Error, tries, repeatable| matches!(retries.next(error, tries, repeatable, LONG), Next::Pause(_));
        let [unreached, interrupted] = [Error::unreached("x"), Error::interrupted("x")];
        assert!(goes_on(&unreached, 1, false) && goes_on(&unreached, 2, true));
        assert!(goes_on(&interrupted, 1, true) && !goes_on(&interrupted, 1, false));
        assert!(!goes_on(&unreached, 3, true), "two further tries are all");
        for code in [Code::NotFound, Code::Internal, Code::ResourceExhausted, Code::InvalidArgument] {
            assert!(!goes_on(&Error::answered(code, "x"), 1, true), "{code:?}");
        }
        assert!(goes_on(&Error::answered(Code::Unavailable, "x"), 1, true));
        assert!(!goes_on(&Error::deadline(), 1, true) && !goes_on(&Error::refused("x"), 1, true));
    }

    #[test]
    fn tries_are_a_share_of_the_calls() {
        let (retries, error) = (retries(10), Error::unreached("x"));
        while retries.next(&error, 1, true, LONG) != Next::Spent {}
        let granted = (0..1_000).filter(|_| {
            retries.pay();
            retries.next(&error, 1, true, LONG) != Next::Spent
        });
        assert_eq!(granted.count(), 100);
    }

    #[test]
    fn a_long_quiet_time_saves_up_only_so_much() {
        let (retries, error) = (retries(100), Error::unreached("x"));
        (0..1_000).for_each(|_| retries.pay());
        assert_eq!((0..1_000).filter(|_| retries.next(&error, 1, true, LONG) != Next::Spent).count(), 20);
    }

    #[test]
    fn pauses_double_differ_and_respect_the_service() {
        let retries = retries(10);
        let first: std::collections::BTreeSet<_> = (0..100).map(|_| retries.pause(1)).collect();
        assert!(first.len() > 50, "they differ");
        assert!(first.iter().all(|pause| (FIRST_PAUSE / 2..=FIRST_PAUSE).contains(pause)));
        assert!((0..100).all(|_| (FIRST_PAUSE..=FIRST_PAUSE * 2).contains(&retries.pause(2))));
        assert!(retries.pause(100) <= MAX_PAUSE);
        let patient = Error::unreached("x").with_retry_after(Some(Duration::from_secs(2)));
        assert_eq!(retries.next(&patient, 1, true, LONG), Next::Pause(Duration::from_secs(2)));
        assert_eq!(retries.next(&patient, 1, true, Duration::from_secs(2)), Next::Stop, "nobody waits so long");
    }
}
