//! W3C trace context: the caller's trace goes on through this server, or a new one begins here.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::request_id::Ids;

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
    pub(super) fn of(headers: &HeaderMap, ids: &Ids) -> Self {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let only = parents.next().filter(|_| parents.next().is_none());
        let span = ids.next();
        match only.and_then(|parent| parse(parent.as_bytes())) {
            Some((trace, parent, flags)) => {
                let sampled = flags & SAMPLED != 0;
                Self { trace, span, sampled, parent: Some(parent), state: state(headers) }
            }
            // Sampled, as each service would do if it began the trace itself.
            None => {
                let trace = TraceId(u128::from(ids.next()) << 64 | u128::from(ids.next()));
                Self { trace, span, sampled: true, parent: None, state: None }
            }
        }
    }

    /// Where traces are recorded (the second value says whether they are), the request's own span is this server's step,
    /// and decides what a new trace is called.
    pub fn entered(self, span: &Span) -> (Self, bool) {
        let caller = self.parent.map(|parent| {
            let flags = TraceFlags::default().with_sampled(self.sampled);
            let (trace, parent) = (self.trace.0.into(), parent.into());
            Context::new().with_remote_span_context(SpanContext::new(trace, parent, flags, true, TraceState::NONE))
        });
        if span.set_parent(caller.unwrap_or_default()).is_err() {
            return (self, false);
        }
        let context = span.context();
        let own = context.span().span_context().clone();
        let trace = TraceId(u128::from_be_bytes(own.trace_id().to_bytes()));
        let span = u64::from_be_bytes(own.span_id().to_bytes());
        (Self { trace, span, sampled: own.is_sampled(), ..self }, true)
    }

    /// The trace's id as headers and logs have it.
    pub fn trace_id(&self) -> String {
        let mut text = [0; 32];
        write_hex(&mut text, &self.trace.0.to_be_bytes());
        String::from_utf8_lossy(&text).into_owned()
    }

    /// What the services behind this server are told.
    pub fn headers(&self) -> HeaderMap {
        let Self { trace, span, sampled, state, .. } = self;
        let mut parent = *b"00-________________________________-________________-__";
        write_hex(&mut parent[3..35], &trace.0.to_be_bytes());
        write_hex(&mut parent[36..52], &span.to_be_bytes());
        write_hex(&mut parent[53..], &[u8::from(*sampled)]);
        let parent = HeaderValue::from_bytes(&parent).ok().map(|parent| (TRACEPARENT, parent));
        parent.into_iter().chain(state.clone().map(|state| (TRACESTATE, state))).collect()
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

fn write_hex(text: &mut [u8], bytes: &[u8]) {
    for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

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
