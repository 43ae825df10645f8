//! Events of a view as `text/event-stream` (the HTML standard's server-sent events).

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream::unfold;
use http::HeaderName;
use http::header::CACHE_CONTROL;
use tokio_util::sync::CancellationToken;

use crate::http::Problem;
use crate::views::{self, Events};

/// Proxies give up on connections that say nothing for a minute or so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Asks nginx not to collect events before it passes them on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// One `message` per event; a failure is an event `problem`, the last one.
pub(super) fn response(events: Events, closing: CancellationToken) -> Response {
    let stream = unfold(Some(events), |events| async move {
        let mut events = events?;
        match events.next().await? {
            Ok(json) => Some((message(&json), Some(events))),
            Err(failure) => Some((problem(views::Error::Failed(failure)), None)),
        }
    });
    let stream = stream.take_until(closing.cancelled_owned()).map(Ok::<_, Infallible>);
    let sse = Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    let headers = [(X_ACCEL_BUFFERING, "no"), (CACHE_CONTROL, "no-store")];
    (headers, sse).into_response()
}

fn message(json: &[u8]) -> Event {
    Event::default().data(String::from_utf8_lossy(json))
}

fn problem(error: views::Error) -> Event {
    Event::default().event("problem").data(Problem::from(error).text())
}
