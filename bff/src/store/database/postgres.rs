//! PostgreSQL, the database that many replicas share.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use tokio::time::timeout;

use super::OpenError;
use super::migrations::{self, POSTGRES};

/// How long the first connection may take; the server does not start without it.
const PATIENCE: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Kept open, so that connecting is not part of a request's time.
const MIN_CONNECTIONS: u32 = 2;

pub async fn open(server: &PgConnectOptions, connections: u32, migrate: bool) -> Result<PgPool, OpenError> {
    let server = server.clone().application_name("bff");
    // The pool would try again until its time is up, and then not say why.
    let first = timeout(PATIENCE, PgConnection::connect_with(&server)).await;
    let first = first.map_err(|_| OpenError::Silent { server: name(&server), patience: PATIENCE })?;
    let mut first = first.map_err(|source| OpenError::Connect { server: name(&server), source })?;
    if migrate {
        // An advisory lock keeps out a second replica that starts at the same moment.
        migrations::migrator(&POSTGRES).run_direct(None, &mut first, false).await?;
    }
    // The server notices by itself if this last word does not arrive.
    let _ = first.close().await;
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(MIN_CONNECTIONS.min(connections))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(server);
    if !migrate && !migrations::are_applied(&pool, &POSTGRES).await? {
        return Err(OpenError::Behind);
    }
    Ok(pool)
}

/// What may be said about a server in a log: never its password.
fn name(server: &PgConnectOptions) -> String {
    let (host, port) = (server.get_host(), server.get_port());
    let database = server.get_database().unwrap_or_else(|| server.get_username());
    format!("{host}:{port} as `{}`, database `{database}`", server.get_username())
}
