//! The connection to NATS: made in the background, at start and after every loss, so that NATS may be away.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use bytes::Bytes;
use tokio::sync::watch;

use super::error::{self, Error, OpenError};
use super::guard::Guard;

#[derive(Debug, Clone)]
pub struct Nats {
    pub client: Client,
    /// Begins the name of every subject and stream.
    pub namespace: String,
    /// Counts the times when announcements may have been missed.
    pub gaps: watch::Receiver<u64>,
    pub guard: Guard,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// How soon a peer that vanished without a word is noticed: after two of them.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How many messages may wait to be sent, and how many in each subscription to be read.
const CAPACITY: usize = 1024;

/// One or more servers of a cluster, separated by commas.
pub fn addresses(url: &str) -> Result<Vec<ServerAddr>, OpenError> {
    let unusable = OpenError::Url {
        setting: "store.nats_url",
        expected: "`nats://USER:PASSWORD@HOST:PORT`, `tls://...` for TLS, or several separated by commas",
    };
    let known = |url: &&str| url.starts_with("nats://") || url.starts_with("tls://");
    let addresses: Option<Vec<ServerAddr>> =
        url.split(',').map(|url| Some(url).filter(known).and_then(|url| url.parse().ok())).collect();
    addresses.ok_or(unusable)
}

impl Nats {
    pub async fn connect(addresses: Vec<ServerAddr>, namespace: &str, timeout: Duration) -> Result<Self, OpenError> {
        let (missed, gaps) = watch::channel(0);
        let options = ConnectOptions::new()
            .name("bff")
            .retry_on_initial_connect()
            .connection_timeout(CONNECT_TIMEOUT)
            .request_timeout(None)
            .ping_interval(PING_INTERVAL)
            .client_capacity(CAPACITY)
            .subscription_capacity(CAPACITY)
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(50)
                    .saturating_mul(attempts.try_into().unwrap_or(u32::MAX))
                    .min(MAX_RECONNECT_DELAY)
            })
            .event_callback(move |event| {
                match event {
                    Event::Connected | Event::SlowConsumer(_) => missed.send_modify(|gaps| *gaps += 1),
                    _ => {}
                }
                async move { tracing::debug!(%event, "nats") }
            });
        let client = options.connect(addresses).await.map_err(|error| OpenError::Nats(error.into()))?;
        Ok(Self { client, namespace: namespace.to_owned(), gaps, guard: Guard::new("nats", timeout) })
    }

    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Succeeds if NATS answers: that nobody listens to a question is its own answer.
    pub async fn check(&self) -> Result<(), Error> {
        let answer = async {
            if !self.is_connected() {
                return Err(error::nats("there is no connection"));
            }
            match self.client.request(format!("{}.nobody", self.namespace), Bytes::new()).await {
                Err(refused) if refused.kind() != RequestErrorKind::NoResponders => Err(error::nats(refused)),
                _ => Ok(()),
            }
        };
        self.guard.call("be reached", answer).await
    }

    /// Sends what is under way and closes the connection.
    pub async fn close(&self) {
        // It may be away; then there is nobody to say goodbye to.
        let _ = self.guard.call("close", async { self.client.drain().await.map_err(error::nats) }).await;
    }
}
