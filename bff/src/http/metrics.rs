//! How requests are counted and timed, and the page that Prometheus reads.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
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

/// The measures of every route that was asked for.
pub struct Answers {
    meter: Meter,
    /// By the route's template, of which there are as many as the router knows.
    routes: RwLock<HashMap<String, Route>>,
}

struct Route {
    duration: Histogram,
    counters: HashMap<(&'static str, u16), Counter>,
}

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
        Self { meter: meter.clone(), routes: RwLock::default() }
    }

    pub fn record(&self, route: &str, method: &Method, status: u16, duration: Duration) {
        let kind = (label(method), status);
        if !self.record_known(route, kind, duration) {
            self.prepare(route, kind);
            self.record_known(route, kind, duration);
        }
    }

    fn record_known(&self, route: &str, kind: (&'static str, u16), duration: Duration) -> bool {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let Some(route) = routes.get(route) else { return false };
        let Some(counter) = route.counters.get(&kind) else { return false };
        counter.increment(1);
        route.duration.record(duration);
        true
    }

    fn prepare(&self, name: &str, (method, status): (&'static str, u16)) {
        let text = status.to_string();
        let labels = [("route", name), ("method", method), ("status", text.as_str())];
        let counter = self.meter.counter("bff_http_requests_total", &labels);
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let route = routes.entry(name.to_owned()).or_insert_with(|| Route {
            duration: self.meter.histogram("bff_http_request_duration_seconds", &labels[..1]),
            counters: HashMap::new(),
        });
        route.counters.insert((method, status), counter);
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
