//! Stops calling a service that only fails, so that its callers learn it at once and it can come back to its feet.
//!
//! Closed, it counts: too many failures in a row, or too large a share of the last seconds, and it opens. Open, it
//! refuses; after a while a few calls try, one behind the other, and their success closes it. The pause doubles each
//! time they fail.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Config;
use crate::meter::Gauge;

/// One for each source.
#[derive(Debug)]
pub struct Breaker {
    rules: Rules,
    state: Mutex<State>,
    /// Calls that are under way.
    open: AtomicU32,
    shown: Gauge,
}

/// When it opens and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Failures in a row; 0 for any number.
    pub in_a_row: u32,
    /// Of a hundred calls; 0 for any share.
    pub percent: u32,
    pub pause: Duration,
}

/// The right to call. Dropped without a word, as by a client that left, it counts for nothing.
#[derive(Debug)]
pub struct Turn<'b> {
    breaker: &'b Breaker,
    trial: bool,
    told: bool,
}

#[derive(Debug)]
enum State {
    Closed(Window),
    Open {
        until: Instant,
        pause: Duration,
    },
    /// Trials that have succeeded, and whether one is under way.
    HalfOpen {
        successes: u32,
        trying: bool,
        pause: Duration,
    },
}

/// Calls and failures of the last seconds, by the second.
#[derive(Debug)]
struct Window {
    slots: [Slot; SLOTS],
    in_a_row: u32,
    /// The most calls that were under way together since the last answer: so many failures are one piece of bad luck.
    together: u32,
    began: Instant,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    second: u64,
    calls: u32,
    failures: u32,
}

const SLOTS: usize = 10;
/// A share of fewer calls says nothing.
const MIN_CALLS: u32 = 20;
const TRIALS: u32 = 3;
const MAX_PAUSE: Duration = Duration::from_secs(30);

impl From<&Config> for Rules {
    fn from(config: &Config) -> Self {
        Self {
            in_a_row: config.breaker_failures,
            percent: config.breaker_percent,
            pause: Duration::from_millis(config.breaker_open_ms),
        }
    }
}

impl Breaker {
    /// `shown` is 0 while it is closed, 1 while trials run, 2 while it is open.
    pub fn new(rules: Rules, shown: Gauge) -> Self {
        shown.set(0.0);
        Self { rules, state: Mutex::new(State::Closed(Window::new(Instant::now()))), open: AtomicU32::new(0), shown }
    }

    /// Whether no call may go.
    pub fn refuses(&self, now: Instant) -> bool {
        match &*self.state() {
            State::Closed(_) => false,
            State::Open { until, .. } => now < *until,
            State::HalfOpen { trying, .. } => *trying,
        }
    }

    /// None while no call may go.
    pub fn enter(&self, now: Instant) -> Option<Turn<'_>> {
        let mut state = self.state();
        let trial = match &mut *state {
            State::Closed(_) => false,
            State::Open { until, .. } if now < *until => return None,
            State::Open { pause, .. } => {
                let pause = *pause;
                *state = State::HalfOpen { successes: 0, trying: true, pause };
                self.shown.set(1.0);
                true
            }
            State::HalfOpen { trying: true, .. } => return None,
            State::HalfOpen { trying, .. } => {
                *trying = true;
                true
            }
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Turn { breaker: self, trial, told: false })
    }

    fn report(&self, failed: bool, trial: bool, now: Instant) {
        let mut state = self.state();
        let opened = match (&mut *state, failed) {
            (State::Closed(window), _) => {
                let opens = window.count(failed, now, self.rules, self.open.load(Ordering::Relaxed));
                opens.then_some(self.rules.pause)
            }
            (State::HalfOpen { pause, .. }, true) if trial => Some((*pause * 2).min(MAX_PAUSE)),
            (State::HalfOpen { successes, trying, .. }, false) if trial => {
                *successes += 1;
                *trying = false;
                if *successes >= TRIALS {
                    *state = State::Closed(Window::new(now));
                    self.shown.set(0.0);
                }
                None
            }
            // Sent before it opened.
            _ => None,
        };
        if let Some(pause) = opened {
            *state = State::Open { until: now + pause, pause };
            self.shown.set(2.0);
        }
    }

    /// A trial whose caller left says nothing; the next one may try.
    fn abandon(&self) {
        if let State::HalfOpen { trying, .. } = &mut *self.state() {
            *trying = false;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    pub fn answered(mut self, now: Instant) {
        self.told = true;
        self.breaker.report(false, self.trial, now);
    }

    pub fn failed(mut self, now: Instant) {
        self.told = true;
        self.breaker.report(true, self.trial, now);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.breaker.open.fetch_sub(1, Ordering::Relaxed);
        if self.trial && !self.told {
            self.breaker.abandon();
        }
    }
}

impl Window {
    fn new(now: Instant) -> Self {
        Self { slots: [Slot::default(); SLOTS], in_a_row: 0, together: 0, began: now }
    }

    /// Whether that was one failure too many.
    fn count(&mut self, failed: bool, now: Instant, rules: Rules, open: u32) -> bool {
        let second = now.saturating_duration_since(self.began).as_secs();
        let slot = &mut self.slots[(second % SLOTS as u64) as usize];
        if slot.second != second {
            *slot = Slot { second, ..Slot::default() };
        }
        slot.calls = slot.calls.saturating_add(1);
        if !failed {
            (self.in_a_row, self.together) = (0, 0);
            return false;
        }
        slot.failures = slot.failures.saturating_add(1);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.together = self.together.max(open);
        let recent = self.slots.iter().filter(|slot| slot.second + SLOTS as u64 > second);
        let (calls, failures) = recent.fold((0_u64, 0_u64), |(calls, failures), slot| {
            (calls + u64::from(slot.calls), failures + u64::from(slot.failures))
        });
        let too_many = rules.in_a_row > 0 && self.in_a_row >= rules.in_a_row.max(self.together);
        let too_large = rules.percent > 0 && calls >= u64::from(MIN_CALLS);
        too_many || too_large && failures * 100 >= calls * u64::from(rules.percent)
    }
}

#[cfg(test)]
mod tests;
