//! What the server says of itself: log lines, measures, traces. The parts write `tracing` spans and events and use a
//! `Meter`; here is decided where that goes.

mod log;
mod measures;
mod traces;

use std::panic::{self, PanicHookInfo};

use http::Uri;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use measures::{Exposition, recorder};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives like `info,bff=debug`; RUST_LOG wins.
    pub level: String,
    /// `text`, `json`, or `auto`: JSON in production.
    pub format: Format,
    /// The OpenTelemetry collector; without one no trace is made.
    pub otlp_endpoint: Option<String>,
    /// The share of traces that are kept, where the client has not decided.
    pub trace_ratio: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Auto,
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Auto, otlp_endpoint: None, trace_ratio: 1.0 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("telemetry.otlp_endpoint: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("cannot start the thread that writes the log")]
    Thread(#[from] std::io::Error),
    #[error("the process already has a logger")]
    Installed,
}

/// The process's logger and tracer.
#[must_use = "what is not flushed is lost"]
pub struct Telemetry {
    sink: log::Sink,
    traces: Option<SdkTracerProvider>,
}

/// Installs the process's logger and tracer, once. Traces need a runtime around them.
pub fn install(config: &Config, production: bool) -> Result<Telemetry, Error> {
    let json = match config.format {
        Format::Auto => production,
        Format::Text => false,
        Format::Json => true,
    };
    let endpoint = config.otlp_endpoint.as_deref();
    let traces = endpoint.map(|endpoint| traces::provider(endpoint, config.trace_ratio)).transpose()?;
    // Not an `Option` of a layer: one that is absent would have every span looked at.
    let sink = log::Sink::open()?;
    let layers: Vec<_> = [log::layer(EnvFilter::new(&config.level), json, sink.clone())]
        .into_iter()
        .chain(traces.as_ref().map(traces::layer))
        .collect();
    tracing_subscriber::registry().with(layers).try_init().map_err(|_| Error::Installed)?;
    panic::set_hook(Box::new(log_panic));
    Ok(Telemetry { sink, traces })
}

impl Telemetry {
    /// Sends the traces that are still here; takes no longer than a few seconds.
    pub async fn flush(mut self) {
        let Some(traces) = self.traces.take() else { return };
        // An error says that the flush panicked, which the hook has logged.
        let _ = tokio::task::spawn_blocking(move || traces::flush(&traces)).await;
    }
}

/// The last lines of the log.
impl Drop for Telemetry {
    fn drop(&mut self) {
        self.sink.flush();
    }
}

impl Config {
    /// What cannot work, beyond what the types refuse.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(reason) = EnvFilter::try_new(&self.level) {
            let level = &self.level;
            problems.push(format!(
                "telemetry.level: `{level}` is not a log filter ({reason}); write `info` or `info,bff=debug`"
            ));
        }
        if let Some(url) = self.otlp_endpoint.as_deref().filter(|url| !is_address(url)) {
            problems.push(format!("telemetry.otlp_endpoint: `{url}` is not an address like http://127.0.0.1:4317"));
        }
        if !(0.0..=1.0).contains(&self.trace_ratio) {
            problems.push(format!("telemetry.trace_ratio: {} is not between 0.0 and 1.0", self.trace_ratio));
        }
        problems
    }
}

fn is_address(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, panic = panic.payload_as_str().unwrap_or("no text"), "panicked");
}
