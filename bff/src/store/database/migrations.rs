//! The tables' history, embedded. A file that was ever released is never edited, only followed by another, and each
//! leaves the tables usable for the release before it: add first, remove one release later.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{ColumnIndex, Database, Decode, Executor, IntoArguments, Pool, SqlSafeStr, Type};

type File = (i64, &'static str, &'static str);

pub const SQLITE: [File; 7] = [
    (1, "identity", include_str!("../../../../migrations/bff/sqlite/0001_identity.sql")),
    (2, "ports", include_str!("../../../../migrations/bff/sqlite/0002_ports.sql")),
    (3, "session ends", include_str!("../../../../migrations/bff/sqlite/0003_session_ends.sql")),
    (4, "trail", include_str!("../../../../migrations/bff/sqlite/0004_trail.sql")),
    (5, "next key", include_str!("../../../../migrations/bff/sqlite/0005_next_key.sql")),
    (6, "renewed sessions", include_str!("../../../../migrations/bff/sqlite/0006_renewed_sessions.sql")),
    (7, "live sessions", include_str!("../../../../migrations/bff/sqlite/0007_live_sessions.sql")),
];

pub const POSTGRES: [File; 7] = [
    (1, "identity", include_str!("../../../../migrations/bff/postgres/0001_identity.sql")),
    (2, "ports", include_str!("../../../../migrations/bff/postgres/0002_ports.sql")),
    (3, "session ends", include_str!("../../../../migrations/bff/postgres/0003_session_ends.sql")),
    (4, "trail", include_str!("../../../../migrations/bff/postgres/0004_trail.sql")),
    (5, "next key", include_str!("../../../../migrations/bff/postgres/0005_next_key.sql")),
    (6, "renewed sessions", include_str!("../../../../migrations/bff/postgres/0006_renewed_sessions.sql")),
    (7, "live sessions", include_str!("../../../../migrations/bff/postgres/0007_live_sessions.sql")),
];

pub fn migrator(files: &[File]) -> Migrator {
    let migration = |&(version, name, sql): &File| {
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(files.iter().map(migration).collect());
    // While releases change hands, the older one starts over tables of the newer.
    migrator.set_ignore_missing(true);
    migrator
}

/// Whether the newest file was applied; not so where no file ever was.
pub async fn are_applied<DB: Database>(pool: &Pool<DB>, files: &[File]) -> Result<bool, MigrateError>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'c> &'c Pool<DB>: Executor<'c, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
    for<'r> i64: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let newest = files.iter().map(|(version, ..)| *version).max();
    let applied = sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version");
    match applied.fetch_all(pool).await {
        Ok(versions) => Ok(versions.last().copied() >= newest),
        Err(sqlx::Error::Database(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
