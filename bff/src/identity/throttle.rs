//! How many wrong passwords somebody may try: some at once, then one after each of ever longer waits, and so many an hour.
//!
//! Pure functions from (record, who, now) to a new record. A try counts as wrong before the password is looked at, so that
//! tries at the same time all count; a right one takes back what its own side did wrong, and nothing of others.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// `[identity.login]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// How many wrong passwords cost no wait; they are forgotten after a window without any.
    pub free_failures: u32,
    pub window_s: u32,
    /// The waits begin with a second and double up to this.
    pub longest_wait_s: u32,
    pub failures_per_hour: u32,
    /// How many one address may have wrong in a window, whosever passwords they are.
    pub address_failures: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self { free_failures: 5, window_s: 900, longest_wait_s: 900, failures_per_hour: 100, address_failures: 20 }
    }
}

impl Rules {
    /// What cannot work.
    pub fn problems(&self) -> Vec<String> {
        let within = [
            ("free_failures", self.free_failures, 1, 100),
            ("window_s", self.window_s, 1, 86_400),
            ("longest_wait_s", self.longest_wait_s, 1, 3_600),
            ("failures_per_hour", self.failures_per_hour, 1, 1_000),
            ("address_failures", self.address_failures, 1, 1_000_000),
        ];
        let wrong = within.into_iter().filter(|(_, value, least, most)| !(least..=most).contains(&value));
        wrong.map(|(name, _, least, most)| format!("identity.login.{name}: must be {least} to {most}")).collect()
    }
}

/// What is remembered of the tries at one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Those of the last hour, the oldest first.
    failures: Vec<Failure>,
    /// How many came without a window of peace in between, the newest among them: they decide the wait.
    streak: u32,
}

/// A try that counts as wrong; it can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In milliseconds since 1970.
    at: i64,
    /// Where it came from, as a keyed hash.
    by: u64,
}

/// Counts a try, as wrong for now; or says how long nobody may try.
pub fn begin(rules: &Rules, tries: &Tries, by: u64, now: OffsetDateTime) -> Result<(Tries, Failure), Duration> {
    let now = millis(now);
    let Tries { mut failures, streak } = current(rules, tries, now);
    let wait = wait(rules, &failures, streak, now);
    if wait > 0 {
        return Err(Duration::milliseconds(wait));
    }
    // The clocks of two replicas may differ a little.
    let at = failures.last().map_or(now, |last| last.at.max(now));
    let failure = Failure { at, by };
    failures.push(failure);
    Ok((Tries { failures, streak: streak.saturating_add(1) }, failure))
}

/// It was right: nothing that its side did counts any more.
pub fn right(tries: &Tries, failure: Failure) -> Tries {
    let in_streak = tries.streak_begins();
    let taken_back = tries.failures.iter().skip(in_streak).filter(|other| other.by == failure.by).count();
    let failures = tries.failures.iter().filter(|other| other.by != failure.by).copied().collect();
    Tries { failures, streak: tries.streak.saturating_sub(count(taken_back)) }
}

/// Nothing was compared after all.
pub fn void(tries: &Tries, failure: Failure) -> Tries {
    let mut tries = tries.clone();
    if let Some(place) = tries.failures.iter().rposition(|other| *other == failure) {
        let in_streak = place >= tries.streak_begins();
        tries.failures.remove(place);
        tries.streak = tries.streak.saturating_sub(u32::from(in_streak));
    }
    tries
}

/// How long a record matters after its last change.
pub fn remembered(rules: &Rules) -> Duration {
    let peace = i64::from(rules.longest_wait_s) + i64::from(rules.window_s);
    Duration::milliseconds(HOUR).max(Duration::seconds(peace))
}

impl Tries {
    /// Of the listed ones; the streak may go back further than the list.
    fn streak_begins(&self) -> usize {
        self.failures.len().saturating_sub(usize::try_from(self.streak).unwrap_or(usize::MAX))
    }
}

/// Without what no longer counts.
fn current(rules: &Rules, tries: &Tries, now: i64) -> Tries {
    let goes_on = |last: &Failure| now < last.at + pause(rules, tries.streak) + 1_000 * i64::from(rules.window_s);
    let streak = if tries.failures.last().is_some_and(goes_on) { tries.streak } else { 0 };
    let failures = tries.failures.iter().filter(|failure| now < failure.at + HOUR).copied().collect();
    Tries { failures, streak }
}

fn wait(rules: &Rules, failures: &[Failure], streak: u32, now: i64) -> i64 {
    let after_last = failures.last().map_or(0, |last| last.at + pause(rules, streak) - now);
    let allowed = usize::try_from(rules.failures_per_hour).unwrap_or(usize::MAX);
    let full = failures.len().checked_sub(allowed).and_then(|first| failures.get(first));
    let within_hour = full.map_or(0, |oldest| oldest.at + HOUR - now);
    after_last.max(within_hour).max(0)
}

/// The wait after this many wrong ones.
fn pause(rules: &Rules, streak: u32) -> i64 {
    let Some(doublings) = streak.checked_sub(rules.free_failures) else { return 0 };
    let seconds = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX).min(rules.longest_wait_s);
    1_000 * i64::from(seconds)
}

const HOUR: i64 = 3_600_000;

fn millis(time: OffsetDateTime) -> i64 {
    time.unix_timestamp() * 1_000 + i64::from(time.millisecond())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
