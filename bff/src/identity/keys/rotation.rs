//! When a key is made, signs, rests and goes: next -> current -> retiring -> gone.
//!
//! Pure rules over the rows of all keys. Any number of replicas may find the same step due; it is applied by
//! compare-and-put, so that one of them takes it. A key is published long before it signs, because there is always
//! a next one, and long after, because the last token that it signed must still verify.

use time::{Duration, OffsetDateTime};

use super::SigningAlgorithm;
use crate::store::{KeyState, SigningKey};

#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long a key signs.
    pub every: Duration,
    /// How long it must have been published before: every replica and every service has it by then.
    pub ahead: Duration,
    /// How long it is published after it has signed its last token.
    pub keep: Duration,
}

/// One change that is due; each is good by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A new key: the next one, or the current one where nothing could sign.
    Make(SigningAlgorithm, KeyState),
    /// The next key signs from now on; the current one, where there is one, no longer does.
    Promote { next: String, current: Option<String> },
    /// A retired key, whose last token has expired, goes.
    Forget(String),
}

/// Why an algorithm's next key cannot sign now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotYet {
    NoNext,
    /// It has not been published for long enough.
    Until(OffsetDateTime),
}

/// What is due now, for the algorithms that a key is kept for. Keys of other algorithms stay as they are.
pub fn due(keys: &[SigningKey], kept: &[SigningAlgorithm], rules: &Rules, now: OffsetDateTime) -> Vec<Step> {
    let steps =
        kept.iter().filter_map(|algorithm| missing(keys, *algorithm).or_else(|| turn(keys, *algorithm, rules, now)));
    let forgotten = keys.iter().filter(|key| key.state == KeyState::Retiring && now >= key.state_since + rules.keep);
    steps.chain(forgotten.map(|key| Step::Forget(key.kid.clone()))).collect()
}

/// The step to another current key ahead of time.
pub fn early(
    keys: &[SigningKey],
    algorithm: SigningAlgorithm,
    rules: &Rules,
    now: OffsetDateTime,
) -> Result<Step, NotYet> {
    let next = in_state(keys, algorithm, KeyState::Next).ok_or(NotYet::NoNext)?;
    let from = next.state_since + rules.ahead;
    if now < from { Err(NotYet::Until(from)) } else { Ok(promote(keys, algorithm, next)) }
}

/// The one key of an algorithm in this state; of retiring ones, the first.
pub fn in_state(keys: &[SigningKey], algorithm: SigningAlgorithm, state: KeyState) -> Option<&SigningKey> {
    keys.iter().find(|key| key.state == state && key.algorithm == algorithm.as_str())
}

fn missing(keys: &[SigningKey], algorithm: SigningAlgorithm) -> Option<Step> {
    let is_there = |state| in_state(keys, algorithm, state);
    match (is_there(KeyState::Current), is_there(KeyState::Next)) {
        (None, None) => Some(Step::Make(algorithm, KeyState::Current)),
        // Without any key that signs, one that is hardly known is better than none.
        (None, Some(next)) => Some(promote(keys, algorithm, next)),
        (Some(_), None) => Some(Step::Make(algorithm, KeyState::Next)),
        (Some(_), Some(_)) => None,
    }
}

fn turn(keys: &[SigningKey], algorithm: SigningAlgorithm, rules: &Rules, now: OffsetDateTime) -> Option<Step> {
    let current = in_state(keys, algorithm, KeyState::Current)?;
    let is_old = now >= current.state_since + rules.every;
    early(keys, algorithm, rules, now).ok().filter(|_| is_old)
}

fn promote(keys: &[SigningKey], algorithm: SigningAlgorithm, next: &SigningKey) -> Step {
    let current = in_state(keys, algorithm, KeyState::Current).map(|key| key.kid.clone());
    Step::Promote { next: next.kid.clone(), current }
}

#[cfg(test)]
mod tests;
