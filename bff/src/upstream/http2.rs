//! HTTP/2: one connection carries many requests; when all are full, another one is made.
//!
//! Straight over `h2`, because a client in between costs twice what a call itself does (bench/README.md).

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::dial::Stream;
use super::error::Error;
use super::exchange::{Collected, Incoming, Outgoing, Receiver};

/// One connection.
pub struct Lane {
    sender: SendRequest<Bytes>,
    open: AtomicUsize,
    alive: AtomicBool,
    /// A call has had no answer in time, so that the connection is asked at once whether it lives.
    doubted: Arc<Notify>,
    /// Since when nothing is open on it, in turns of the sweep.
    idle_turns: AtomicUsize,
}

/// Room for one request on a connection.
pub struct Place {
    lane: Arc<Lane>,
    /// An answer is awaited, and none means that something is wrong.
    awaits: bool,
}

/// The connections to one address.
pub struct Lanes {
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// One dials at a time, and the others use what comes of it.
    dialling: Arc<tokio::sync::Mutex<()>>,
    /// How many requests at once the service has said it takes on a connection.
    room: AtomicUsize,
    shape: Shape,
}

#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Connections at the most.
    pub lanes: usize,
    /// Whether requests may wait on a connection for the end of others. Streams may not: theirs may never come.
    pub waits: bool,
}

/// What every HTTP/2 server should allow (RFC 9113, section 6.5.2).
const PLACES: usize = 100;
/// Requests wait for the service's word of how many it takes at once; otherwise it may refuse a burst of the first ones.
const NOT_KNOWN_YET: usize = 0;
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 1 << 24;
const MAX_HEADER_LIST_BYTES: u32 = 32 * 1024;
const PING_TIMEOUT: Duration = Duration::from_secs(5);
const SWEEPS_UNTIL_CLOSED: usize = 60;

impl Lane {
    /// `keep_alive`: how often it is asked for a sign of life while calls are open on it. `room`: how many requests at once
    /// the service is known to take.
    pub async fn open(
        stream: Stream,
        tasks: &TaskTracker,
        keep_alive: Option<Duration>,
        room: usize,
    ) -> Result<Arc<Self>, Error> {
        let shaken = Builder::new()
            .initial_max_send_streams(room)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_LIST_BYTES)
            .enable_push(false)
            .handshake(stream)
            .await;
        let (sender, mut connection) = shaken.map_err(|error| Error::unreached(&error.to_string()))?;
        let pings = connection.ping_pong();
        let (alive, open) = (AtomicBool::new(true), AtomicUsize::new(0));
        let doubted = Arc::new(Notify::new());
        let lane =
            Arc::new(Self { sender, open, alive, doubted: Arc::clone(&doubted), idle_turns: AtomicUsize::new(0) });
        // The task must not keep the connection open that it drives.
        let weak = Arc::downgrade(&lane);
        tasks.spawn(async move {
            let is_busy = || weak.upgrade().map(|lane| lane.open.load(Ordering::Relaxed) > 0);
            tokio::select! {
                ended = Unhasty { connection, waited: false } => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection to a service ended");
                },
                () = silent(pings, keep_alive, &doubted, is_busy) => tracing::debug!("a connection to a service is dead"),
            }
            if let Some(lane) = weak.upgrade() {
                lane.alive.store(false, Ordering::Relaxed);
            }
        });
        Ok(lane)
    }

    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }
}

/// Lets everybody who is about to send a request do so, and then writes all of them at once.
struct Unhasty<C> {
    connection: C,
    waited: bool,
}

impl<C: Future + Unpin> Future for Unhasty<C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        self.waited = !self.waited;
        if self.waited {
            // To the end of the queue of what is ready.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.connection).poll(context)
    }
}

/// Resolves when the service gives no sign of life although calls are open, or were not answered.
async fn silent(
    pings: Option<PingPong>,
    every: Option<Duration>,
    doubted: &Notify,
    is_busy: impl Fn() -> Option<bool>,
) {
    let (Some(mut pings), Some(every)) = (pings, every) else { return std::future::pending().await };
    loop {
        let is_doubted = timeout(every, doubted.notified()).await.is_ok();
        match is_busy().map(|is_busy| is_busy || is_doubted) {
            None => return std::future::pending().await,
            Some(false) => {}
            Some(true) => match timeout(PING_TIMEOUT, pings.ping(Ping::opaque())).await {
                // Some services take many questions for an attack.
                Ok(Ok(_)) => sleep(PING_TIMEOUT).await,
                // The connection itself says what is wrong.
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) => return,
            },
        }
    }
}

impl Place {
    fn on(lane: &Arc<Lane>) -> Self {
        lane.open.fetch_add(1, Ordering::Relaxed);
        lane.idle_turns.store(0, Ordering::Relaxed);
        Self { lane: Arc::clone(lane), awaits: false }
    }

    /// None where the connection is of no use any more: nothing was sent.
    pub async fn send(
        &self,
        outgoing: &Outgoing,
        deadline: Option<Instant>,
        receiver: &Receiver,
    ) -> Result<Option<ResponseFuture>, Error> {
        let Ok(mut sender) = self.lane.sender.clone().ready().await else {
            self.lane.alive.store(false, Ordering::Relaxed);
            return Ok(None);
        };
        let mut request = Request::new(());
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = receiver.absolute(&outgoing.path)?;
        *request.version_mut() = http::Version::HTTP_2;
        *request.headers_mut() = outgoing.header_map(deadline);
        let Ok((answer, mut stream)) = sender.send_request(request, outgoing.body.is_empty()) else {
            self.lane.alive.store(false, Ordering::Relaxed);
            return Ok(None);
        };
        if !outgoing.body.is_empty() {
            // A service may have answered or refused before it has the body, which the answer tells.
            let _ = stream.send_data(outgoing.body.clone(), true);
        }
        Ok(Some(answer))
    }

    /// The whole answer.
    pub async fn whole(mut self, answer: ResponseFuture, limit: usize) -> Result<Incoming, Error> {
        self.awaits = true;
        let incoming = whole(answer, limit).await;
        self.awaits = false;
        incoming
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.open.fetch_sub(1, Ordering::Relaxed);
        if self.awaits {
            self.lane.doubted.notify_one();
        }
    }
}

async fn whole(answer: ResponseFuture, limit: usize) -> Result<Incoming, Error> {
    let (head, mut body) = answer.await.map_err(|error| lost(&error))?.into_parts();
    let mut collected = Collected::new(limit);
    while let Some(piece) = next(&mut body).await? {
        collected.add(piece, 0)?;
    }
    let trailers = trailers(&mut body).await?;
    Ok(Incoming { status: head.status, headers: head.headers, body: collected.into_bytes(), trailers })
}

pub async fn head(answer: ResponseFuture) -> Result<Response<RecvStream>, Error> {
    answer.await.map_err(|error| lost(&error))
}

/// The next piece of a body; the service may then send as much again.
pub async fn next(body: &mut RecvStream) -> Result<Option<Bytes>, Error> {
    let Some(piece) = body.data().await else { return Ok(None) };
    let piece = piece.map_err(|error| lost(&error))?;
    // It fails only where more is released than was received.
    let _ = body.flow_control().release_capacity(piece.len());
    Ok(Some(piece))
}

pub async fn trailers(body: &mut RecvStream) -> Result<Option<HeaderMap>, Error> {
    body.trailers().await.map_err(|error| lost(&error))
}

/// What a service says it has not begun can be sent again.
fn lost(error: &h2::Error) -> Error {
    let refused = error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM));
    let message = error.to_string();
    if refused { Error::unreached(&message) } else { Error::interrupted(&message) }
}

impl Lanes {
    pub fn new(shape: Shape) -> Self {
        let room = AtomicUsize::new(NOT_KNOWN_YET);
        Self { lanes: Mutex::default(), dialling: Arc::default(), room, shape }
    }

    /// Room on a connection that is there already.
    pub fn place(&self) -> Option<Place> {
        let mut lanes = self.lanes();
        lanes.retain(|lane| lane.is_alive());
        let room = |lane: &&Arc<Lane>| lane.open.load(Ordering::Relaxed) < most(lane);
        if let Some(lane) = lanes.iter().find(room) {
            return Some(Place::on(lane));
        }
        if !self.shape.waits || lanes.len() < self.shape.lanes {
            return None;
        }
        lanes.iter().min_by_key(|lane| lane.open.load(Ordering::Relaxed)).map(Place::on)
    }

    /// The right to dial; others wait for it, and use what comes of it.
    pub async fn alone(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.dialling).lock_owned().await
    }

    /// Room on a connection, which `dial` makes where there is none.
    pub async fn enter(&self, dial: impl AsyncFnOnce() -> Result<Arc<Lane>, Error>) -> Result<Place, Error> {
        if let Some(place) = self.place() {
            return Ok(place);
        }
        let _alone = self.alone().await;
        if let Some(place) = self.place() {
            return Ok(place);
        }
        if self.lanes().len() >= self.shape.lanes {
            return Err(Error::unreached("too many streams are open"));
        }
        Ok(self.add(dial().await?))
    }

    /// What a new connection may count on before the service has said anything on it.
    pub fn room(&self) -> usize {
        let told = self.lanes().iter().map(|lane| lane.sender.current_max_send_streams()).find(|room| *room > 0);
        if let Some(room) = told {
            self.room.store(room, Ordering::Relaxed);
        }
        self.room.load(Ordering::Relaxed)
    }

    pub fn add(&self, lane: Arc<Lane>) -> Place {
        let place = Place::on(&lane);
        self.lanes().push(lane);
        place
    }

    /// Closes all but one of the connections on which nothing was open for a while; to be called once a second.
    pub fn sweep(&self) {
        let mut lanes = self.lanes();
        let mut first = true;
        lanes.retain(|lane| {
            let busy = lane.open.load(Ordering::Relaxed) > 0 || std::mem::take(&mut first);
            let turns = if busy { 0 } else { lane.idle_turns.load(Ordering::Relaxed) + 1 };
            lane.idle_turns.store(turns, Ordering::Relaxed);
            lane.is_alive() && turns < SWEEPS_UNTIL_CLOSED
        });
    }

    pub fn len(&self) -> usize {
        self.lanes().len()
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn most(lane: &Lane) -> usize {
    match lane.sender.current_max_send_streams() {
        NOT_KNOWN_YET => PLACES,
        most => most.min(PLACES),
    }
}
