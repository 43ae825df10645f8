//! Asks a server on this machine how it is: the health check of an image without shell or gRPC tools.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const PATIENCE: Duration = Duration::from_secs(3);

/// Succeeds if the server says SERVING. The address it listens on will do, 0.0.0.0 included.
pub async fn probe(address: SocketAddr) -> anyhow::Result<()> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.timeout(PATIENCE);
    let channel = endpoint.connect_timeout(PATIENCE).connect().await?;
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await?.into_inner();
    ensure!(answer.status() == ServingStatus::Serving, "{address}: {}", answer.status().as_str_name());
    Ok(())
}
