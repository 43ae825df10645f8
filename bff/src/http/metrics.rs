//! How requests are counted and timed, and the page that Prometheus reads.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::CONTENT_TYPE;

use super::health::Checks;
use crate::meter::{Counter, Histogram, Meter};

/// The text of every measure as it is now.
#[derive(Clone)]
pub struct Page(Arc<dyn Fn() -> String + Send + Sync>);

/// The measures of one route and method. Which route that is shows at its first request.
pub struct Answers {
    meter: Meter,
    duration: OnceLock<Histogram>,
    /// A handful of statuses; all methods that are wrong here share these as well.
    counters: RwLock<Vec<(Kind, Counter)>>,
}

/// The method and the status.
type Kind = (&'static str, u16);

/// The label of a path that no route serves: what clients make up must not become a label.
pub const NO_ROUTE: &str = "none";

impl Page {
    pub fn new(text: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(text))
    }
}

/// `GET /metrics`. Asks every part first, so that `bff_degraded` is true when it is read.
pub async fn metrics(State(page): State<Page>, State(checks): State<Checks>) -> Response {
    checks.ask().await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (page.0)()).into_response()
}

impl Answers {
    pub fn new(meter: &Meter) -> Self {
        Self { meter: meter.clone(), duration: OnceLock::new(), counters: RwLock::default() }
    }

    pub fn record(&self, route: &str, method: &Method, status: u16, duration: Duration) {
        let histogram = || self.meter.histogram("bff_http_request_duration_seconds", &[("route", route)]);
        self.duration.get_or_init(histogram).record(duration);
        let kind = (label(method), status);
        if !self.count_known(kind) {
            self.prepare(route, kind);
            self.count_known(kind);
        }
    }

    fn count_known(&self, kind: Kind) -> bool {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        let known = counters.iter().find(|(known, _)| *known == kind);
        known.inspect(|(_, counter)| counter.increment(1)).is_some()
    }

    fn prepare(&self, route: &str, kind: Kind) {
        let status = kind.1.to_string();
        let labels = [("route", route), ("method", kind.0), ("status", status.as_str())];
        let counter = self.meter.counter("bff_http_requests_total", &labels);
        let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
        if counters.iter().all(|(known, _)| *known != kind) {
            counters.push((kind, counter));
        }
    }
}

/// Methods can be made up too.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
