//! The connection to Redis: made when it is needed, shared by all calls, made again when it is lost or leads to a
//! server that will not serve.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisFuture,
    RedisResult, ScriptInvocation, ServerErrorKind, TlsMode, Value,
};

use super::address::{Address, Sentinels};

pub struct Link {
    server: Server,
    current: Mutex<Option<Connection>>,
}

enum Server {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
    /// One question at a time to the sentinels is enough.
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>),
}

/// Clones share the socket, or the sockets of a cluster.
#[derive(Clone)]
enum Connection {
    /// Reconnects by itself.
    Single(ConnectionManager),
    /// Reconnects by itself and follows the slots.
    Cluster(ClusterConnection),
    /// Stays with the server that was the master when it was made.
    Master(MultiplexedConnection),
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A peer that vanished without a word is given up after this long.
#[cfg(target_os = "linux")]
const SILENCE: Duration = Duration::from_secs(5);
/// How many commands may wait for the socket.
const PIPELINE: usize = 1024;

impl Link {
    pub fn new(address: Address) -> RedisResult<Self> {
        let server = match address {
            Address::Single(info) => Server::Single(Box::new(Client::open(info.set_tcp_settings(tcp_settings()))?)),
            Address::Cluster(nodes) => {
                let client = ClusterClient::builder(nodes).connection_timeout(CONNECT_TIMEOUT);
                Server::Cluster(Box::new(client.tcp_settings(tcp_settings()).build()?))
            }
            Address::Sentinel(sentinels) => Server::Sentinel(Box::new(sentinel_client(&sentinels)?.into())),
        };
        Ok(Self { server, current: Mutex::default() })
    }

    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let mut connection = self.connection().await?;
        let answer = command.query_async(&mut connection).await;
        self.forget_if_useless(answer)
    }

    pub async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> RedisResult<T> {
        let mut connection = self.connection().await?;
        let answer = script.invoke_async(&mut connection).await;
        self.forget_if_useless(answer)
    }

    async fn connection(&self) -> RedisResult<Connection> {
        let current = self.current().clone();
        if let Some(connection) = current {
            return Ok(connection);
        }
        let made = match &self.server {
            Server::Single(client) => Connection::Single(client.get_connection_manager_lazy(reconnecting())?),
            Server::Cluster(client) => {
                Connection::Cluster(client.get_pending_async_connection_with_config(ClusterConfig::new()))
            }
            Server::Sentinel(client) => {
                let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT));
                let mut client = client.lock().await;
                // Boxed without its type, which is so deep that the compiler gives up on whatever waits for a call.
                Connection::Master(client.get_async_connection_with_config(&config).boxed().await?)
            }
        };
        Ok(self.current().get_or_insert(made).clone())
    }

    fn forget_if_useless<T>(&self, answer: RedisResult<T>) -> RedisResult<T> {
        if answer.as_ref().is_err_and(|error| self.is_useless_after(error)) {
            *self.current() = None;
        }
        answer
    }

    /// Whether the connection would fail like this again and again.
    fn is_useless_after(&self, error: &RedisError) -> bool {
        let turned_away = matches!(
            error.kind(),
            ErrorKind::AuthenticationFailed
                | ErrorKind::Server(
                    ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::ReadOnly
                )
        );
        turned_away || (matches!(self.server, Server::Sentinel(_)) && error.is_io_error())
    }

    fn current(&self) -> MutexGuard<'_, Option<Connection>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says nothing about addresses and passwords.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
            Self::Master(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Master(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
            Self::Master(connection) => connection.get_db(),
        }
    }
}

/// Without a response timeout: whoever calls sets the time.
fn reconnecting() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE)
}

fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(SILENCE);
    settings
}

fn sentinel_client(sentinels: &Sentinels) -> RedisResult<SentinelClient> {
    let addresses = sentinels.sentinels.iter().map(|info| info.addr().clone());
    let builder = SentinelClientBuilder::new(addresses, &sentinels.master, SentinelServerType::Master)?;
    let builder = builder.set_client_to_redis_tcp_settings(tcp_settings());
    let builder = match sentinels.server.addr() {
        ConnectionAddr::TcpTls { .. } => builder.set_client_to_redis_tls_mode(TlsMode::Secure),
        _ => builder,
    };
    let settings = sentinels.server.redis_settings();
    let builder = builder.set_client_to_redis_db(settings.db());
    let builder = match settings.username() {
        Some(username) => builder.set_client_to_redis_username(username),
        None => builder,
    };
    let builder = match settings.password() {
        Some(password) => builder.set_client_to_redis_password(password),
        None => builder,
    };
    builder.build()
}
