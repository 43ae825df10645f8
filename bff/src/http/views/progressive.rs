//! A view's answer in parts, for whoever asks for events: at first all that must be there, then what was late.
//!
//! `message`: the answer so far. `patch`: what has changed of it (RFC 6902). `partial`: what is missing, and why.
//! `problem`: it could not be written after all. `end`: there is no more to come, so that the client need not reconnect.

use axum::response::Response;
use axum::response::sse::Event;
use futures_util::StreamExt;
use futures_util::stream::once;
use http::header::{ACCEPT, VARY};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use super::events;
use crate::http::Problem;
use crate::views::plan::Plan;
use crate::views::{self, Note, Part, Parts};

/// What is missing of an answer; `http/openapi` describes it.
#[derive(Serialize)]
struct Missing<'a> {
    path: &'a str,
    call: &'a str,
    reason: &'a str,
}

/// Whether the view has an answer that can be told in parts.
pub fn is_possible(plan: &Plan) -> bool {
    plan.method == "GET" && plan.shape.is_some() && plan.stream.is_none() && plan.proxy.is_none()
}

const EVENTS: (&str, &str) = ("text", "event-stream");
const JSON: (&str, &str) = ("application", "json");

/// Whether the client would rather have events than JSON; who does not say gets JSON.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let ranges = || {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::trim_start)
    };
    // Most clients have no word for them.
    let may = ranges().any(|range| range.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("text/")));
    may && quality(ranges(), EVENTS) > quality(ranges(), JSON)
}

/// How welcome a media type is, in thousandths: what its most specific range says.
fn quality<'a>(ranges: impl Iterator<Item = &'a str>, (kind, detail): (&str, &str)) -> u32 {
    let mut best = (0, 0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let Some((k, d)) = parts.next().and_then(|essence| essence.split_once('/')) else { continue };
        let specificity = match (k.eq_ignore_ascii_case(kind), d.eq_ignore_ascii_case(detail)) {
            (true, true) => 3,
            (true, false) if d == "*" => 2,
            _ if (k, d) == ("*", "*") => 1,
            _ => continue,
        };
        let q = parts.find_map(|parameter| parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")));
        let q: f32 = q.map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let thousandths = if (0.0..=1.0).contains(&q) { (q * 1000.0) as u32 } else { 0 };
        best = best.max((specificity, thousandths));
    }
    best.1
}

/// The answer once its first part is there; until then a failure is an ordinary problem.
pub async fn response(parts: Parts) -> Result<Response, Problem> {
    let mut parts = parts;
    let first = match parts.next().await {
        Some(Err(failure)) => return Err(views::Error::Failed(failure).into()),
        first => first,
    };
    let events = once(async { first }).filter_map(async |first| first).chain(parts).map(|part| match part {
        Ok(Part::Whole(json)) => events::message(&json),
        Ok(Part::Patch(json)) => events::named("patch", &json),
        Ok(Part::Missing(notes)) => Event::default().event("partial").json_data(missing(&notes)).unwrap_or_default(),
        Err(failure) => events::problem(&views::Error::Failed(failure).into()),
    });
    let end = once(async { events::named("end", b"{}") });
    let mut response = events::sent(events.chain(end));
    response.headers_mut().insert(VARY, HeaderValue::from(ACCEPT));
    Ok(response)
}

fn missing(notes: &[Note]) -> Vec<Missing<'_>> {
    notes.iter().map(|Note { path, call, reason, .. }| Missing { path, call, reason }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_sent_to_whom_would_rather_have_them() {
        let wanted = |accept: &str| is_wanted(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]));
        for accept in [
            "text/event-stream",
            "TEXT/Event-Stream",
            "text/event-stream, */*;q=0.5",
            "application/json;q=0.5, text/event-stream;q=0.6",
            "text/*",
            "text/event-stream;charset=utf-8;q=0.001",
            "*/*;q=0.1, text/event-stream",
        ] {
            assert!(wanted(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/html",
            "application/json, text/event-stream",
            "text/event-stream;q=0",
            "text/event-stream;q=0, text/*",
            "text/event-stream;q=2",
            "text/event-stream;q=0.5, application/*;q=0.6",
            "text",
            "text/event-stream;q=",
        ] {
            assert!(!wanted(accept), "{accept}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
