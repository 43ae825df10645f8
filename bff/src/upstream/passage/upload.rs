//! The body of a request that is handed on, watched on its way.

use std::error::Error as StdError;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use super::Body;
use crate::causes::chain;
use crate::upstream::error::Error;

/// A request's body, and how far it has come.
pub struct Upload {
    body: Mutex<Body>,
    began: Instant,
    last_ms: AtomicU64,
    /// Some of it was taken, and is not here any more.
    begun: AtomicBool,
    /// The client owes the next piece, not the service.
    starved: AtomicBool,
    /// It ended before its end.
    broken: AtomicBool,
}

/// The body as one connection sends it; another may send it as long as nothing was taken.
pub struct Sending(pub Arc<Upload>);

impl Upload {
    pub fn new(body: Body) -> Self {
        let [begun, starved, broken] = [false; 3].map(AtomicBool::new);
        Self { body: Mutex::new(body), began: Instant::now(), last_ms: AtomicU64::new(0), begun, starved, broken }
    }

    pub fn is_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        !self.is_begun() && self.body().is_end_stream()
    }

    fn note(&self, frame: &Poll<Option<Result<Frame<Bytes>, Cause>>>) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
        self.starved.store(frame.is_pending(), Ordering::Relaxed);
        if frame.is_ready() {
            self.begun.store(true, Ordering::Relaxed);
        }
        if matches!(frame, Poll::Ready(Some(Err(_)))) {
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    /// A client that breaks off says nothing about the service.
    pub fn blame(&self, error: &hyper::Error) -> Error {
        let message = chain(error);
        if self.broken.load(Ordering::Relaxed) { Error::abandoned(&message) } else { Error::interrupted(&message) }
    }

    /// When the service, which may take so long for a piece or an answer, is late.
    fn until(&self, patience: Duration) -> Instant {
        let last = self.began + Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        if self.starved.load(Ordering::Relaxed) { Instant::now() + patience } else { last + patience }
    }

    pub async fn patiently<T>(&self, answer: impl Future<Output = T>, patience: Duration) -> Result<T, Error> {
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

    fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Cause = Box<dyn StdError + Send + Sync>;

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = Cause;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cause>>> {
        let frame = Pin::new(&mut *self.0.body()).poll_frame(context);
        self.0.note(&frame);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body().size_hint()
    }
}
