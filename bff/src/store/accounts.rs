//! Durable records: accounts, their sessions and the signing keys.

mod account;
mod credential;
mod login;
mod outbox;
mod search;
mod session;
mod session_list;
mod signing_key;
mod standing;
mod trail;

use std::path::Path;

use super::database::Database;

/// The records; cheap to clone. Every change of a row that others may change is a compare-and-put.
#[derive(Debug, Clone)]
pub struct Accounts {
    database: Database,
}

impl Accounts {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    /// The folder of the database file, where there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.database.folder()
    }
}
