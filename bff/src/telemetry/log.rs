//! Log lines: which fields they may have, and the two forms, for people and for machines.
//!
//! A field that is not listed here loses its value, so that neither a library nor a line written in haste can put a
//! secret into the log. Of the spans only the request's is known: its fields stand on each of its lines.

mod json;
mod sink;
mod text;

use std::io::{IsTerminal, stderr};

use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::registry::LookupSpan;

pub use sink::Sink;

const REQUEST: &str = "request";

/// The lines that `filter` lets through.
pub fn layer<S>(filter: EnvFilter, json: bool, sink: Sink) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let filter = filter.and(filter_fn(is_logged));
    if json {
        return fmt::layer()
            .fmt_fields(json::Members)
            .event_format(json::Lines)
            .with_writer(sink)
            .with_filter(filter)
            .boxed();
    }
    let format = fmt::layer().with_ansi(stderr().is_terminal()).with_target(false).with_writer(sink);
    format.fmt_fields(text::Pairs).with_filter(filter).boxed()
}

fn is_logged(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() || (metadata.name() == REQUEST && metadata.target().starts_with("bff"))
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Written,
    /// Only its name is written.
    Withheld,
    /// A dotted name is OpenTelemetry's: for traces alone.
    Skipped,
}

const WITHHELD: &str = "withheld";

fn treatment(name: &str) -> Treatment {
    match name {
        // What a line may say of itself, and a span of its request.
        "account" | "address" | "admin" | "algorithm" | "call" | "cause" | "changed" | "channel" | "client"
        | "code" | "deliveries" | "duration_ms" | "error" | "event" | "job" | "kid" | "location" | "message"
        | "method" | "name" | "open" | "panic" | "path" | "place" | "public" | "reason" | "request_id" | "route"
        | "session" | "status" | "topic" | "trace_id" | "url" | "view" | "views" => Treatment::Written,
        name if name.contains('.') => Treatment::Skipped,
        _ => Treatment::Withheld,
    }
}

#[cfg(test)]
mod tests;
