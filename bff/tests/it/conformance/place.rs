//! A database, a key prefix and streams of a test's own, and how they are removed.

use std::panic::{AssertUnwindSafe, resume_unwind};

use bff::clock::Clock;
use bff::store::{Config, Stores};
use futures_util::{FutureExt, StreamExt};
use secrecy::ExposeSecret;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
    Redis,
    Nats,
}

/// Where a test keeps what it keeps.
pub struct Place {
    pub config: Config,
    folder: TempDir,
}

impl Backend {
    /// The server's URL; the embedded backend needs none.
    pub fn url(self) -> Option<String> {
        let variable = match self {
            Self::Sqlite => return Some(String::new()),
            Self::Postgres => "BFF_TEST_POSTGRES_URL",
            Self::Redis => "BFF_TEST_REDIS_URL",
            Self::Nats => "BFF_TEST_NATS_URL",
        };
        #[expect(clippy::disallowed_methods, reason = "the test run's own setting")]
        std::env::var(variable).ok()
    }
}

impl Place {
    /// Runs a test over each of these that there is.
    pub async fn each(backends: &[Backend], test: impl AsyncFn(&Place)) {
        for backend in backends {
            Self::with(&[*backend], &test).await;
        }
    }

    /// Runs a test over all of these together, and leaves nothing behind; does nothing where one is not there.
    pub async fn with(backends: &[Backend], test: &impl AsyncFn(&Place)) {
        if backends.iter().any(|backend| backend.url().is_none()) {
            return;
        }
        let place = Self::make(backends).await;
        let outcome = AssertUnwindSafe(test(&place)).catch_unwind().await;
        place.remove(backends).await;
        outcome.unwrap_or_else(|panic| {
            eprintln!("over {backends:?}");
            resume_unwind(panic)
        });
    }

    pub async fn open(&self) -> Stores {
        Stores::open(&self.config, Clock::system()).await.unwrap()
    }

    /// With a clock that stands still, for records of that time.
    pub async fn open_at(&self, now: OffsetDateTime) -> Stores {
        Stores::open(&self.config, Clock::manual(now)).await.unwrap()
    }

    /// What the database says, past the server.
    pub async fn ask(&self, sql: &'static str) -> i64 {
        let url = self.config.database_url.expose_secret();
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            return sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        }
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }

    /// Changes what the database holds, past the server.
    pub async fn run(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        let url = self.config.database_url.expose_secret();
        if url.starts_with("sqlite:") {
            return sqlx::raw_sql(sql).execute(&mut SqliteConnection::connect(url).await?).await.map(drop);
        }
        sqlx::raw_sql(sql).execute(&mut PgConnection::connect(url).await?).await.map(drop)
    }

    async fn make(backends: &[Backend]) -> Self {
        bff::app::install_crypto();
        let folder = tempfile::tempdir().unwrap();
        let namespace = format!("t{}", &Uuid::new_v4().simple().to_string()[..16]);
        let mut config = Config {
            database_url: format!("sqlite:{}", folder.path().join("a/new/folder/bff.db").display()).into(),
            namespace,
            // A busy machine is not a store that is away.
            timeout_ms: 30_000,
            ..Config::default()
        };
        for backend in backends {
            let url = backend.url().unwrap();
            match backend {
                Backend::Sqlite => {}
                Backend::Postgres => {
                    execute(&url, format!("CREATE DATABASE {}", config.namespace)).await;
                    let (server, _) = url.rsplit_once('/').unwrap();
                    config.database_url = format!("{server}/{}", config.namespace).into();
                    config.database_connections = 4;
                }
                Backend::Redis => config.redis_url = Some(url.into()),
                Backend::Nats => config.nats_url = Some(url.into()),
            }
        }
        Self { config, folder }
    }

    async fn remove(self, backends: &[Backend]) {
        let namespace = &self.config.namespace;
        for backend in backends {
            let url = backend.url().unwrap();
            match backend {
                Backend::Sqlite => {}
                Backend::Postgres => execute(&url, format!("DROP DATABASE {namespace} WITH (FORCE)")).await,
                Backend::Redis => remove_keys(&url, namespace).await,
                Backend::Nats => remove_streams(&url, namespace).await,
            }
        }
        self.folder.close().unwrap();
    }
}

async fn execute(server: &str, sql: String) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Only where one server has them all; elsewhere they expire.
async fn remove_keys(url: &str, namespace: &str) {
    let Ok(client) = redis::Client::open(url) else { return };
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{namespace}:*")).query_async(&mut connection).await.unwrap();
    for key in keys {
        redis::cmd("DEL").arg(key).query_async::<()>(&mut connection).await.unwrap();
    }
}

async fn remove_streams(url: &str, namespace: &str) {
    let context = async_nats::jetstream::new(async_nats::connect(url).await.unwrap());
    let names: Vec<String> = context.stream_names().filter_map(async |name| name.ok()).collect().await;
    for name in names.iter().filter(|name| name.starts_with(&format!("{namespace}_"))) {
        context.delete_stream(name).await.unwrap();
    }
}
