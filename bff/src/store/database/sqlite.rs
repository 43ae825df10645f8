//! One SQLite file in write-ahead mode: nothing to install, and a restart loses nothing.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::OpenError;
use super::migrations::{self, SQLITE};

/// SQLite has one writer; more connections would only wait for it.
const MAX_CONNECTIONS: u32 = 4;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

pub async fn open(path: &Path, migrate: bool) -> Result<SqlitePool, OpenError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
    }
    make_private(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|source| OpenError::Open { path: path.to_owned(), source })?;
    if migrate {
        bring_up_to_date(&pool).await?;
    } else if !migrations::are_applied(&pool, &SQLITE).await? {
        return Err(OpenError::Behind);
    }
    Ok(pool)
}

/// SQLite would let everyone on the machine read what it creates. A file that is there is not
/// touched: closing it here would drop the locks that others of this process hold on it.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The write lock, taken first, keeps a second process out that starts at the same moment.
async fn bring_up_to_date(pool: &SqlitePool) -> Result<(), MigrateError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    migrations::migrator(&SQLITE).run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}
