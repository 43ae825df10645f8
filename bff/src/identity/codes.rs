//! Codes as they are asked for, kept and used: applies the rules of `code` to the store by compare-and-put.

mod budgets;
mod config;
mod errand;

pub use budgets::Budgets;
pub use config::Config as CodesConfig;
pub use errand::{Errand, TOPIC};

use std::net::IpAddr;

use bytes::Bytes;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::account::Identifier;
use super::code::{
    self, Asker, Belonging, Challenge, ChallengeId, Code, Digester, Purpose, REMEMBERED, Record, Rules, Start,
    Submission, Submitted,
};
use super::error::Error;
use super::password::PasswordError;
use super::turns::Turns;
use crate::seal::SealingKey;
use crate::store::{self, KeyValue, Queue, Stores};

/// Everything about codes that does not read an account.
pub struct Codes {
    values: KeyValue,
    queue: Queue,
    rules: Rules,
    budgets: Budgets,
    digester: Digester,
    /// Under which errands are left in the queue.
    seal: SealingKey,
    turns: Turns,
}

/// Somebody asks for a code.
pub struct Ask {
    pub purpose: Purpose,
    pub identifier: Identifier,
    /// Who is signed in, where the purpose needs somebody to be.
    pub account: Option<Uuid>,
    pub asker: Asker,
    pub address: Option<IpAddr>,
    /// The language of the message, unless an account says otherwise.
    pub locale: Option<String>,
}

/// The same, whoever is asked about.
pub struct Asked {
    pub challenge: ChallengeId,
    pub expires_in: Duration,
    pub resend_after: Duration,
}

/// Somebody gives a code back.
pub struct Given<'a> {
    pub purpose: Purpose,
    pub identifier: &'a Identifier,
    /// As it was sent: what is no id and no code is a wrong one.
    pub challenge: &'a str,
    pub code: &'a str,
    pub account: Option<Uuid>,
    pub asker: Asker,
}

/// A right code that nobody else can use now; `settle` it.
pub struct Claim {
    key: String,
    challenge: Challenge,
}

/// What a rule says is to be done with a record.
enum Step<T> {
    Put(Record, T),
    Leave(T),
}

/// A compare-and-put loses only against another replica at work on the same identifier; more often than a code may be tried.
const MAX_TRIES: usize = 10;

impl Codes {
    pub fn new(rules: &Rules, budgets: Budgets, digester: Digester, seal: SealingKey, stores: &Stores) -> Self {
        let (values, queue) = (stores.key_value.clone(), stores.queue.clone());
        Self { values, queue, rules: rules.clone(), budgets, digester, seal, turns: Turns::default() }
    }

    /// Notes a new challenge and leaves an errand for the worker, which finds out whether and what to send.
    pub async fn ask(&self, ask: Ask, now: OffsetDateTime) -> Result<Asked, Error> {
        self.budgets.serves(&ask.identifier)?;
        // Before anything is spent: without the queue no code would be sent.
        self.queue.check().await?;
        self.budgets.take_from_address(ask.address).await?;
        let (challenge, code) = self.challenge(&ask, now)?;
        let key = self.key(ask.purpose, &ask.identifier);
        let start = |record: &Record| match code::start(&self.rules, record, challenge.clone(), ask.asker, now) {
            Start::Started { record, resend_after } => Step::Put(record, Ok(resend_after)),
            Start::TooOften { wait } => Step::Leave(Err(Error::TooOften(wait))),
        };
        let resend_after = self.apply(&key, start).await??;
        if let Err(error) = self.send(&ask, &challenge, code).await {
            let withdraw = |record: &Record| Step::Put(code::withdraw(record, &challenge, ask.asker), ());
            self.apply(&key, withdraw).await?;
            return Err(error);
        }
        let expires_in = self.rules.life(&ask.identifier);
        Ok(Asked { challenge: challenge.id, expires_in, resend_after })
    }

    /// Claims the code if it is the right one.
    pub async fn claim(&self, given: &Given<'_>, now: OffsetDateTime) -> Result<Claim, Error> {
        let id = ChallengeId::parse(given.challenge, given.purpose).ok_or(Error::WrongCode)?;
        let code = Code::parse(given.code).ok_or(Error::WrongCode)?;
        let key = self.key(given.purpose, given.identifier);
        let belonging =
            Belonging { purpose: given.purpose, identifier: given.identifier, challenge: &id, account: given.account };
        let submission = Submission { challenge: &id, account: given.account, asker: given.asker };
        let submit = |record: &Record| {
            let is_right = |challenge: &Challenge| self.digester.is_right(challenge, &code, belonging);
            match code::submit(&self.rules, record, submission, is_right, now) {
                Submitted::Claimed(record, challenge) => Step::Put(record, Ok(challenge)),
                Submitted::Wrong(record) => Step::Put(record, Err(Error::WrongCode)),
                Submitted::Over => Step::Leave(Err(Error::CodeOver)),
                Submitted::TooMany { wait } => Step::Leave(Err(Error::TooManyTries(wait))),
            }
        };
        let challenge = self.apply(&key, submit).await??;
        Ok(Claim { key, challenge })
    }

    /// A code that was used is gone; one whose use could not be written down is good again.
    pub async fn settle(&self, claim: Claim, used: bool) {
        let id = &claim.challenge.id;
        let step = if used { code::remove } else { code::release };
        if let Err(error) = self.apply(&claim.key, |record| Step::Put(step(record, id), ())).await {
            // Its lease ends by itself, and the transaction remembers the challenge.
            tracing::debug!(%error, "a claimed code cannot be settled");
        }
    }

    /// Stands for an identifier where it must not be read.
    pub fn name_of(&self, identifier: &Identifier) -> String {
        self.digester.identifier(identifier)
    }

    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// What an errand's job says; none if it is not one.
    pub fn open(&self, id: &str, payload: &[u8]) -> Option<Errand> {
        Errand::open(&self.seal, id, payload)
    }

    fn challenge(&self, ask: &Ask, now: OffsetDateTime) -> Result<(Challenge, Code), Error> {
        let (id, code) = (ChallengeId::random(ask.purpose), Code::random());
        let belonging =
            Belonging { purpose: ask.purpose, identifier: &ask.identifier, challenge: &id, account: ask.account };
        let pepper = self.digester.pepper();
        let digest = self.digester.digest(&code, belonging, pepper).ok_or(PasswordError::UnknownPepper)?;
        let challenge = Challenge {
            id,
            digest,
            pepper,
            account: ask.account,
            created_at: now.into(),
            expires_at: (now + self.rules.life(&ask.identifier)).into(),
            tries: 0,
            leased_until: None,
        };
        Ok((challenge, code))
    }

    async fn send(&self, ask: &Ask, challenge: &Challenge, code: Code) -> Result<(), Error> {
        self.budgets.take_from_channel(&ask.identifier).await?;
        let errand = Errand {
            id: Uuid::new_v4(),
            purpose: ask.purpose,
            identifier: ask.identifier.clone(),
            account: ask.account,
            code,
            locale: ask.locale.clone(),
            expires_at: challenge.expires_at.0,
        };
        self.queue.publish(&TOPIC, &errand.id.to_string(), &errand.seal(&self.seal)).await?;
        Ok(())
    }

    fn key(&self, purpose: Purpose, identifier: &Identifier) -> String {
        format!("codes:{}:{}", purpose.as_str(), self.digester.identifier(identifier))
    }

    /// One after the other in this replica, so that only replicas contend.
    async fn apply<T>(&self, key: &str, step: impl Fn(&Record) -> Step<T>) -> Result<T, Error> {
        let _turn = self.turns.wait(key).await;
        for _ in 0..MAX_TRIES {
            let stored = self.values.get(key).await?;
            let (next, outcome) = match step(&read(stored.as_ref())) {
                Step::Put(next, outcome) => (next, outcome),
                Step::Leave(outcome) => return Ok(outcome),
            };
            let next = serde_json::to_vec(&next).expect("numbers and text can always be written");
            if self.values.compare_and_put(key, stored.as_deref(), &next, REMEMBERED.unsigned_abs()).await? {
                return Ok(outcome);
            }
        }
        Err(Error::Contended)
    }
}

impl Claim {
    /// What pays for a change in the database, once.
    pub fn payment(&self) -> store::Challenge {
        store::Challenge { id: self.challenge.id.as_str().to_owned(), issued_at: self.challenge.created_at.0 }
    }
}

fn read(stored: Option<&Bytes>) -> Record {
    let Some(stored) = stored else { return Record::default() };
    serde_json::from_slice(stored).unwrap_or_else(|error| {
        tracing::warn!(%error, "the record of some codes cannot be read and begins anew");
        Record::default()
    })
}
