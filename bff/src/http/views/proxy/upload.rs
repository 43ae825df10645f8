//! The body of a request that is handed on: of a type and a size that the view allows, and in good time.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, timeout};
use tower_http::timeout::TimeoutError;

use crate::http::Problem;
use crate::http::views::events::{ended, session_over};
use crate::identity::Standing;
use crate::views;
use crate::views::plan::Proxy;

/// A body and its bounds.
pub struct Upload {
    body: Body,
    left: u64,
    most: u64,
    /// As far as the client has said.
    length: Option<u64>,
    began: Instant,
    /// The session in whose name it is sent has ended.
    over: BoxFuture<'static, ()>,
    refused: Refused,
}

/// Why a body was not read to its end, if it was not, and the rest of it.
#[derive(Clone, Default)]
pub struct Refused(Arc<Mutex<Option<(Problem, Body)>>>);

type Cause = Box<dyn StdError + Send + Sync>;

/// A client that sends less than this in a second, once it has had some time, holds up more than it brings.
const LEAST_BYTES_PER_SECOND: u64 = 1_024;
const FAIR_START: Duration = Duration::from_secs(20);

impl Upload {
    /// Refuses what can be refused before any of it is read.
    pub fn admitted(
        proxy: &Proxy,
        headers: &HeaderMap,
        body: Body,
        standing: Option<Arc<Standing>>,
    ) -> Result<Self, Box<(Problem, Body)>> {
        let most = proxy.max_body;
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        // What is none passes for any.
        if !body.is_end_stream() {
            if length.is_some_and(|length| length > most) {
                return Err((too_large(most), body).into());
            }
            if let Err(problem) = is_welcome(proxy, headers) {
                return Err((problem, body).into());
            }
        }
        let over = async move { ended(standing.as_deref()).await }.fuse().boxed();
        Ok(Self { body, left: most, most, length, began: Instant::now(), over, refused: Refused::default() })
    }

    pub fn into_parts(self) -> (views::Body, Refused) {
        let refused = self.refused.clone();
        (self.boxed_unsync(), refused)
    }

    fn refuse(&mut self, problem: Problem) -> Poll<Option<Result<Frame<Bytes>, Cause>>> {
        let cause = problem.title().into();
        let rest = std::mem::take(&mut self.body);
        *self.refused.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((problem, rest));
        Poll::Ready(Some(Err(cause)))
    }

    fn is_too_slow(&self) -> bool {
        let seconds = self.began.elapsed().saturating_sub(FAIR_START).as_secs();
        self.most - self.left < seconds.saturating_mul(LEAST_BYTES_PER_SECOND)
    }
}

impl Refused {
    pub fn take(&self) -> Option<(Problem, Body)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reads on for a while what nobody wants: a client that is cut off while it sends may not see why.
pub async fn linger(body: Body) {
    let mut body = body;
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    // A client that goes on has had time to read the answer.
    let _ = timeout(LINGER, rest).await;
}

const LINGER: Duration = Duration::from_secs(2);

fn is_welcome(proxy: &Proxy, headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let group = essence.split('/').next().unwrap_or_default();
    let fits = |ty: &String| *ty == essence || ty.strip_suffix("/*").is_some_and(|all| all == group);
    let unsupported = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    if !proxy.types.iter().any(fits) {
        return Err(unsupported.detail(format!("Send the body as {}", proxy.types.join(" or "))));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(unsupported.detail("Send the body as it is, without a Content-Encoding"));
    }
    Ok(())
}

fn too_large(most: u64) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE).detail(format!("At most {most} bytes are taken"))
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT)
}

/// Whether the client is gone or speaks no HTTP, it is not the service that failed.
fn broken() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST).detail("The body could not be read to its end")
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = Cause;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cause>>> {
        if self.over.poll_unpin(context).is_ready() {
            return self.refuse(session_over());
        }
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let late = error.into_inner().is::<TimeoutError>();
                return self.refuse(if late { too_slow() } else { broken() });
            }
            None => return Poll::Ready(None),
        };
        // A client's trailers are nobody's business.
        let Ok(piece) = frame.into_data() else { return Poll::Ready(None) };
        let most = self.most;
        match self.left.checked_sub(piece.len() as u64) {
            None => self.refuse(too_large(most)),
            Some(_) if self.is_too_slow() => self.refuse(too_slow()),
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.most - self.left;
        self.length.map_or_else(SizeHint::default, |length| SizeHint::with_exact(length.saturating_sub(read)))
    }
}
