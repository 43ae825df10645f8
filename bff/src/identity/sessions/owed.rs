//! Ends of sessions that could not be written down, kept until they can be: bounded, and in this process alone.

use std::sync::{Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Default)]
pub struct Owed(Mutex<Vec<Debt>>);

/// A session that ended, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debt {
    pub of: Of,
    pub at: OffsetDateTime,
}

/// How it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Session(Uuid),
    /// By the hash of its secret.
    Secret([u8; 32]),
}

const MAX_OWED: usize = 10_000;

impl Owed {
    /// False if there is no more room: then it is not certain that the end is ever written.
    pub fn add(&self, debt: Debt) -> bool {
        let mut debts = self.debts();
        let room = debts.len() < MAX_OWED;
        if room {
            debts.push(debt);
        }
        room
    }

    pub fn holds(&self, of: Of) -> bool {
        self.debts().iter().any(|debt| debt.of == of)
    }

    pub fn take(&self) -> Vec<Debt> {
        std::mem::take(&mut self.debts())
    }

    /// What came meanwhile was counted against the limit already.
    pub fn put_back(&self, debts: impl Iterator<Item = Debt>) {
        self.debts().extend(debts);
    }

    fn debts(&self) -> MutexGuard<'_, Vec<Debt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
