//! One address of a service: its connections, how busy it is, and whether it is well.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Request;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::dial::{Dialer, Stream};
use super::error::{Error, Kind};
use super::exchange::{Incoming, Outgoing, Receiver};
use super::health::Health;
use super::http1::{self, AtWork, Idle, Lost};
use super::http2::{self, Lane, Lanes, Place, Shape};
use super::passage::Answer;
use super::unhurried::Unhurried;
use super::{Config, HttpVersion};

pub struct Endpoint {
    pub address: SocketAddr,
    pub health: Health,
    shared: Arc<Shared>,
    in_flight: AtomicUsize,
    idle: Idle,
    calls: Lanes,
    streams: Lanes,
    /// What TLS has negotiated; until then the first connection is made alone.
    speaks_http1: AtomicBool,
}

/// What the addresses of one service have in common.
pub struct Shared {
    pub dialer: Dialer,
    pub receiver: Receiver,
    pub versions: HttpVersion,
    pub limit: usize,
    pub keep_alive: Duration,
    pub tasks: TaskTracker,
    pub max_in_flight: usize,
}

/// Counts as in flight for as long as it lives.
pub struct Load<'e>(&'e AtomicUsize);

/// Nobody else dials meanwhile.
type Alone = OwnedMutexGuard<()>;

enum Connected {
    Http1(http1::Connection),
    Http2(Arc<Lane>),
}

/// A connection is full at a hundred calls.
const CALL_LANES: usize = 16;
const STREAM_LANES: usize = 100;

impl Endpoint {
    pub fn new(address: SocketAddr, shared: &Arc<Shared>, config: &Config) -> Self {
        Self {
            address,
            health: Health::default(),
            shared: Arc::clone(shared),
            in_flight: AtomicUsize::new(0),
            idle: Idle::from(config),
            calls: Lanes::new(Shape { lanes: CALL_LANES, waits: true }),
            streams: Lanes::new(Shape { lanes: STREAM_LANES, waits: false }),
            speaks_http1: AtomicBool::new(shared.versions == HttpVersion::Http1),
        }
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// To be held while a call is under way.
    pub fn load(&self) -> Load<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Load(&self.in_flight)
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.idle.len() + self.calls.len() + self.streams.len()
    }

    /// Sends the request and reads the answer whole.
    pub async fn exchange(
        self: &Arc<Self>,
        outgoing: &Outgoing,
        now: Instant,
        deadline: Instant,
    ) -> Result<Incoming, Error> {
        let mut not_begun = None;
        // A connection may turn out to be closed when it is written to, or to speak another version; the next is a new one.
        for _ in 0..MAX_DEAD_LANES {
            if self.speaks_http1.load(Ordering::Relaxed) {
                let Some(incoming) = self.over_http1(outgoing, now, deadline).await? else { continue };
                return Ok(incoming);
            }
            let place = match self.calls.place() {
                Some(place) => Some(place),
                None => self.new_place().await?,
            };
            let Some(place) = place else { continue };
            if let Some(answer) = place.send(outgoing, Some(deadline), &self.shared.receiver).await? {
                let whole = place.whole(answer, self.shared.limit);
                match Unhurried::new(whole, deadline, &self.shared.tasks, self.shared.max_in_flight).await {
                    // Once at the expense of nobody's budget: a restart refuses everything that is under way.
                    Err(error) if error.kind == Kind::Unreached && not_begun.is_none() => not_begun = Some(error),
                    done => return done,
                }
            }
        }
        Err(not_begun.unwrap_or_else(|| Error::unreached("the service closes every connection")))
    }

    /// Sends the request of a stream on a connection that carries streams alone.
    pub async fn open(&self, outgoing: &Outgoing) -> Result<(http::Response<h2::RecvStream>, Place), Error> {
        for _ in 0..MAX_DEAD_LANES {
            let place = self.streams.enter(async || self.dial_lane().await).await?;
            if let Some(answer) = place.send(outgoing, None, &self.shared.receiver).await? {
                return Ok((http2::head(answer).await?, place));
            }
        }
        Err(Error::unreached("the service closes every connection"))
    }

    /// None where the service turns out to speak HTTP/2 by now.
    async fn over_http1(
        self: &Arc<Self>,
        outgoing: &Outgoing,
        now: Instant,
        deadline: Instant,
    ) -> Result<Option<Incoming>, Error> {
        let Shared { receiver, limit, .. } = &*self.shared;
        let mut idle = self.idle.take(now, outgoing.repeatable);
        loop {
            let has_waited = idle.is_some();
            let connection = match idle.take() {
                Some(connection) => connection,
                None => match self.dial(None).await?.0 {
                    Connected::Http1(connection) => connection,
                    lane => {
                        self.keep(lane);
                        return Ok(None);
                    }
                },
            };
            match connection.exchange(outgoing, deadline, receiver, *limit).await {
                Ok((incoming, connection)) => return Ok(Some(self.kept(incoming, connection, now))),
                // The service closed it while it waited, which says nothing about the request.
                Err(Lost::Silent(_)) if has_waited && outgoing.repeatable => {}
                Err(Lost::Silent(error) | Lost::Failed(error)) => return Err(error),
            }
        }
    }

    /// `begun` is when the request was sent, which is near enough for a connection that waits for minutes.
    fn kept(&self, incoming: Incoming, connection: Option<http1::Connection>, begun: Instant) -> Incoming {
        if let Some(connection) = connection {
            self.idle.put(connection, begun);
        }
        incoming
    }

    /// None where the service turns out to speak HTTP/1.1.
    fn new_place(self: &Arc<Self>) -> BoxFuture<'_, Result<Option<Place>, Error>> {
        async move {
            let alone = self.calls.alone().await;
            // Somebody else may have made a connection meanwhile.
            let place = self.calls.place();
            if place.is_some() || self.speaks_http1.load(Ordering::Relaxed) {
                return Ok(place);
            }
            let (connected, _alone) = self.dial(Some(alone)).await?;
            self.keep(connected);
            Ok(self.calls.place())
        }
        .boxed()
    }

    /// Streams may be silent for long, and some servers take pings on a silent connection for an attack.
    async fn dial_lane(&self) -> Result<Arc<Lane>, Error> {
        let (stream, _) = self.shared.dialer.dial(self.address).await?;
        Lane::open(stream, &self.shared.tasks, None, self.streams.room()).await
    }

    /// An HTTP/1.1 connection that waits for a request. What may be sent twice need not look whether it is still open.
    pub fn waiting(&self, repeatable: bool) -> Option<http1::Connection> {
        self.idle.take(Instant::now(), repeatable)
    }

    /// Sends a request that is handed on; the connection waits for another one behind its answer.
    pub fn pass(self: &Arc<Self>, connection: http1::Connection, request: Request<http1::Sent>) -> (Answer, AtWork) {
        let endpoint = Arc::clone(self);
        connection.pass(request, &self.shared.tasks, move |connection| endpoint.idle.put(connection, Instant::now()))
    }

    /// A connection that nobody else uses, and whether it speaks HTTP/2.
    pub async fn dial_apart(&self) -> Result<(Stream, bool), Error> {
        self.shared.dialer.dial(self.address).await
    }

    /// The same, in HTTP/1.1.
    pub async fn dial_http1(&self) -> Result<Stream, Error> {
        let (stream, _) = self.shared.dialer.in_http1().dial(self.address).await?;
        Ok(stream)
    }

    pub fn receiver(&self) -> &Receiver {
        &self.shared.receiver
    }

    pub fn tasks(&self) -> &TaskTracker {
        &self.shared.tasks
    }

    /// A connection, which is made even if its caller leaves meanwhile: where that takes longer than calls may, there would
    /// never be one. `alone` keeps others from dialling until it is used.
    ///
    /// Boxed, as all that seldom happens: a call's future must be small, since every call moves one.
    fn dial(self: &Arc<Self>, alone: Option<Alone>) -> BoxFuture<'_, Result<(Connected, Option<Alone>), Error>> {
        async move {
            let Shared { tasks, max_in_flight, .. } = &*self.shared;
            if tasks.len() >= *max_in_flight {
                return Ok((self.connect().await?, alone));
            }
            let (hand_over, handed) = oneshot::channel();
            let endpoint = Arc::clone(self);
            tasks.spawn(async move {
                let made = endpoint.connect().await.map(|connected| (connected, alone));
                if let Err(Ok((connected, _alone))) = hand_over.send(made) {
                    endpoint.keep(connected);
                }
            });
            handed.await.unwrap_or_else(|_| Err(Error::unreached("cannot connect: it was given up")))
        }
        .boxed()
    }

    async fn connect(&self) -> Result<Connected, Error> {
        let Shared { dialer, tasks, keep_alive, .. } = &*self.shared;
        let (stream, http2) = dialer.dial(self.address).await?;
        Ok(match http2 {
            true => Connected::Http2(Lane::open(stream, tasks, Some(*keep_alive), self.calls.room()).await?),
            false => Connected::Http1(http1::Connection::open(stream).await?),
        })
    }

    /// For the next call.
    fn keep(&self, connected: Connected) {
        self.speaks_http1.store(matches!(connected, Connected::Http1(_)), Ordering::Relaxed);
        match connected {
            Connected::Http1(connection) => self.idle.put(connection, Instant::now()),
            Connected::Http2(lane) => drop(self.calls.add(lane)),
        }
    }

    /// Has a connection ready, or learns that there is none to be had.
    pub async fn warm_up(&self) -> Result<(), Error> {
        if self.connections() == 0 {
            self.keep(self.connect().await?);
        }
        Ok(())
    }

    /// Closes what nobody needs; to be called once a second.
    pub fn sweep(&self) {
        self.idle.sweep(Instant::now());
        self.calls.sweep();
        self.streams.sweep();
    }
}

/// A server that restarts closes several at once.
const MAX_DEAD_LANES: usize = 4;

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
