//! HTTP/1.1: one connection carries one request at a time, and waits in a pool in between.
//!
//! A connection is driven by the task that uses it. There is no task per connection, so that an answer costs no
//! switch between tasks, and what a caller gives up is closed at once.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::HOST;
use http::{Request, Uri};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Incoming as Reply};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::Config;
use super::dial::Stream;
use super::error::Error;
use super::exchange::{Collected, Incoming, Outgoing, Receiver};
use super::passage::{Answer, Sending};
use crate::causes::chain;

/// Boxed, because it goes in and out of the pool with every call.
pub struct Connection(Box<Parts>);

struct Parts {
    sender: SendRequest<Sent>,
    /// None once it has come to its end. It is dropped then, so that what it has not sent is told so.
    driver: Option<http1::Connection<TokioIo<Stream>, Sent>>,
}

/// The body of a request: of a call whole, or of what is handed on while it comes.
pub type Sent = Either<Full<Bytes>, Sending>;

/// A connection that carries something handed on, and is closed unless it is released.
pub struct AtWork {
    driver: AbortOnDropHandle<()>,
    release: Option<oneshot::Sender<()>>,
}

/// Why there is no answer, as far as another connection is concerned.
pub enum Lost {
    /// The connection was closed before any of the answer came, perhaps before the service saw the request.
    Silent(Error),
    Failed(Error),
}

/// Connections that wait for a request, the latest used last.
pub struct Idle {
    waiting: Mutex<Vec<(Connection, Instant)>>,
    most: usize,
    patience: Duration,
}

const MAX_HEAD_BYTES: usize = 64 * 1024;

impl Connection {
    pub async fn open(stream: Stream) -> Result<Self, Error> {
        let shaken = http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(stream)).await;
        let (sender, driver) = shaken.map_err(|error| Error::unreached(&chain(&error)))?;
        Ok(Self(Box::new(Parts { sender, driver: Some(driver) })))
    }

    /// The answer, and the connection if it can carry another request.
    pub async fn exchange(
        mut self,
        outgoing: &Outgoing,
        deadline: Instant,
        receiver: &Receiver,
        limit: usize,
    ) -> Result<(Incoming, Option<Self>), Lost> {
        let answer = self.0.sender.send_request(written(outgoing, deadline, receiver));
        let answer = self.0.drive(answer).await.map_err(|error| {
            let failure = Error::interrupted(&chain(&error));
            if is_gone(&error) { Lost::Silent(failure) } else { Lost::Failed(failure) }
        })?;
        let (head, mut body) = answer.into_parts();
        let body = self.read(&mut body, limit).await.map_err(Lost::Failed)?;
        let incoming = Incoming { status: head.status, headers: head.headers, body, trailers: None };
        let reusable = self.is_reusable();
        Ok((incoming, reusable.then_some(self)))
    }

    /// Sends a request whose body is still on its way. A task drives the connection meanwhile, so that the one body goes
    /// on while nobody takes the other, and hands it to `keep` once it is released and both have come to their end.
    pub fn pass(
        self,
        request: Request<Sent>,
        tasks: &TaskTracker,
        keep: impl FnOnce(Self) + Send + 'static,
    ) -> (Answer, AtWork) {
        let mut connection = self;
        let answer = connection.0.sender.send_request(request).boxed();
        let (release, released) = oneshot::channel();
        let driver = AbortOnDropHandle::new(tasks.spawn(async move {
            if connection.0.drive(released).await.is_ok() && connection.is_reusable() {
                keep(connection);
            }
        }));
        (answer, AtWork { driver, release: Some(release) })
    }

    fn is_reusable(&mut self) -> bool {
        self.0.sender.is_ready() || self.is_open() && self.0.sender.is_ready()
    }

    async fn read(&mut self, body: &mut Reply, limit: usize) -> Result<Bytes, Error> {
        let mut collected = Collected::new(limit);
        while let Some(frame) = self.0.drive(body.frame()).await {
            let frame = frame.map_err(|error| Error::interrupted(&chain(&error)))?;
            if let Ok(piece) = frame.into_data() {
                collected.add(piece, body.size_hint().lower())?;
            }
        }
        Ok(collected.into_bytes())
    }

    /// Lets the connection see what has happened to it meanwhile.
    fn is_open(&mut self) -> bool {
        !self.0.go_on(&mut Context::from_waker(Waker::noop()))
    }
}

impl AtWork {
    /// A connection for one request.
    pub fn alone(driver: AbortOnDropHandle<()>) -> Self {
        Self { driver, release: None }
    }

    /// The answer has come to its end.
    pub fn release(self) {
        if self.release.is_some_and(|release| release.send(()).is_ok()) {
            drop(self.driver.detach());
        }
    }
}

impl Parts {
    /// Runs what depends on the connection together with it. Each wakes the other at most once a turn: what `work` has
    /// taken lets the connection go on, and what that brings is for `work` again.
    async fn drive<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            // A closed connection tells `work` why.
            self.go_on(context);
            work.as_mut().poll(context)
        })
        .await
    }

    /// Reads and writes what can be; whether the connection has come to its end.
    fn go_on(&mut self, context: &mut Context<'_>) -> bool {
        if self.driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(context).is_ready()) {
            self.driver = None;
        }
        self.driver.is_none()
    }
}

fn written(outgoing: &Outgoing, deadline: Instant, receiver: &Receiver) -> Request<Sent> {
    let mut request = Request::new(Either::Left(Full::new(outgoing.body.clone())));
    *request.method_mut() = outgoing.method.clone();
    *request.uri_mut() = Uri::from(outgoing.path.clone());
    let mut headers = outgoing.header_map(Some(deadline));
    headers.insert(HOST, receiver.host.clone());
    *request.headers_mut() = headers;
    request
}

/// Whether the connection was closed before any of the answer came.
pub fn is_gone(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_reset(error)
}

fn is_reset(error: &hyper::Error) -> bool {
    // TLS calls it an unexpected end when the peer closes without a word.
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let io = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| {
        matches!(io.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
    })
}

impl From<&Config> for Idle {
    fn from(config: &Config) -> Self {
        Self {
            waiting: Mutex::default(),
            most: config.max_idle,
            patience: Duration::from_millis(config.idle_timeout_ms),
        }
    }
}

impl Idle {
    /// The one used last, which is the least likely to have been closed by the service. What may be sent twice need not
    /// look first whether it has been.
    pub fn take(&self, now: Instant, repeatable: bool) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.waiting().pop()?;
            if now.saturating_duration_since(since) < self.patience && (repeatable || connection.is_open()) {
                return Some(connection);
            }
        }
    }

    pub fn put(&self, connection: Connection, now: Instant) {
        let mut waiting = self.waiting();
        if waiting.len() < self.most {
            waiting.push((connection, now));
        }
    }

    /// Closes what has waited too long, and what the service has closed.
    pub fn sweep(&self, now: Instant) {
        let waited = std::mem::take(&mut *self.waiting());
        let keeps = |(connection, since): &mut (Connection, Instant)| {
            now.saturating_duration_since(*since) < self.patience && connection.is_open()
        };
        let mut kept: Vec<_> = waited.into_iter().filter_map(|mut idle| keeps(&mut idle).then_some(idle)).collect();
        let mut waiting = self.waiting();
        // What came back meanwhile was used later.
        kept.append(&mut waiting);
        kept.truncate(self.most);
        *waiting = kept;
    }

    pub fn len(&self) -> usize {
        self.waiting().len()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(Connection, Instant)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
