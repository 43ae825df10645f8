//! One face for two drivers: connections, transactions, queries and rows that are SQLite's or PostgreSQL's.
//!
//! Both drivers take `$1`. Values cross by the types that both know: text, integers, bytes, UUIDs, and amounts.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgRow, Postgres};
use sqlx::sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Decode, Encode, Row as _, SqlSafeStr, Type};
use tokio::time::timeout;

use super::Error;

const SQLITE_CONNECTIONS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 10;
/// How long a query waits for a free connection, or for SQLite's one writer.
const WAIT: Duration = Duration::from_secs(5);

const SQLITE_0001: &str = include_str!("../../../migrations/orders/sqlite/0001_orders_and_addresses.sql");
const POSTGRES_0001: &str = include_str!("../../../migrations/orders/postgres/0001_orders_and_addresses.sql");

#[derive(Clone)]
pub enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

pub enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// Rolled back unless committed, also when the call that holds it is dropped at its deadline.
pub enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

pub enum Query<'c> {
    Sqlite(&'c mut SqliteConnection, sqlx::query::Query<'static, Sqlite, SqliteArguments>),
    Postgres(&'c mut PgConnection, sqlx::query::Query<'static, Postgres, PgArguments>),
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

impl Database {
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        match url.split_once(':') {
            Some(("sqlite", _)) => connect_sqlite(url).await.map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => connect_postgres(url).await.map(Self::Postgres),
            _ => bail!("ORDERS__DATABASE_URL must begin with sqlite: or postgres:"),
        }
    }

    pub async fn migrate(&self) -> anyhow::Result<()> {
        let migrator = |sql: &'static str| {
            let name = "orders and addresses".into();
            Migrator::with_migrations(vec![Migration::new(1, name, MigrationType::Simple, sql.into_sql_str(), false)])
        };
        let migrated = match self {
            Self::Sqlite(pool) => migrator(SQLITE_0001).run(pool).await,
            Self::Postgres(pool) => migrator(POSTGRES_0001).run(pool).await,
        };
        migrated.context("cannot bring the orders database up to date")
    }

    pub async fn acquire(&self) -> Result<Connection, Error> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(pool.acquire().await?),
            Self::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
        })
    }

    pub async fn begin(&self) -> Result<Transaction, Error> {
        Ok(match self {
            // Taking SQLite's write lock at once waits for other writers; taking it later fails where they were faster.
            Self::Sqlite(pool) => Transaction::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
        })
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Connection {
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        match self {
            Self::Sqlite(connection) => Query::Sqlite(connection, sqlx::query(sql)),
            Self::Postgres(connection) => Query::Postgres(connection, sqlx::query(sql)),
        }
    }
}

impl Transaction {
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        match self {
            Self::Sqlite(transaction) => Query::Sqlite(transaction, sqlx::query(sql)),
            Self::Postgres(transaction) => Query::Postgres(transaction, sqlx::query(sql)),
        }
    }

    pub async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

impl Query<'_> {
    pub fn bind(self, value: impl Bind) -> Self {
        match self {
            Self::Sqlite(connection, query) => Self::Sqlite(connection, query.bind(value)),
            Self::Postgres(connection, query) => Self::Postgres(connection, query.bind(value)),
        }
    }

    pub async fn rows(self) -> Result<Vec<Row>, Error> {
        Ok(match self {
            Self::Sqlite(connection, query) => {
                query.fetch_all(connection).await?.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(connection, query) => {
                query.fetch_all(connection).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs a statement; gives how many rows it wrote.
    pub async fn execute(self) -> Result<u64, Error> {
        Ok(match self {
            Self::Sqlite(connection, query) => query.execute(connection).await?.rows_affected(),
            Self::Postgres(connection, query) => query.execute(connection).await?.rows_affected(),
        })
    }
}

impl Row {
    pub fn get<T: Column>(&self, column: &str) -> Result<T, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }
}

async fn connect_sqlite(url: &str) -> anyhow::Result<SqlitePool> {
    let options = SqliteConnectOptions::from_str(url)
        .context("ORDERS__DATABASE_URL is not of the form sqlite:PATH")?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(WAIT);
    let file = options.get_filename().to_owned();
    if let Some(folder) = file.parent().filter(|folder| *folder != Path::new("")) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    }
    let pool = PoolOptions::new().max_connections(SQLITE_CONNECTIONS).acquire_timeout(WAIT);
    pool.connect_with(options).await.with_context(|| format!("cannot open the SQLite file {}", file.display()))
}

async fn connect_postgres(url: &str) -> anyhow::Result<PgPool> {
    let options = PgConnectOptions::from_str(url).context("ORDERS__DATABASE_URL is not a PostgreSQL URL")?;
    // The pool would try again until its time is up, and then not say why.
    let first = PgConnection::connect_with(&options);
    let first = timeout(WAIT, first).await.context("PostgreSQL (ORDERS__DATABASE_URL) does not answer")?;
    first.context("cannot connect to PostgreSQL (ORDERS__DATABASE_URL)")?.close().await?;
    let pool = PoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(WAIT);
    Ok(pool.connect_lazy_with(options))
}
