//! Why a store does not do what it was asked.

use std::path::PathBuf;
use std::time::Duration;

/// A call that failed; says which store and during what. The cause is its source.
#[derive(Debug, thiserror::Error)]
#[error("{part}: cannot {action}")]
pub struct Error {
    pub(super) part: &'static str,
    pub(super) action: &'static str,
    pub(super) source: Cause,
}

#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("it did not answer lately and is asked again in a moment")]
    Away,
    #[error("{what} has {bytes} bytes, the limit is {limit}")]
    TooLarge { what: &'static str, bytes: usize, limit: usize },
    #[error("the queue `{topic}` is full: {limit} jobs wait")]
    Full { topic: &'static str, limit: u32 },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error(transparent)]
    Nats(async_nats::Error),
}

/// Why the stores cannot be opened at start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{setting}: expected {expected}")]
    Url { setting: &'static str, expected: &'static str },
    #[error("store.database_url: cannot create the folder {}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("store.database_url: cannot create {}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("store.database_url: cannot open {}", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("store.database_url: cannot connect to PostgreSQL at {server}")]
    Connect { server: String, source: sqlx::Error },
    #[error("store.database_url: PostgreSQL at {server} does not answer within {} s", patience.as_secs())]
    Silent { server: String, patience: Duration },
    #[error("store.database_url: cannot bring the tables up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("store.database_url: the tables are older than this server; run `bff migrate`")]
    Behind,
    #[error("store.redis_url: cannot be used")]
    Redis(#[from] redis::RedisError),
    #[error("store.nats_url: cannot be used")]
    Nats(#[source] async_nats::Error),
}

impl Error {
    pub fn cause(&self) -> &Cause {
        &self.source
    }

    /// Whether the store is away or overloaded, so that the same call may succeed later.
    pub fn is_outage(&self) -> bool {
        self.source.is_outage()
    }
}

impl Cause {
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Away | Self::Nats(_) => true,
            Self::TooLarge { .. } | Self::Full { .. } => false,
            Self::Database(error) => is_database_outage(error),
            Self::Redis(error) => is_redis_outage(error),
        }
    }
}

/// NATS clients have an error type for every call.
pub(super) fn nats(error: impl Into<async_nats::Error>) -> Cause {
    Cause::Nats(error.into())
}

fn is_database_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // SQLite: busy, locked. PostgreSQL: connection lost, out of resources, shutting down.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            matches!(&*code, "5" | "6" | "261" | "517")
                || (code.len() == 5 && ["08", "53", "57P"].iter().any(|class| code.starts_with(class)))
        }),
        _ => false,
    }
}

fn is_redis_outage(error: &redis::RedisError) -> bool {
    use redis::{ErrorKind, ServerErrorKind};
    let refuses_work = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ReadOnly
            )
    );
    refuses_work || error.is_io_error()
}
