//! Only what stands behind the BFF, for a BFF and an orders-svc that run elsewhere.

use bff::http::ProbeError;
use bff::telemetry;
use tokio_util::sync::CancellationToken;

use crate::backends::{Addresses, Backends};

/// Runs profiles, catalog, loyalty and their control address until `shutdown`.
pub async fn run(addresses: Addresses, shutdown: CancellationToken) -> anyhow::Result<()> {
    let telemetry = telemetry::install(&telemetry::Config::default(), false)?;
    let backends = Backends::start(addresses, None).await?;
    for upstream in backends.upstreams() {
        tracing::info!(name = upstream.name(), address = %upstream.address(), "listening");
    }
    tracing::info!(name = "control", address = %backends.control_address(), "listening");
    shutdown.cancelled().await;
    backends.stop().await;
    telemetry.flush().await;
    Ok(())
}

/// Asks the control address whether they run.
pub async fn probe(addresses: Addresses) -> Result<(), ProbeError> {
    bff::http::probe(addresses.control, "/upstreams", None).await
}
