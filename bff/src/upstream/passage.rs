//! Requests handed on as they are: bodies pass piece by piece, both ways, and are never held whole. There is no deadline
//! for the whole of it; whoever owes the next piece has the source's timeout to send it.

use std::error::Error as StdError;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::HOST;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep, timeout_at};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::balance::Remote;
use super::endpoint::Endpoint;
use super::error::Error;
use super::tries::report;
use super::{Headers, Source, no_address, rest};
use crate::causes::chain;

pub type Body = UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>;

/// A request on its way through.
pub struct Passage {
    pub method: Method,
    /// Starts with `/`.
    pub path: String,
    /// No name twice.
    pub headers: Headers,
    pub body: Body,
}

const MAX_HEAD_BYTES: usize = 64 * 1024;

impl Source {
    /// The head of the answer, and its body while it comes. Every status that is a client's to see is an answer.
    pub async fn hand_on(&self, passage: Passage) -> Result<Response<Body>, Error> {
        let remote = self.http.as_ref().ok_or_else(|| no_address("http"))?;
        let Ok(place) = Arc::clone(&self.passages).try_acquire_owned() else {
            self.meters.refused_by_bulkhead.increment(1);
            return Err(Error::refused("too many requests are being handed on to the service"));
        };
        let turn = self.turn(Instant::now())?;
        let answer = self.passed(remote, passage, place).await;
        report(turn, &answer, Instant::now());
        answer
    }

    async fn passed(
        &self,
        remote: &Remote,
        passage: Passage,
        place: OwnedSemaphorePermit,
    ) -> Result<Response<Body>, Error> {
        let Passage { method, path, headers, body } = passage;
        let upload = Arc::new(Upload::new());
        let mut request = Request::new(Watched { body, upload: Arc::clone(&upload) });
        *request.method_mut() = method;
        *request.headers_mut() = self.with_credentials(headers);
        *request.uri_mut() = Uri::from(remote.path(path)?);
        let endpoint = remote.pick(&[], Instant::now()).await?;
        let (answer, driver) = send(&endpoint, request).await?;
        let answer = upload.patiently(answer, self.timeout()).await?;
        let (head, body) = answer.map_err(|error| upload.blame(&error))?.into_parts();
        if !is_clients(head.status) {
            return Err(rest::refusal(head.status, &head.headers, b""));
        }
        let body = Passed {
            body,
            patience: self.timeout(),
            waits: false,
            timer: Box::pin(sleep(self.timeout())),
            _driver: driver,
            _place: place,
        };
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    pub(super) fn with_credentials(&self, headers: Headers) -> HeaderMap {
        let mut all = HeaderMap::with_capacity(headers.len() + self.credentials.len() + 1);
        // Of two with one name the later counts.
        for (name, value) in headers.into_iter().chain(self.credentials.iter().cloned()) {
            all.insert(name, value);
        }
        all
    }
}

/// What a client asked for, and what it must correct itself; the rest is between this server and the service.
fn is_clients(status: StatusCode) -> bool {
    let told = [
        StatusCode::NOT_MODIFIED,
        StatusCode::PRECONDITION_FAILED,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::RANGE_NOT_SATISFIABLE,
    ];
    status.is_success() || told.contains(&status)
}

type Answer = BoxFuture<'static, hyper::Result<Response<Incoming>>>;
/// Drives the connection, which ends with it.
type Driver = AbortOnDropHandle<()>;

/// On a connection of its own, so that what breaks off takes nothing with it.
async fn send(endpoint: &Endpoint, request: Request<Watched>) -> Result<(Answer, Driver), Error> {
    let (stream, speaks_http2) = endpoint.dial_apart().await?;
    let (io, tasks) = (TokioIo::new(stream), endpoint.tasks());
    let lost = |error: hyper::Error| Error::unreached(&chain(&error));
    let mut request = request;
    if speaks_http2 {
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.scheme = Some(endpoint.receiver().scheme.clone());
        uri.authority = Some(endpoint.receiver().authority.clone());
        *request.uri_mut() = Uri::from_parts(uri).map_err(|error| Error::request(&error.to_string()))?;
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.map_err(lost)?;
        let driver = driven(tasks, connection);
        return Ok((async move { sender.send_request(request).await }.boxed(), driver));
    }
    request.headers_mut().insert(HOST, endpoint.receiver().host.clone());
    let shaken = http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(io).await;
    let (mut sender, connection) = shaken.map_err(lost)?;
    let driver = driven(tasks, connection);
    Ok((async move { sender.send_request(request).await }.boxed(), driver))
}

pub(super) fn driven(
    tasks: &TaskTracker,
    connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
) -> Driver {
    AbortOnDropHandle::new(tasks.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a service ended");
        }
    }))
}

/// How far a request's body has come.
struct Upload {
    began: Instant,
    last_ms: AtomicU64,
    /// The client owes the next piece, not the service.
    starved: AtomicBool,
    /// It ended before its end.
    broken: AtomicBool,
}

impl Upload {
    fn new() -> Self {
        let (starved, broken) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { began: Instant::now(), last_ms: AtomicU64::new(0), starved, broken }
    }

    fn note(&self, starved: bool) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
        self.starved.store(starved, Ordering::Relaxed);
    }

    /// A client that breaks off says nothing about the service.
    fn blame(&self, error: &hyper::Error) -> Error {
        let message = chain(error);
        if self.broken.load(Ordering::Relaxed) { Error::abandoned(&message) } else { Error::interrupted(&message) }
    }

    /// When the service, which may take so long for a piece or an answer, is late.
    fn until(&self, patience: Duration) -> Instant {
        let last = self.began + Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        if self.starved.load(Ordering::Relaxed) { Instant::now() + patience } else { last + patience }
    }

    async fn patiently<T>(&self, answer: impl Future<Output = T>, patience: Duration) -> Result<T, Error> {
        let mut answer = pin!(answer);
        loop {
            if let Ok(answer) = timeout_at(self.until(patience), &mut answer).await {
                return Ok(answer);
            }
            if self.until(patience) <= Instant::now() {
                return Err(Error::deadline());
            }
        }
    }
}

/// A request's body, watched on its way.
struct Watched {
    body: Body,
    upload: Arc<Upload>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.upload.note(frame.is_pending());
        if matches!(frame, Poll::Ready(Some(Err(_)))) {
            self.upload.broken.store(true, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, with the connection that it comes from.
struct Passed {
    body: Incoming,
    patience: Duration,
    /// The service owes the next piece, and the timer runs.
    waits: bool,
    timer: Pin<Box<Sleep>>,
    _driver: Driver,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Passed {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.waits = false;
            let frame = frame.map(|frame| frame.map_err(|error| Error::interrupted(&chain(&error)).into()));
            // Trailers are between the service and this server.
            return Poll::Ready(frame.filter(|frame| frame.as_ref().map_or(true, Frame::is_data)));
        }
        if !self.waits {
            self.waits = true;
            let until = Instant::now() + self.patience;
            self.timer.as_mut().reset(until);
        }
        ready!(self.timer.as_mut().poll(context));
        Poll::Ready(Some(Err(Error::deadline().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
