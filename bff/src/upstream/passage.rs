//! Requests handed on as they are: bodies pass piece by piece, both ways, and are never held whole. There is no deadline
//! for the whole of it; whoever owes the next piece has the source's timeout to send it.

mod upload;

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Empty, Limited};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::balance::Remote;
use super::dial::Stream;
use super::endpoint::Endpoint;
use super::error::Error;
use super::exchange::Receiver;
use super::http1::{self, AtWork};
use super::tries::report;
use super::{Headers, Source, no_address, rest};
use crate::causes::chain;
pub use upload::Sending;
use upload::Upload;

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
        let (path, headers) = (remote.path(path)?, self.with_credentials(headers));
        let outbound = Outbound { method, path, headers, upload: Arc::new(Upload::new(body)) };
        let endpoint = remote.pick(&[], Instant::now()).await?;
        let (answer, at_work) = self.answered(&endpoint, &outbound).await?;
        let (head, body) = answer.into_parts();
        let (patience, timer) = (self.timeout(), Box::pin(sleep(self.timeout())));
        let at_work = Some(at_work);
        let body = Passed { body, patience, waits: false, timer, whole: false, at_work, _place: place };
        if head.status.is_success() || head.status == StatusCode::NOT_MODIFIED {
            return Ok(Response::from_parts(head, body.boxed_unsync()));
        }
        endpoint.tasks().spawn(read_out(body));
        if !is_clients(head.status) {
            return Err(rest::refusal(head.status, &head.headers, b""));
        }
        Ok(Response::from_parts(head, Empty::new().map_err(|never| match never {}).boxed_unsync()))
    }

    /// On a connection that has waited, if there is one; where the service has closed that meanwhile, once more on a new one.
    async fn answered(
        &self,
        endpoint: &Arc<Endpoint>,
        outbound: &Outbound,
    ) -> Result<(Response<Incoming>, AtWork), Error> {
        let Outbound { method, upload, .. } = outbound;
        let answered = async |answer: Answer| upload.patiently(answer, self.timeout()).await;
        if let Some(connection) = endpoint.waiting(method.is_safe()) {
            let (answer, at_work) = endpoint.pass(connection, outbound.over_http1(endpoint.receiver()));
            match answered(answer).await? {
                Ok(answer) => return Ok((answer, at_work)),
                Err(error) if http1::is_gone(&error) && outbound.can_begin_again() => {}
                Err(error) => return Err(upload.blame(&error)),
            }
        }
        let (stream, speaks_http2) = endpoint.dial_apart().await?;
        let (answer, at_work) = if speaks_http2 {
            send_apart(stream, outbound.over_http2(endpoint.receiver())?, endpoint.tasks()).await?
        } else {
            let connection = http1::Connection::open(stream).await?;
            endpoint.pass(connection, outbound.over_http1(endpoint.receiver()))
        };
        let answer = answered(answer).await?.map_err(|error| upload.blame(&error))?;
        Ok((answer, at_work))
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

pub type Answer = BoxFuture<'static, hyper::Result<Response<Incoming>>>;
/// Drives the connection, which ends with it.
type Driver = AbortOnDropHandle<()>;

/// A request as often as it is sent.
struct Outbound {
    method: Method,
    path: PathAndQuery,
    headers: HeaderMap,
    upload: Arc<Upload>,
}

impl Outbound {
    /// Whether another connection can carry it, and the service cannot have acted on what it has seen.
    fn can_begin_again(&self) -> bool {
        !self.upload.is_begun() && (self.method.is_idempotent() || !self.upload.is_empty())
    }

    fn over_http1(&self, receiver: &Receiver) -> Request<http1::Sent> {
        let mut request = self.request(Uri::from(self.path.clone()));
        request.headers_mut().insert(HOST, receiver.host.clone());
        request.map(Either::Right)
    }

    fn over_http2(&self, receiver: &Receiver) -> Result<Request<Sending>, Error> {
        Ok(self.request(receiver.absolute(&self.path)?))
    }

    fn request(&self, uri: Uri) -> Request<Sending> {
        let mut request = Request::new(Sending(Arc::clone(&self.upload)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// On an HTTP/2 connection of its own: on a shared one all bodies count against one window, so that those that nobody
/// reads would stop the others.
async fn send_apart(stream: Stream, request: Request<Sending>, tasks: &TaskTracker) -> Result<(Answer, AtWork), Error> {
    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| Error::unreached(&chain(&error)))?;
    let at_work = AtWork::alone(driven(tasks, connection));
    Ok((async move { sender.send_request(request).await }.boxed(), at_work))
}

/// Reads what nobody wants to see, if it is short, so that the connection can carry another request.
async fn read_out(body: Passed) {
    let _ = timeout(READ_OUT, Limited::new(body, MAX_UNSEEN_BYTES).collect()).await;
}

const READ_OUT: Duration = Duration::from_secs(1);
const MAX_UNSEEN_BYTES: usize = 16 * 1024;

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

/// An answer's body, with the connection that it comes from.
struct Passed {
    body: Incoming,
    patience: Duration,
    /// The service owes the next piece, and the timer runs.
    waits: bool,
    timer: Pin<Box<Sleep>>,
    /// It was read to its end.
    whole: bool,
    at_work: Option<AtWork>,
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
            self.whole = frame.is_none();
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

impl Drop for Passed {
    fn drop(&mut self) {
        let whole = self.whole || self.body.is_end_stream();
        if let Some(at_work) = self.at_work.take().filter(|_| whole) {
            at_work.release();
        }
    }
}
