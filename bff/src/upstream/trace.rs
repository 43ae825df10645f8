//! One span per request to a service, and what the service is told of it.

use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use opentelemetry::propagation::{Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::exchange::Outgoing;
use super::{Error, Headers};

/// A span named as the request's line is; an HTTP path is not part of it, because it may hold ids.
pub fn span<'a>(source: &str, name: impl FnOnce() -> &'a str) -> Span {
    tracing::info_span!(
        "upstream",
        otel.name = name(),
        otel.kind = "client",
        server.address = source,
        otel.status_code = Empty,
        error.type = Empty
    )
}

/// The request with the span as the service's parent.
pub fn announced(span: &Span, outgoing: Outgoing) -> Outgoing {
    let mut outgoing = outgoing;
    TraceContextPropagator::new().inject_context(&span.context(), &mut Replaced(&mut outgoing.headers));
    outgoing
}

/// Runs the request within its span.
pub async fn within<T>(span: Span, request: BoxFuture<'_, Result<T, Error>>) -> Result<T, Error> {
    let result = request.instrument(span.clone()).await;
    if let Err(error) = &result {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", tracing::field::debug(error.code));
    }
    result
}

struct Replaced<'a>(&'a mut Headers);

impl Injector for Replaced<'_> {
    fn set(&mut self, name: &str, value: String) {
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.0.retain(|(given, _)| *given != name);
            self.0.push((name, value));
        }
    }
}
