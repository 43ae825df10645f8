//! Requests that are carried out once, however often they arrive: the answer of the first is kept for the others.
//!
//! A key is reserved before any work, and the reservation ends by itself if this process dies. Where the store is away
//! nothing is begun. The key travels on to the services, which know it again where an answer was lost.

mod record;

pub use record::{Answer, Fingerprint};

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};

use crate::clock::Clock;
use crate::store::{self, KeyValue};
use record::{Decision, Record, decide, finish};

/// Clones share the store.
#[derive(Debug, Clone)]
pub struct Idempotency {
    store: KeyValue,
    clock: Clock,
}

/// One key of one caller at one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

/// What becomes of a request.
pub enum Begun {
    /// It is the first: carry it out, then `finish` or `release`.
    First(Reservation),
    /// It was carried out already, and this was the answer.
    Done(Answer),
}

/// Whoever holds it carries the request out.
#[derive(Debug, Clone)]
pub struct Reservation {
    key: Key,
    record: Vec<u8>,
    fingerprint: Fingerprint,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the key belongs to a request with another content")]
    OtherRequest,
    #[error("the first request with this key is still being carried out")]
    Running(Duration),
    #[error("the request was carried out, and its answer was not kept")]
    NotKept,
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("others kept changing the same key")]
    Contended,
}

/// How long a reservation stands without a word: longer than any request may take.
const RESERVED: Duration = Duration::from_secs(60);
/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_TRIES: usize = 5;

impl Key {
    /// `caller` and `route` stand for whoever asks and for what; what they say is only hashed.
    pub fn new(caller: &str, route: &str, key: &[u8]) -> Self {
        let hash = hash(&[caller.as_bytes(), route.as_bytes(), key]);
        Self(format!("idempotency:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
    }
}

impl Fingerprint {
    /// Of everything that a request says.
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(hash(parts))
    }
}

impl Idempotency {
    pub fn new(store: KeyValue, clock: Clock) -> Self {
        Self { store, clock }
    }

    pub async fn begin(&self, key: Key, fingerprint: Fingerprint) -> Result<Begun, Error> {
        for _ in 0..MAX_TRIES {
            let now = self.clock.now();
            let stored = self.store.get(&key.0).await?;
            let record = stored.as_ref().and_then(Record::read);
            match decide(record, fingerprint, RESERVED, now) {
                Decision::Begin(record) => {
                    let record = record.write();
                    if self.store.compare_and_put(&key.0, stored.as_deref(), &record, RESERVED).await? {
                        return Ok(Begun::First(Reservation { key, record, fingerprint }));
                    }
                }
                Decision::Repeat(answer) => return Ok(Begun::Done(answer)),
                Decision::Refuse(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    /// Keeps the answer; without one, or where it is too large, that the request was carried out.
    pub async fn finish(&self, reservation: Reservation, answer: Option<Answer>) {
        let record = finish(reservation.fingerprint, answer).write();
        let put = self.store.compare_and_put(&reservation.key.0, Some(&reservation.record), &record, KEPT).await;
        match put {
            Ok(true) => {}
            Ok(false) => tracing::warn!("an answer came after the reservation of its idempotency key had ended"),
            Err(error) => {
                tracing::warn!(%error, cause = %error.cause(), "cannot keep the answer to an idempotency key")
            }
        }
    }

    /// Nothing was done: the same request may be made again at once.
    pub async fn release(&self, reservation: Reservation) {
        // There is no compare-and-delete; a record that has ended already is as good as none.
        let ended = Record::released().write();
        let Reservation { key, record, .. } = reservation;
        if let Err(error) = self.store.compare_and_put(&key.0, Some(&record), &ended, Duration::from_secs(1)).await {
            tracing::debug!(%error, "an idempotency key stays reserved until its time is over");
        }
    }
}

/// Each part with its length, so that no two lists of parts are the same text.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("SHA-256 yields 32 bytes")
}
