//! Events of a view as `text/event-stream` (the HTML standard's server-sent events).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, StreamExt, once, unfold};
use http::HeaderName;
use http::header::CACHE_CONTROL;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::stream_limit::OpenStream;
use crate::http::Problem;
use crate::identity::{self, Standing};
use crate::views::{self, Events};

/// Whoever a stream is for, and what ends it beside its source.
pub(super) struct Listener {
    /// The session that must go on; none where nobody signed in.
    pub standing: Option<Arc<Standing>>,
    /// The server stops.
    pub closing: CancellationToken,
    /// For how long there may be no event.
    pub idle: Duration,
    /// How soon to connect again: not all at the same moment.
    pub retry: Duration,
    /// The place that the stream occupies, and gives back when it is dropped.
    pub _place: OpenStream,
}

/// Then the client connects again, and shows again who it is: no stream outlives a session by more.
const MAX_AGE: Duration = Duration::from_secs(3_600);
/// Proxies give up on connections that say nothing for a minute or so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// For whoever reads slowly to take an event that says why there are no more.
pub(super) const LAST_WORD: Duration = Duration::from_secs(5);
/// Asks nginx not to collect events before it passes them on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// One `message` per event; a failure is an event `problem`, the last one. A stream that ends without one is to be
/// opened again, with the last event's id.
pub(super) fn response(events: Events, listener: Listener) -> Response {
    let retry = Event::default().retry(listener.retry);
    let over = Instant::now() + MAX_AGE;
    let stream = unfold(Some((events, listener)), move |open| async move {
        let (mut events, listener) = open?;
        let silent = Instant::now() + listener.idle;
        let next = tokio::select! {
            biased;
            () = ended(listener.standing.as_deref()) => return Some((problem(&session_over()), None)),
            () = listener.closing.cancelled() => return None,
            () = sleep_until(over.min(silent)) => return None,
            next = events.next() => next?,
        };
        Some(match next {
            Ok(event) => {
                let written = message(&event.json);
                let written = match event.id.filter(|id| !id.contains(['\n', '\r', '\0'])) {
                    Some(id) => written.id(id),
                    None => written,
                };
                (written, Some((events, listener)))
            }
            Err(failure) => (problem(&views::Error::Failed(failure).into()), None),
        })
    });
    sent(once(async { retry }).chain(stream))
}

pub(super) fn sent(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let sse = Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    let headers = [(X_ACCEL_BUFFERING, "no"), (CACHE_CONTROL, "no-store")];
    (headers, sse).into_response()
}

/// Never where nobody signed in.
pub(super) async fn ended(standing: Option<&Standing>) {
    match standing {
        Some(standing) => standing.ended().await,
        None => std::future::pending().await,
    }
}

pub(super) fn message(json: &[u8]) -> Event {
    Event::default().data(String::from_utf8_lossy(json))
}

pub(super) fn named(name: &str, json: &[u8]) -> Event {
    Event::default().event(name).data(String::from_utf8_lossy(json))
}

pub(super) fn problem(problem: &Problem) -> Event {
    Event::default().event("problem").data(problem.text())
}

/// What somebody is told whose session has ended meanwhile.
pub(super) fn session_over() -> Problem {
    identity::Error::Refused("the session ended while something of it was open").into()
}
