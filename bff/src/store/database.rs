//! One face for two databases: the URL chooses once, then all SQL is the same text for SQLite and PostgreSQL.
//!
//! Both drivers take `$1`. Values cross by the types that both know: text, integers, bytes and ids; times are
//! microseconds since 1970. Columns are listed by name: `*` would break prepared queries when a migration adds one.

mod column;
mod migrations;
mod postgres;
mod sqlite;
mod transaction;

pub use column::{Id, micros, time_from};
pub use transaction::Transaction;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgPool, PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Decode, Encode, Row as _, Type};

use super::error::{Error, OpenError};
use super::guard::Guard;

#[derive(Debug, Clone)]
pub struct Database {
    pool: Pool,
    guard: Guard,
}

#[derive(Debug, Clone)]
enum Pool {
    Sqlite(SqlitePool, PathBuf),
    Postgres(PgPool),
}

/// Where a database is, as its URL says.
pub enum Address {
    Sqlite(PathBuf),
    Postgres(Box<sqlx::postgres::PgConnectOptions>),
}

/// What opening one needs to know besides.
pub struct Options {
    pub connections: u32,
    pub timeout: Duration,
    pub migrate: bool,
}

/// One statement with its values.
pub struct Query<'d> {
    database: &'d Database,
    statement: Statement,
}

enum Statement {
    Sqlite(sqlx::query::Query<'static, Sqlite, SqliteArguments>),
    Postgres(sqlx::query::Query<'static, Postgres, PgArguments>),
}

pub enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A value that both databases take.
pub trait Bind: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> {}

impl<T> Bind for T where T: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> {}

/// A value that both databases give.
pub trait Column: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

impl<T> Column for T where T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

/// A local file does not go away, but its one writer may queue for longer than a server takes to answer.
const MIN_SQLITE_TIMEOUT: Duration = Duration::from_secs(1);

impl Address {
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let unusable = OpenError::Url {
            setting: "store.database_url",
            expected: "`sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`",
        };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return url.parse().map(|options| Self::Postgres(Box::new(options))).map_err(|_| unusable);
        }
        match url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
            Some(path) if !path.is_empty() && !path.starts_with(':') => Ok(Self::Sqlite(path.into())),
            _ => Err(unusable),
        }
    }
}

impl Database {
    /// Connects, and brings the tables up to date or checks that they are.
    pub async fn open(address: Address, options: &Options) -> Result<Self, OpenError> {
        match address {
            Address::Sqlite(path) => {
                let pool = sqlite::open(&path, options.migrate).await?;
                let guard = Guard::new("database", options.timeout.max(MIN_SQLITE_TIMEOUT));
                Ok(Self { pool: Pool::Sqlite(pool, path), guard })
            }
            Address::Postgres(server) => {
                let pool = postgres::open(&server, options.connections, options.migrate).await?;
                Ok(Self { pool: Pool::Postgres(pool), guard: Guard::new("database", options.timeout) })
            }
        }
    }

    /// The folder of the database file, where there is one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.pool {
            Pool::Sqlite(_, path) => path.parent(),
            Pool::Postgres(_) => None,
        }
    }

    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    pub fn query(&self, sql: &'static str) -> Query<'_> {
        let statement = match &self.pool {
            Pool::Sqlite(..) => Statement::Sqlite(sqlx::query(sql)),
            Pool::Postgres(_) => Statement::Postgres(sqlx::query(sql)),
        };
        Query { database: self, statement }
    }

    /// Succeeds if the database answers.
    pub async fn check(&self) -> Result<(), Error> {
        self.query("SELECT 1").execute("be reached").await.map(drop)
    }

    /// Finishes open work and closes every connection.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool, _) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

impl Query<'_> {
    pub fn bind(self, value: impl Bind) -> Self {
        let statement = match self.statement {
            Statement::Sqlite(query) => Statement::Sqlite(query.bind(value)),
            Statement::Postgres(query) => Statement::Postgres(query.bind(value)),
        };
        Self { statement, ..self }
    }

    /// Runs a statement; gives how many rows it wrote.
    pub async fn execute(self, action: &'static str) -> Result<u64, Error> {
        let Self { database, statement } = self;
        let call = async {
            match (statement, &database.pool) {
                (Statement::Sqlite(query), Pool::Sqlite(pool, _)) => {
                    query.execute(pool).await.map(|done| done.rows_affected())
                }
                (Statement::Postgres(query), Pool::Postgres(pool)) => {
                    query.execute(pool).await.map(|done| done.rows_affected())
                }
                _ => Err(foreign_statement()),
            }
        };
        database.guard.call(action, call).await
    }

    /// The first row, if there is any.
    pub async fn first<T>(
        self,
        action: &'static str,
        read: impl Fn(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Option<T>, Error> {
        Ok(self.all(action, read).await?.into_iter().next())
    }

    /// Every row: the statement says how many there can be.
    pub async fn all<T>(
        self,
        action: &'static str,
        read: impl Fn(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, Error> {
        let Self { database, statement } = self;
        let call = async {
            match (statement, &database.pool) {
                (Statement::Sqlite(query), Pool::Sqlite(pool, _)) => {
                    query.fetch_all(pool).await?.into_iter().map(|row| read(&Row::Sqlite(row))).collect()
                }
                (Statement::Postgres(query), Pool::Postgres(pool)) => {
                    query.fetch_all(pool).await?.into_iter().map(|row| read(&Row::Postgres(row))).collect()
                }
                _ => Err(foreign_statement()),
            }
        };
        database.guard.call(action, call).await
    }
}

impl Row {
    pub fn get<T: Column>(&self, column: &str) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}

/// A value that this program did not write.
pub fn corrupt(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(problem.into())
}

/// `query` makes statements for its own pool.
fn foreign_statement() -> sqlx::Error {
    sqlx::Error::Protocol("a statement for the other database".to_owned())
}
