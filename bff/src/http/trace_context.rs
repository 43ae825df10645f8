//! W3C trace context: the caller's trace goes on through this server, or a new one begins here.

use std::convert::Infallible;
use std::fmt::{Display, Formatter};

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

/// This server's place in a trace.
#[derive(Debug, Clone)]
pub struct TraceContext {
    trace: TraceId,
    /// This server's own step, which the steps of the services name as their parent.
    span: u64,
    sampled: bool,
    /// The caller's step.
    parent: Option<u64>,
    /// What tracing systems say to each other; only if the trace is the caller's.
    state: Option<HeaderValue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const SAMPLED: u8 = 1;
const TRACEPARENT_BYTES: usize = 55;
/// As much as every tracing system must pass on.
const MAX_STATE_BYTES: usize = 512;

impl TraceContext {
    /// Goes on with the caller's trace if it names one rightly.
    fn of(headers: &HeaderMap) -> Self {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let only = parents.next().filter(|_| parents.next().is_none());
        let span = Uuid::new_v4().as_u64_pair().1;
        match only.and_then(|parent| parse(parent.as_bytes())) {
            Some((trace, parent, flags)) => {
                let sampled = flags & SAMPLED != 0;
                Self { trace, span, sampled, parent: Some(parent), state: state(headers) }
            }
            // Sampled, as each service would do if it began the trace itself.
            None => {
                let trace = TraceId(Uuid::new_v4().as_u128());
                Self { trace, span, sampled: true, parent: None, state: None }
            }
        }
    }

    /// Where traces are recorded, the request's own span is this server's step, and decides what a new trace is called.
    pub fn entered(self, span: &Span) -> Self {
        let caller = self.parent.map(|parent| {
            let flags = TraceFlags::default().with_sampled(self.sampled);
            let (trace, parent) = (self.trace.0.into(), parent.into());
            Context::new().with_remote_span_context(SpanContext::new(trace, parent, flags, true, TraceState::NONE))
        });
        if span.set_parent(caller.unwrap_or_default()).is_err() {
            return self;
        }
        let context = span.context();
        let own = context.span().span_context().clone();
        let trace = TraceId(u128::from_be_bytes(own.trace_id().to_bytes()));
        Self { trace, span: u64::from_be_bytes(own.span_id().to_bytes()), sampled: own.is_sampled(), ..self }
    }

    pub fn trace_id(&self) -> TraceId {
        self.trace
    }

    /// What the services behind this server are told.
    pub fn headers(&self) -> HeaderMap {
        let Self { trace, span, sampled, state, .. } = self;
        let parent = HeaderValue::try_from(format!("00-{trace}-{span:016x}-{:02x}", u8::from(*sampled)));
        let parent = parent.ok().map(|parent| (TRACEPARENT, parent));
        parent.into_iter().chain(state.clone().map(|state| (TRACESTATE, state))).collect()
    }
}

impl Display for TraceId {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Gives every request its place in a trace.
pub async fn join(mut request: Request, next: Next) -> Response {
    let context = TraceContext::of(request.headers());
    request.extensions_mut().insert(context);
    next.run(request).await
}

impl<S: Sync> FromRequestParts<S> for TraceContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

/// The trace, the caller's step and the flags; a version to come may have more behind them.
fn parse(text: &[u8]) -> Option<(TraceId, u64, u8)> {
    let (head, rest) = text.split_at_checked(TRACEPARENT_BYTES)?;
    let mut fields = std::str::from_utf8(head).ok()?.split('-');
    let version = hex(fields.next()?, 2)?;
    let trace = hex(fields.next()?, 32).filter(|trace| *trace != 0)?;
    let parent = hex(fields.next()?, 16).filter(|parent| *parent != 0)?;
    let flags = u8::try_from(hex(fields.next()?, 2)?).ok()?;
    let ended = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.first().is_none_or(|next| *next == b'-'),
    };
    let parent = u64::try_from(parent).ok()?;
    (ended && fields.next().is_none()).then_some((TraceId(trace), parent, flags))
}

fn hex(field: &str, digits: usize) -> Option<u128> {
    let lower = field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (lower && field.len() == digits).then(|| u128::from_str_radix(field, 16).ok())?
}

/// Several headers are one list.
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines: Vec<&[u8]> = headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes).collect();
    let list = lines.join(&b","[..]);
    if list.is_empty() || list.len() > MAX_STATE_BYTES { None } else { HeaderValue::from_bytes(&list).ok() }
}
