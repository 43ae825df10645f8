//! Spans to an OpenTelemetry collector, over OTLP/gRPC: a bounded queue, sent in batches by a thread of its own.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use tonic::transport::ClientTlsConfig;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// What is not yet sent; a span more is dropped, and counted in a warning.
const MAX_QUEUED_SPANS: usize = 8_192;
const MAX_BATCH_SPANS: usize = 512;
const SEND_EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(5);
/// Our own spans: those of libraries are many and say little, and the exporter must not trace itself.
const TARGET: &str = "bff";

/// Connects when there is something to send. Only spans whose client has not decided fall under `ratio`.
pub fn provider(endpoint: &str, ratio: f64) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(PATIENCE);
    let exporter = match endpoint.starts_with("https://") {
        true => exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots()).build()?,
        false => exporter.build()?,
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(MAX_QUEUED_SPANS)
        .with_max_export_batch_size(MAX_BATCH_SPANS)
        .with_scheduled_delay(SEND_EVERY)
        .build();
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Ok(SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
        .with_resource(Resource::builder().with_service_name("bff").with_attribute(version).build())
        .build())
}

/// Gives our spans to the provider.
pub fn layer<S>(provider: &SdkTracerProvider) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("bff"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with(TARGET)))
        .boxed()
}

/// Sends what is left.
pub fn flush(provider: &SdkTracerProvider) {
    if let Err(error) = provider.shutdown_with_timeout(PATIENCE) {
        tracing::warn!(%error, "the last traces were not sent");
    }
}
