//! Stops asking a store that does not answer: after some failures in a row only one call in a while gets through, until one succeeds.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Closed, open, or, once in a while, half open: a trial that is never reported back costs only its turn.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures_in_a_row: u32,
    /// While it is open: when the next trial may go.
    next_trial: Option<Instant>,
}

const FAILURES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

impl Breaker {
    /// Whether a call may go now; while the breaker is open, taking a turn uses it up.
    pub fn admits(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.next_trial {
            Some(at) if now < at => return false,
            Some(_) => state.next_trial = Some(now + PAUSE),
            None => {}
        }
        true
    }

    /// The store answered, be it with a refusal.
    pub fn answered(&self) {
        *self.state() = State::default();
    }

    pub fn failed(&self, now: Instant) {
        let mut state = self.state();
        state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
        if state.failures_in_a_row >= FAILURES {
            state.next_trial = Some(now + PAUSE);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_call_try_at_a_time() {
        let breaker = Breaker::default();
        let start = Instant::now();
        for _ in 1..FAILURES {
            breaker.failed(start);
        }
        breaker.answered();
        breaker.failed(start);
        assert!(breaker.admits(start), "an answer in between starts the count again");

        for _ in 1..FAILURES {
            breaker.failed(start);
        }
        assert!(!breaker.admits(start));
        let later = start + PAUSE;
        assert!(breaker.admits(later) && !breaker.admits(later), "one trial");
        breaker.failed(later);
        assert!(!breaker.admits(later));
        assert!(breaker.admits(later + PAUSE), "a trial that never came back does not block the next");
        assert!(breaker.admits(later + PAUSE * 2));
        breaker.answered();
        assert!(breaker.admits(later) && breaker.admits(later));
    }
}
