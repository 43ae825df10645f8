//! One SQLite file in write-ahead mode: nothing to install, and a restart loses nothing.

mod accounts;
mod keys;
mod sessions;

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row, SqlSafeStr};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Error, OpenError};

#[derive(Debug, Clone)]
pub struct Embedded {
    pool: SqlitePool,
    path: PathBuf,
}

impl Embedded {
    pub(super) async fn open(path: &Path) -> Result<Self, OpenError> {
        let path = path.to_owned();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
        }
        make_private(&path).map_err(|source| OpenError::File { path: path.clone(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(|source| OpenError::Open { path: path.clone(), source })?;
        migrator().run(&pool).await.map_err(|source| OpenError::Migrate { path: path.clone(), source })?;
        Ok(Self { pool, path })
    }

    pub(super) fn folder(&self) -> Option<&Path> {
        self.path.parent()
    }

    pub(super) async fn check(&self) -> Result<(), Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map_err(failed_to("answer"))?;
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// SQLite has one writer; more connections would only wait for it.
const MAX_CONNECTIONS: u32 = 4;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// SQLite would let everyone on the machine read what it creates.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// In order; a file that was ever released is never edited, only followed by another.
fn migrator() -> Migrator {
    let files = [(1, "identity", include_str!("../../../migrations/bff/sqlite/0001_identity.sql"))];
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(files.map(migration).to_vec())
}

fn failed_to(action: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error { action, source }
}

fn micros(time: OffsetDateTime) -> i64 {
    let micros = time.unix_timestamp_nanos() / 1000;
    i64::try_from(micros).expect("every OffsetDateTime fits: its years end at 9999")
}

fn time_from(micros: i64) -> Result<OffsetDateTime, sqlx::Error> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).map_err(corrupt)
}

fn time_in(row: &SqliteRow, column: &str) -> Result<OffsetDateTime, sqlx::Error> {
    time_from(row.try_get(column)?)
}

fn optional_time_in(row: &SqliteRow, column: &str) -> Result<Option<OffsetDateTime>, sqlx::Error> {
    row.try_get::<Option<i64>, _>(column)?.map(time_from).transpose()
}

fn uuid_in(row: &SqliteRow, column: &str) -> Result<Uuid, sqlx::Error> {
    Uuid::try_parse(row.try_get(column)?).map_err(corrupt)
}

fn hash_from(bytes: Vec<u8>) -> Result<[u8; 32], sqlx::Error> {
    bytes.try_into().map_err(|_| corrupt("a hash that is not 32 bytes long"))
}

/// A value that this program did not write.
fn corrupt(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(problem.into())
}
