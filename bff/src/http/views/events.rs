//! Events of a view as `text/event-stream` (the HTML standard's server-sent events).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream::unfold;
use http::HeaderName;
use http::header::CACHE_CONTROL;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::stream_limit::OpenStream;
use crate::http::Problem;
use crate::identity::{self, Identity};
use crate::views::{self, Events};

/// Whoever a stream is for.
pub(super) struct Listener {
    pub identity: Arc<Identity>,
    /// None where nobody signed in.
    pub session: Option<Uuid>,
    /// The place that the stream occupies, and gives back when it is dropped.
    pub _place: Option<OpenStream>,
}

impl Listener {
    /// A stream lasts for as long as it likes, so signing in once is not enough.
    fn is_gone(&self) -> bool {
        self.session.is_some_and(|session| self.identity.has_ended(session))
    }
}

/// Then the client connects again, and shows again who it is: no stream outlives a session by more.
const MAX_AGE: Duration = Duration::from_secs(3_600);
/// Proxies give up on connections that say nothing for a minute or so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Asks nginx not to collect events before it passes them on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// One `message` per event; a failure is an event `problem`, the last one.
pub(super) fn response(events: Events, listener: Listener, closing: CancellationToken) -> Response {
    let stream = unfold(Some((events, listener)), |open| async move {
        let (mut events, listener) = open?;
        match events.next().await? {
            _ if listener.is_gone() => Some((problem(ended()), None)),
            Ok(json) => Some((message(&json), Some((events, listener)))),
            Err(failure) => Some((problem(views::Error::Failed(failure).into()), None)),
        }
    });
    let over = timeout(MAX_AGE, closing.cancelled_owned());
    let stream = stream.take_until(over).map(Ok::<_, Infallible>);
    let sse = Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    let headers = [(X_ACCEL_BUFFERING, "no"), (CACHE_CONTROL, "no-store")];
    (headers, sse).into_response()
}

fn message(json: &[u8]) -> Event {
    Event::default().data(String::from_utf8_lossy(json))
}

fn problem(problem: Problem) -> Event {
    Event::default().event("problem").data(problem.text())
}

fn ended() -> Problem {
    identity::Error::Refused("the session ended while a stream was open").into()
}
