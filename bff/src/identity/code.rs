//! One-time codes: everything that is decided about those of one identifier for one purpose, over one record.
//!
//! Pure rules. A wrong try is counted before the code is compared, in the same step; wrong tries count across codes, so
//! that asking for another code never gives more of them. `codes` applies the rules to the store by compare-and-put.

mod challenge_id;
mod digest;
mod record;

pub use challenge_id::{ChallengeId, Purpose};
pub use digest::{Belonging, Code, Digester};
pub use record::{Challenge, REMEMBERED, Record};

use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::account::Identifier;
use record::Moment;

/// How long codes work and how often they may be asked for and tried; part of `[identity.codes]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    pub email_life_s: u32,
    pub sms_life_s: u32,
    /// Wrong tries of one code.
    pub tries: u32,
    /// Wrong tries of all codes of an identifier for one purpose.
    pub tries_per_hour: u32,
    pub tries_per_day: u32,
    /// How long to wait for another code after the first of an hour, the second and so on; the last one stays.
    pub resend_after_s: Vec<u32>,
    pub sends_per_hour: u32,
    pub sends_per_day: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            email_life_s: 600,
            sms_life_s: 300,
            tries: 5,
            tries_per_hour: 10,
            tries_per_day: 20,
            resend_after_s: vec![60, 120, 300],
            sends_per_hour: 5,
            sends_per_day: 10,
        }
    }
}

/// Who asks: somebody at a device that has signed in to the account before has a budget of his own, so that strangers
/// cannot use it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    Stranger,
    KnownDevice,
}

/// What a submission is about.
#[derive(Clone, Copy)]
pub struct Submission<'a> {
    pub challenge: &'a ChallengeId,
    /// Who is signed in, where the purpose asks for it.
    pub account: Option<Uuid>,
    pub asker: Asker,
}

/// What asking for a code leads to.
#[derive(Debug)]
pub enum Start {
    /// The record to put.
    Started {
        record: Record,
        resend_after: Duration,
    },
    TooOften {
        wait: Duration,
    },
}

/// What submitting a code leads to.
#[derive(Debug)]
pub enum Submitted {
    /// The right code: nobody else can use it for the length of the lease. The record to put, and whose code it was.
    Claimed(Record, Challenge),
    /// A wrong one; the record to put.
    Wrong(Record),
    /// Nothing was compared: there is no such challenge, or it is over, used up, or about to be.
    Over,
    /// Nothing was compared: too many wrong tries, of whichever codes.
    TooMany { wait: Duration },
}

/// How many codes of one identifier and purpose work at the same time.
pub const MAX_LIVE: usize = 3;
/// How long a claimed code waits for its use to be written down.
pub const LEASE: Duration = Duration::seconds(30);

/// Adds a challenge, if it is not too soon or too often; the oldest makes room.
pub fn start(rules: &Rules, record: &Record, challenge: Challenge, asker: Asker, now: OffsetDateTime) -> Start {
    let mut next = record.at(now);
    let sent = &mut next.budget_mut(asker).sent;
    if let Some(wait) = rules.until_next_send(sent, now) {
        return Start::TooOften { wait };
    }
    sent.push(now.into());
    let resend_after = rules.until_next_send(sent, now).unwrap_or_default();
    if next.challenges.len() >= MAX_LIVE {
        next.challenges.remove(0);
    }
    next.challenges.push(challenge);
    Start::Started { record: next, resend_after }
}

/// Takes a start back whose code was never sent.
pub fn withdraw(record: &Record, challenge: &Challenge, asker: Asker) -> Record {
    let mut next = remove(record, &challenge.id);
    let sent = &mut next.budget_mut(asker).sent;
    if let Some(place) = sent.iter().rposition(|at| *at == challenge.created_at) {
        sent.remove(place);
    }
    next
}

/// Counts a try, then compares.
pub fn submit(
    rules: &Rules,
    record: &Record,
    submission: Submission<'_>,
    is_right: impl FnOnce(&Challenge) -> bool,
    now: OffsetDateTime,
) -> Submitted {
    let Some(place) = record.challenges.iter().position(|challenge| challenge.id == *submission.challenge) else {
        return Submitted::Over;
    };
    let challenge = &record.challenges[place];
    let leased = challenge.leased_until.is_some_and(|until| now < until.0);
    if now >= challenge.expires_at.0 || leased || challenge.account != submission.account {
        return Submitted::Over;
    }
    if challenge.tries >= rules.tries {
        return Submitted::Over;
    }
    let mut counted = record.at(now);
    if let Some(wait) = rules.until_next_try(&counted.budget(submission.asker).wrong, now) {
        return Submitted::TooMany { wait };
    }
    counted.budget_mut(submission.asker).wrong.push(now.into());
    let tried = counted.challenges.iter_mut().filter(|other| other.id == *submission.challenge);
    tried.for_each(|tried| tried.tries += 1);
    if !is_right(challenge) {
        return Submitted::Wrong(counted);
    }
    // The right code was no wrong try.
    let mut claimed = record.at(now);
    let right = claimed.challenges.iter_mut().filter(|other| other.id == *submission.challenge);
    right.for_each(|right| right.leased_until = Some((now + LEASE).into()));
    Submitted::Claimed(claimed, challenge.clone())
}

/// Makes a claimed code good again, because what it was used for could not be written down.
pub fn release(record: &Record, challenge: &ChallengeId) -> Record {
    let mut next = record.clone();
    let claimed = next.challenges.iter_mut().filter(|other| other.id == *challenge);
    claimed.for_each(|claimed| claimed.leased_until = None);
    next
}

/// Ends a challenge.
pub fn remove(record: &Record, challenge: &ChallengeId) -> Record {
    let mut next = record.clone();
    next.challenges.retain(|other| other.id != *challenge);
    next
}

impl Rules {
    /// How long a code works that is sent there.
    pub fn life(&self, identifier: &Identifier) -> Duration {
        Duration::seconds(i64::from(match identifier {
            Identifier::Email(_) => self.email_life_s,
            Identifier::Phone(_) => self.sms_life_s,
        }))
    }

    fn until_next_send(&self, sent: &[Moment], now: OffsetDateTime) -> Option<Duration> {
        let lately = sent.iter().filter(|at| now - at.0 < Duration::HOUR).count();
        let step = lately.checked_sub(1).map(|last| last.min(self.resend_after_s.len().saturating_sub(1)));
        let pause = step.and_then(|step| self.resend_after_s.get(step)).map_or(0, |seconds| *seconds);
        let pause = (1, Duration::seconds(i64::from(pause)));
        wait(sent, [pause, (self.sends_per_hour, Duration::HOUR), (self.sends_per_day, Duration::DAY)], now)
    }

    fn until_next_try(&self, wrong: &[Moment], now: OffsetDateTime) -> Option<Duration> {
        wait(wrong, [(self.tries_per_hour, Duration::HOUR), (self.tries_per_day, Duration::DAY)], now)
    }
}

/// How long until fewer than so many of these moments lie within each span.
fn wait<const N: usize>(moments: &[Moment], limits: [(u32, Duration); N], now: OffsetDateTime) -> Option<Duration> {
    let over = |(count, span): (u32, Duration)| {
        let place = moments.len().checked_sub(usize::try_from(count).ok()?)?;
        let free = moments.get(place)?.0 + span - now;
        free.is_positive().then_some(free)
    };
    limits.into_iter().filter_map(over).max()
}

#[cfg(test)]
mod tests;
