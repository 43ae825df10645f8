//! The client stack towards the services behind the server: bytes in, bytes out, one error type.
//!
//! A `Source` is one configured service. It needs no connection to start with, and it redials by itself once a service
//! is back. Every call has a deadline, and every reply has a size limit. Who the caller is arrives here as ready headers.

mod balance;
mod breaker;
mod bulkhead;
mod config;
mod credentials;
mod dial;
mod endpoint;
mod error;
mod exchange;
mod grpc;
mod health;
mod http1;
mod http2;
mod operation;
mod passage;
mod protocol;
mod rest;
mod retry;
mod socket;
mod subject;
mod trace;
mod tries;
mod unhurried;

pub use config::{Config, HttpVersion, Identity};
pub use error::{Error, Failure, Kind, Violation};
pub use operation::OperationMeter;
pub use passage::{Body, Passage};
pub use socket::Socket;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::BoxStream;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::task::TaskTracker;

use crate::meter::{Counter, Gauge, Meter};
use balance::Remote;
use breaker::Breaker;
use bulkhead::Bulkhead;
use exchange::Outgoing;
use protocol::Protocol;
use retry::Retries;
use subject::Subjects;
use tries::report;

/// One service behind the server, reached over gRPC, HTTP or both.
pub struct Source {
    name: String,
    audience: String,
    config: Config,
    grpc: Option<Remote>,
    http: Option<Remote>,
    nats: Option<Subjects>,
    /// What every request carries: the server's own credentials.
    credentials: Headers,
    forward: Vec<HeaderName>,
    bulkhead: Bulkhead,
    /// Places for what is handed on, which may take long.
    passages: Arc<Semaphore>,
    breaker: Breaker,
    retries: Retries,
    meters: Meters,
}

pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// One call of a service.
#[derive(Debug, Clone)]
pub struct Call {
    pub target: Target,
    /// No name twice.
    pub headers: Headers,
    /// A protobuf message, or JSON text.
    pub body: Bytes,
    pub deadline: Instant,
    /// It may be made twice.
    pub repeatable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    Grpc(PathAndQuery),
    /// The path and query start with `/`.
    Http(Method, String),
    /// A subject, and the message of it that the listener had last.
    Nats {
        subject: String,
        after: Option<u64>,
    },
}

/// The replies of a stream; it ends after an error.
pub type Replies = BoxStream<'static, Result<Message, Error>>;

/// One reply of a stream.
#[derive(Debug)]
pub struct Message {
    pub body: Bytes,
    /// What a listener says who comes back, of a source that knows it then.
    pub id: Option<String>,
}

/// A successful answer.
#[derive(Debug)]
pub struct Reply {
    pub body: Bytes,
    headers: HeaderMap,
    /// Of a gRPC call: what the service knew only in the end.
    trailers: Option<HeaderMap>,
}

/// Why a source cannot be set up; says which setting to change.
#[derive(Debug, thiserror::Error)]
#[error("sources.{source_name}{setting}: {reason}")]
pub struct ConfigError {
    source_name: String,
    setting: String,
    reason: String,
}

struct Meters {
    retries: Counter,
    retries_spent: Counter,
    ejections: Counter,
    refused_by_breaker: Counter,
    refused_by_bulkhead: Counter,
    connections: Gauge,
}

const UPKEEP: Duration = Duration::from_secs(1);

impl Source {
    /// Prepares the clients of a source; opens no connection yet.
    pub fn connect(name: &str, config: &Config, meter: &Meter) -> Result<Self, ConfigError> {
        let invalid = |setting: &str, reason: String| ConfigError {
            source_name: name.to_owned(),
            setting: setting.to_owned(),
            reason,
        };
        if let Some((setting, reason)) = config.problem() {
            return Err(invalid(setting, reason));
        }
        let tasks = TaskTracker::new();
        let remote = |url: &Option<String>, protocol, setting: &str| {
            let remote = url.as_ref().map(|url| Remote::new(url, protocol, config, &tasks));
            remote.transpose().map_err(|reason| invalid(setting, reason))
        };
        let (credentials, forward) = credentials::read(config).map_err(|(setting, reason)| invalid(setting, reason))?;
        let labels = [("source", name)];
        Ok(Self {
            name: name.to_owned(),
            audience: config.audience.clone().unwrap_or_else(|| name.to_owned()),
            grpc: remote(&config.grpc, Protocol::Grpc, ".grpc")?,
            http: remote(&config.http, Protocol::Rest, ".http")?,
            nats: (config.nats.as_ref())
                .map(|url| Subjects::new(url, config.connect_timeout()).map_err(|reason| invalid(".nats", reason)))
                .transpose()?,
            credentials,
            forward,
            bulkhead: Bulkhead::from(config),
            passages: Arc::new(Semaphore::new(config.max_in_flight.min(Semaphore::MAX_PERMITS))),
            breaker: Breaker::new(config.into(), meter.gauge("bff_breaker_state", &labels)),
            retries: Retries::from(config),
            meters: Meters::new(meter, name),
            config: config.clone(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whom a token for this source is meant for.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    pub fn identity(&self) -> Identity {
        self.config.identity
    }

    /// Whether one caller may be answered other than another, although they ask for the same.
    pub fn tells_who_asks(&self) -> bool {
        self.config.tells_who_asks()
    }

    /// The client's headers that are sent on.
    pub fn forward(&self) -> &[HeaderName] {
        &self.forward
    }

    /// Whether this server is of no use while the service is away.
    pub fn is_required(&self) -> bool {
        self.config.required
    }

    /// How long one call may take unless the view says otherwise.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.timeout_ms)
    }

    /// One call: a successful answer, or why there is none.
    pub async fn call(&self, call: Call) -> Result<Reply, Error> {
        let span = trace::span(&self.name, || call.target.name());
        let deadline = call.deadline;
        let (remote, outgoing) = self.outgoing(call)?;
        if span.is_disabled() {
            return self.tries(remote, outgoing, deadline).await;
        }
        let outgoing = trace::announced(&span, outgoing);
        trace::within(span, self.tries(remote, outgoing, deadline).boxed()).await
    }

    /// Opens a gRPC call of many replies, or listens to a subject. The deadline is for the opening alone, and it is
    /// tried once.
    pub async fn open(&self, call: Call) -> Result<Replies, Error> {
        if let Target::Nats { subject, after } = &call.target {
            return self.listen(subject, *after, call.deadline).await;
        }
        let span = trace::span(&self.name, || call.target.name());
        let deadline = call.deadline;
        let (remote, outgoing) = self.outgoing(call)?;
        let outgoing = trace::announced(&span, outgoing);
        let opening = async {
            let now = Instant::now();
            let turn = self.turn(now)?;
            let opening = async { remote.pick(&[], now).await?.open(&outgoing).await };
            let opened = timeout_at(deadline, opening).await.unwrap_or_else(|_| Err(Error::deadline()));
            let replies = opened.and_then(|(head, place)| grpc::replies(head, place, self.config.max_reply_bytes));
            report(turn, &replies, Instant::now());
            replies
        };
        trace::within(span, opening.boxed()).await
    }

    async fn listen(&self, subject: &str, after: Option<u64>, deadline: Instant) -> Result<Replies, Error> {
        let nats = self.nats.as_ref().ok_or_else(|| no_address("nats"))?;
        let turn = self.turn(Instant::now())?;
        let listening = nats.listen(subject, after, self.config.max_reply_bytes);
        let replies = timeout_at(deadline, listening).await.unwrap_or_else(|_| Err(Error::deadline()));
        report(turn, &replies, Instant::now());
        replies
    }

    /// The request as it will be written, and whom it is for.
    fn outgoing(&self, call: Call) -> Result<(&Remote, Outgoing), Error> {
        let Call { target, mut headers, body, repeatable, .. } = call;
        headers.extend_from_slice(&self.credentials);
        let (remote, method, path, body) = match target {
            Target::Grpc(path) => {
                let remote = self.grpc.as_ref().ok_or_else(|| no_address("grpc"))?;
                headers.extend(grpc::HEADERS);
                (remote, Method::POST, path, grpc::framed(&body)?)
            }
            Target::Http(method, path) => {
                let remote = self.http.as_ref().ok_or_else(|| no_address("http"))?;
                rest::describe(&mut headers, !body.is_empty());
                (remote, method, remote.path(path)?, body)
            }
            Target::Nats { .. } => return Err(Error::request("a subject is listened to, and not asked")),
        };
        let timeout = remote.protocol.timeout();
        Ok((remote, Outgoing { method, path, headers, body, timeout, repeatable }))
    }

    /// Connects ahead of the first call, follows names, closes what nobody needs. Never ends.
    pub async fn keep_up(&self) {
        let remotes = || self.grpc.iter().chain(&self.http);
        if self.config.warm_up {
            for remote in remotes() {
                remote.warm_up().await;
            }
            if let Some(nats) = &self.nats {
                nats.warm_up().await;
            }
        }
        let mut turns = interval(UPKEEP);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            for remote in remotes() {
                remote.keep_up().await;
            }
            let connections = remotes().map(Remote::connections).sum::<usize>();
            self.meters.connections.set(connections as f64);
        }
    }

    /// Whether something accepts connections where the source is.
    pub async fn check(&self) -> Result<(), String> {
        for remote in self.grpc.iter().chain(&self.http) {
            remote.check().await?;
        }
        match &self.nats {
            Some(nats) => nats.check().await,
            None => Ok(()),
        }
    }
}

impl Target {
    /// HTTP paths hold ids, which no trace may.
    fn name(&self) -> &str {
        match self {
            Self::Grpc(path) => path.as_str(),
            Self::Http(method, _) => method.as_str(),
            Self::Nats { .. } => "listen",
        }
    }
}

impl Reply {
    /// The values of a header or trailer of this name.
    pub fn header(&self, name: &str) -> impl Iterator<Item = &HeaderValue> {
        let trailers = self.trailers.iter().flat_map(move |trailers| trailers.get_all(name));
        self.headers.get_all(name).into_iter().chain(trailers)
    }
}

impl Meters {
    fn new(meter: &Meter, source: &str) -> Self {
        let labels = [("source", source)];
        let refused = |by| meter.counter("bff_upstream_refused_total", &[("source", source), ("by", by)]);
        Self {
            retries: meter.counter("bff_retries_total", &labels),
            retries_spent: meter.counter("bff_retries_spent_total", &labels),
            ejections: meter.counter("bff_upstream_ejections_total", &labels),
            refused_by_breaker: refused("breaker"),
            refused_by_bulkhead: refused("bulkhead"),
            connections: meter.gauge("bff_upstream_connections", &labels),
        }
    }
}

fn no_address(protocol: &str) -> Error {
    Error::request(&format!("the source has no `{protocol}` address"))
}

fn host(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

fn port(url: &Uri) -> u16 {
    let default = if url.scheme_str() == Some("https") { 443 } else { 80 };
    url.port_u16().unwrap_or(default)
}
