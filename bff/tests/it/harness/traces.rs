//! What a server has left behind, in its log and in every store, to be searched for what must not be there.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bff::store::Config;
use secrecy::ExposeSecret;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::ANY_PORT;

/// Each with where it was found.
#[derive(Default)]
pub struct Traces(Vec<(String, Vec<u8>)>);

/// Stands between the server and one of its stores and hears all: what is done is gone from a queue.
pub struct Wiretap {
    pub address: SocketAddr,
    heard: Heard,
    stop: DropGuard,
}

/// What went over all connections, both ways.
type Heard = Arc<Mutex<Vec<u8>>>;

impl Traces {
    pub fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    /// Everything in the database and in Redis, as it is kept.
    pub async fn add_stores(&mut self, config: &Config) {
        let url = config.database_url.expose_secret();
        match url.strip_prefix("sqlite:") {
            Some(path) => self.add_files(Path::new(path)),
            None => self.add_tables(url).await,
        }
        if let Some(url) = &config.redis_url {
            self.add_keys(url.expose_secret(), &config.namespace).await;
        }
    }

    /// Whether there is anything from a place that begins so.
    pub fn are_from(&self, place: &str) -> bool {
        self.0.iter().any(|(found, bytes)| found.starts_with(place) && !bytes.is_empty())
    }

    /// Fails with every place that holds one of these, as it is or in the usual spellings of bytes.
    pub fn hold_none_of(&self, secrets: &[(&str, &str)]) {
        let mut found = Vec::new();
        for (name, secret) in secrets {
            assert!(secret.len() >= 6, "{name}: is too short to be looked for");
            let spellings = spellings(secret);
            for (place, bytes) in &self.0 {
                if spellings.iter().any(|spelling| holds(bytes, spelling)) {
                    found.push(format!("{name} in {place}"));
                }
            }
        }
        assert!(found.is_empty(), "{found:#?}");
    }

    /// The files as a whole: also what was deleted and not yet overwritten.
    fn add_files(&mut self, database: &Path) {
        for ending in ["", "-wal"] {
            let path = format!("{}{ending}", database.display());
            if let Ok(bytes) = std::fs::read(&path) {
                self.add(format!("sqlite{ending}"), bytes);
            }
        }
    }

    async fn add_tables(&mut self, url: &str) {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'")
                .fetch_all(&mut connection)
                .await
                .unwrap();
        for table in tables {
            // Bytes come as hexadecimal.
            let rows = format!("SELECT row_to_json(t)::text FROM \"{table}\" AS t");
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap();
            self.add(format!("postgres, table {table}"), rows.join("\n"));
        }
        connection.close().await.unwrap();
    }

    async fn add_keys(&mut self, url: &str, namespace: &str) {
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<Vec<u8>> =
            redis::cmd("KEYS").arg(format!("*{namespace}*")).query_async(&mut connection).await.unwrap();
        for key in keys {
            let text = redis::cmd("GET").arg(&key).query_async::<Vec<u8>>(&mut connection).await;
            let fields = redis::cmd("HGETALL").arg(&key).query_async::<Vec<Vec<u8>>>(&mut connection).await;
            let value = text.unwrap_or_else(|_| fields.unwrap_or_default().concat());
            let place = format!("redis, {}", String::from_utf8_lossy(&key));
            self.add(place, [key, value].concat());
        }
    }
}

impl Wiretap {
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let (address, heard, running) = (listener.local_addr().unwrap(), Heard::default(), TaskTracker::new());
        let (all, connections, stop) = (heard.clone(), running.clone(), CancellationToken::new());
        running.spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(&target).await.unwrap();
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                connections.spawn(forward(from_near, to_far, all.clone()));
                connections.spawn(forward(from_far, to_near, all.clone()));
            }
        }));
        Self { address, heard, stop: stop.drop_guard() }
    }

    pub fn heard(self) -> Vec<u8> {
        drop(self.stop);
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, heard: Heard) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        heard.lock().unwrap().extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut spellings = vec![secret.as_bytes().to_vec(), hexadecimal.into_bytes()];
    // The base64 of something short is found in much that is random.
    if secret.len() >= 12 {
        spellings.extend([STANDARD_NO_PAD.encode(secret).into_bytes(), URL_SAFE_NO_PAD.encode(secret).into_bytes()]);
    }
    spellings
}

/// Digits within a longer number are no code.
fn holds(bytes: &[u8], spelling: &[u8]) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let is_number = spelling.iter().all(u8::is_ascii_digit);
    bytes.windows(spelling.len()).enumerate().any(|(start, window)| {
        let before = start.checked_sub(1).and_then(|start| bytes.get(start));
        window == spelling && !(is_number && (is_part(before) || is_part(bytes.get(start + spelling.len()))))
    })
}
