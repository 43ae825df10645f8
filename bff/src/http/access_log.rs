//! One line, one count and one span per request, whatever becomes of it.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use http::{Method, StatusCode};
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use super::client_address::ClientAddress;
use super::metrics::{Answers, NO_ROUTE};
use super::request_id::RequestId;
use super::trace_context::TraceContext;

/// What nginx calls a request whose client did not wait.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// A request from its head to its answer, or to the moment its client is gone.
pub struct Ongoing {
    answers: Arc<Answers>,
    method: Method,
    /// The template: a path holds ids, and a query may hold secrets.
    route: Option<MatchedPath>,
    began: Instant,
    span: Span,
    /// The span is recorded for a collector as well.
    traced: bool,
    status: u16,
    code: &'static str,
}

impl Ongoing {
    pub fn begin(answers: &Arc<Answers>, request: &Request, id: &RequestId, client: Option<ClientAddress>) -> Self {
        let (method, extensions) = (request.method().clone(), request.extensions());
        let route = extensions.get::<MatchedPath>().cloned();
        let name = name(route.as_ref());
        let span = tracing::info_span!(
            "request",
            request_id = id.as_str(),
            trace_id = Empty,
            method = method.as_str(),
            route = name,
            client = client.map(ClientAddress::shortened),
            otel.kind = "server",
            otel.name = %format_args!("{method} {name}"),
            otel.status_code = Empty,
            http.response.status_code = Empty,
        );
        let (status, code) = (CLIENT_CLOSED_REQUEST, "client-closed-request");
        let answers = Arc::clone(answers);
        Self { answers, method, route, began: Instant::now(), span, traced: false, status, code }
    }

    /// The request's place in its trace.
    pub fn join(&mut self, trace: TraceContext) -> TraceContext {
        let (trace, traced) = trace.entered(&self.span);
        self.traced = traced;
        self.span.record("trace_id", trace.trace_id());
        trace
    }

    pub fn span(&self) -> &Span {
        &self.span
    }

    /// `problem` is the code of the problem that was written.
    pub fn answered(mut self, status: StatusCode, problem: Option<&'static str>) {
        (self.status, self.code) = (status.as_u16(), problem.unwrap_or("-"));
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let Self { answers, method, route, began, span, traced, status, code } = self;
        let duration = began.elapsed();
        answers.record(name(route.as_ref()), method, *status, duration);
        if *traced {
            span.record("http.response.status_code", *status);
        }
        if *traced && *status >= 500 {
            span.record("otel.status_code", "ERROR");
        }
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        span.in_scope(|| tracing::info!(status, code, duration_ms, "answered"));
    }
}

fn name(route: Option<&MatchedPath>) -> &str {
    route.map_or(NO_ROUTE, MatchedPath::as_str)
}
