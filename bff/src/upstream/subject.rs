//! Messages of a JetStream subject: those that come from now on, or all since the one that a listener had last.

use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::context::GetStreamByNameErrorKind;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, ServerAddr};
use futures_util::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use super::error::Error;
use super::{Message, Replies};
use crate::causes::chain;

/// The connection to NATS, made when it is first needed; afterwards it comes back by itself.
pub struct Subjects {
    addresses: Vec<ServerAddr>,
    client: OnceCell<Client>,
    connect_timeout: Duration,
}

/// Messages that wait here for one listener at the most; those behind them wait in the stream.
const WAITING: i64 = 16;
const PING_INTERVAL: Duration = Duration::from_secs(5);

impl Subjects {
    /// One server of NATS, or several of a cluster, separated by commas.
    pub fn new(url: &SecretString, connect_timeout: Duration) -> Result<Self, String> {
        let known = |url: &&str| url.starts_with("nats://") || url.starts_with("tls://");
        let parsed = |url: &str| Some(url.trim()).filter(known).and_then(|url| url.parse().ok());
        let addresses: Option<Vec<ServerAddr>> = url.expose_secret().split(',').map(parsed).collect();
        let addresses = addresses.ok_or("is not like nats://USER:PASSWORD@HOST:PORT, or tls://...")?;
        Ok(Self { addresses, client: OnceCell::new(), connect_timeout })
    }

    async fn client(&self) -> Result<&Client, Error> {
        let connect = async || {
            let options = ConnectOptions::new().name("bff").connection_timeout(self.connect_timeout);
            options.ping_interval(PING_INTERVAL).connect(&self.addresses[..]).await
        };
        self.client.get_or_try_init(connect).await.map_err(|error| Error::unreached(&chain(&error)))
    }

    /// Connects ahead of the first listener.
    pub async fn warm_up(&self) {
        if let Err(error) = self.client().await {
            tracing::debug!(%error, "cannot connect to NATS yet");
        }
    }

    pub async fn check(&self) -> Result<(), String> {
        let client = self.client().await.map_err(|error| error.message.clone())?;
        client.flush().await.map_err(|error| chain(&error))
    }

    /// Listens; what was sent behind `after` comes first, as far as the stream still has it.
    pub async fn listen(&self, subject: &str, after: Option<u64>, limit: usize) -> Result<Replies, Error> {
        let context: Context = jetstream::new(self.client().await?.clone());
        let name = context.stream_by_subject(subject).await.map_err(|error| match error.kind() {
            GetStreamByNameErrorKind::NotFound => Error::request(&format!("no stream of JetStream has `{subject}`")),
            _ => Error::unreached(&chain(&error)),
        })?;
        let stream = context.get_stream(name).await.map_err(|error| Error::unreached(&chain(&error)))?;
        // A stream that was made anew counts from the beginning, and would not come so far for long.
        let last = stream.cached_info().state.last_sequence;
        let deliver_policy = match after.filter(|after| *after <= last) {
            Some(after) => DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
            None => DeliverPolicy::New,
        };
        let filter_subject = subject.to_owned();
        let config = pull::OrderedConfig {
            deliver_policy,
            filter_subject,
            max_batch: WAITING,
            ..pull::OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| Error::unreached(&chain(&error)))?;
        let messages = consumer.messages().await.map_err(|error| Error::unreached(&chain(&error)))?;
        let messages = messages.map(move |message| {
            let message = message.map_err(|error| Error::interrupted(&chain(&error)))?;
            if message.payload.len() > limit {
                return Err(Error::malformed(&format!("a message is over {limit} bytes")));
            }
            let sequence = message.info().map_err(|error| Error::malformed(&error.to_string()))?.stream_sequence;
            Ok(Message { body: message.payload.clone(), id: Some(sequence.to_string()) })
        });
        Ok(messages.boxed())
    }
}
