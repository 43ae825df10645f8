//! One line, one count and one span per request, whatever becomes of it.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use tokio::time::Instant;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use super::client_address::ClientAddress;
use super::layers::RequestId;
use super::metrics::{Answers, NO_ROUTE};
use super::trace_context::TraceContext;

/// The code of the problem that was written.
#[derive(Clone)]
pub struct ProblemCode(pub &'static str);

/// What nginx calls a request whose client did not wait.
const CLIENT_CLOSED_REQUEST: u16 = 499;

pub async fn record(answers: Arc<Answers>, mut request: Request, next: Next) -> Response {
    let mut ongoing = Ongoing::begin(answers, &request);
    let trace = request.extensions_mut().remove::<TraceContext>();
    if let Some(trace) = trace.map(|trace| trace.entered(&ongoing.span)) {
        ongoing.span.record("trace_id", display(trace.trace_id()));
        request.extensions_mut().insert(trace);
    }
    let response = next.run(request).instrument(ongoing.span.clone()).await;
    ongoing.status = response.status().as_u16();
    ongoing.code = response.extensions().get().map_or("-", |ProblemCode(code)| code);
    response
}

/// A request from its head to its answer, or to the moment its client is gone.
struct Ongoing {
    answers: Arc<Answers>,
    method: Method,
    /// The template: a path holds ids, and a query may hold secrets.
    route: Option<MatchedPath>,
    began: Instant,
    span: Span,
    status: u16,
    code: &'static str,
}

impl Ongoing {
    fn begin(answers: Arc<Answers>, request: &Request) -> Self {
        let (method, extensions) = (request.method().clone(), request.extensions());
        let route = extensions.get::<MatchedPath>().cloned();
        let name = name(route.as_ref());
        let span = tracing::info_span!(
            "request",
            request_id = extensions.get().map_or("", RequestId::as_str),
            trace_id = Empty,
            %method,
            route = name,
            client = extensions.get().copied().map(ClientAddress::shortened),
            otel.kind = "server",
            otel.name = %format_args!("{method} {name}"),
            otel.status_code = Empty,
            http.response.status_code = Empty,
        );
        let (status, code) = (CLIENT_CLOSED_REQUEST, "client-closed-request");
        Self { answers, method, route, began: Instant::now(), span, status, code }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let Self { answers, method, route, began, span, status, code } = self;
        let duration = began.elapsed();
        answers.record(name(route.as_ref()), method, *status, duration);
        span.record("http.response.status_code", *status);
        if *status >= 500 {
            span.record("otel.status_code", "ERROR");
        }
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        span.in_scope(|| tracing::info!(status, code, duration_ms, "answered"));
    }
}

fn name(route: Option<&MatchedPath>) -> &str {
    route.map_or(NO_ROUTE, MatchedPath::as_str)
}
