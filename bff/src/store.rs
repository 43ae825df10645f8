//! What must survive a restart: records, and the port through which they are read and written.
//!
//! Knows neither rules nor clocks: the rules are pure functions of `identity`, applied here by
//! compare-and-put, and every time is handed in.

mod embedded;
mod record;

pub use record::{Account, KeyState, Previous, Session, SessionKind, SigningKey};

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use embedded::Embedded;

/// Where records are kept: `[store]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite:PATH`, one file with nothing to install.
    pub database_url: SecretString,
}

impl Default for Config {
    fn default() -> Self {
        Self { database_url: "sqlite:data/bff.db".into() }
    }
}

/// Accounts, their sessions and the signing keys; cheap to clone.
#[derive(Debug, Clone)]
pub enum Accounts {
    Embedded(Embedded),
}

/// The store did not answer; says during what.
#[derive(Debug, thiserror::Error)]
#[error("the account store failed to {action}")]
pub struct Error {
    action: &'static str,
    source: sqlx::Error,
}

/// Why the store cannot be opened at start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("store.database_url: expected `sqlite:PATH` with the path of a file")]
    Url,
    #[error("store.database_url: cannot create the folder {}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("store.database_url: cannot create {}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("store.database_url: cannot open {}", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("{}: cannot bring the tables up to date", path.display())]
    Migrate { path: PathBuf, source: sqlx::migrate::MigrateError },
}

impl Accounts {
    /// Opens the store and brings its tables up to date.
    pub async fn open(config: &Config) -> Result<Self, OpenError> {
        let path = config.database_url.expose_secret().strip_prefix("sqlite:").ok_or(OpenError::Url)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.starts_with(':') {
            return Err(OpenError::Url);
        }
        Embedded::open(Path::new(path)).await.map(Self::Embedded)
    }

    /// The folder of the database file, where there is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Embedded(store) => store.folder(),
        }
    }

    /// Succeeds if the store answers.
    pub async fn check(&self) -> Result<(), Error> {
        match self {
            Self::Embedded(store) => store.check().await,
        }
    }

    /// Finishes open work and closes every connection.
    pub async fn close(&self) {
        match self {
            Self::Embedded(store) => store.close().await,
        }
    }

    pub async fn account(&self, id: Uuid) -> Result<Option<Account>, Error> {
        match self {
            Self::Embedded(store) => store.account(id).await,
        }
    }

    /// The account that uses this normalised address and is not deleted.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<Account>, Error> {
        match self {
            Self::Embedded(store) => store.account_by_email(email).await,
        }
    }

    /// The account that uses this E.164 number and is not deleted.
    pub async fn account_by_phone(&self, phone: &str) -> Result<Option<Account>, Error> {
        match self {
            Self::Embedded(store) => store.account_by_phone(phone).await,
        }
    }

    /// False if the id, the address or the number is taken; nothing is changed then.
    pub async fn insert_account(&self, account: &Account) -> Result<bool, Error> {
        match self {
            Self::Embedded(store) => store.insert_account(account).await,
        }
    }

    /// Swaps one hash for another of the same password; false if the hash has changed meanwhile.
    pub async fn rehash_password(&self, id: Uuid, old: &str, new: &str) -> Result<bool, Error> {
        match self {
            Self::Embedded(store) => store.rehash_password(id, old, new).await,
        }
    }

    pub async fn session(&self, id: Uuid) -> Result<Option<Session>, Error> {
        match self {
            Self::Embedded(store) => store.session(id).await,
        }
    }

    pub async fn session_by_secret(&self, hash: &[u8; 32]) -> Result<Option<Session>, Error> {
        match self {
            Self::Embedded(store) => store.session_by_secret(hash).await,
        }
    }

    pub async fn insert_session(&self, session: &Session) -> Result<(), Error> {
        match self {
            Self::Embedded(store) => store.insert_session(session).await,
        }
    }

    /// Compare-and-put: false if the row is no longer at `session.revision`, which the write raises by one.
    pub async fn update_session(&self, session: &Session) -> Result<bool, Error> {
        match self {
            Self::Embedded(store) => store.update_session(session).await,
        }
    }

    /// Sessions revoked after a moment, newest first, with the moment of each.
    pub async fn revoked_since(&self, since: OffsetDateTime, limit: u32) -> Result<Vec<(Uuid, OffsetDateTime)>, Error> {
        match self {
            Self::Embedded(store) => store.revoked_since(since, limit).await,
        }
    }

    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        match self {
            Self::Embedded(store) => store.signing_keys().await,
        }
    }

    /// False if another server has put a current key of this algorithm first.
    pub async fn insert_signing_key(&self, key: &SigningKey) -> Result<bool, Error> {
        match self {
            Self::Embedded(store) => store.insert_signing_key(key).await,
        }
    }
}
