//! The rows, in SQLite or PostgreSQL: chosen once by the URL, then all SQL is the same text for both.
//!
//! Nothing here knows callers or rules. A change is `replace_*(before, after)`, which writes only where the row still has
//! the version of `before`, and says whether it did.

mod addresses;
mod amount;
mod database;
mod orders;

pub use orders::Once;

use database::Database;

#[derive(Clone)]
pub struct Store {
    database: Database,
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] sqlx::Error);

impl Store {
    /// Connects, creates the SQLite file where there is none, and brings the tables up to date.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        let database = Database::connect(url).await?;
        database.migrate().await?;
        Ok(Self { database })
    }

    pub async fn is_reachable(&self) -> bool {
        let answer = async { self.database.acquire().await?.query("SELECT 1").rows().await };
        answer.await.is_ok()
    }

    pub async fn close(&self) {
        self.database.close().await;
    }
}

impl Error {
    /// Whether the database is away or overloaded, so that the same call may succeed later.
    pub fn is_outage(&self) -> bool {
        match &self.0 {
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
}
