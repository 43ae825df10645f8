//! The parts put together: database, keys, services, health; served until shutdown, then drained.

use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tower::layer::layer_fn;

use crate::addresses::Addresses;
use crate::call::Surrounded;
use crate::clock::Clock;
use crate::config::Config;
use crate::orders::Orders;
use crate::pb;
use crate::pb::address_service_server::AddressServiceServer;
use crate::pb::order_service_server::OrderServiceServer;
use crate::store::Store;
use crate::token::Tokens;

/// A request of 100 full lines is about 40 KiB.
const REQUEST_MAX_BYTES: usize = 256 * 1_024;
/// A page of 100 such orders stays below what clients accept by default.
const RESPONSE_MAX_BYTES: usize = 4 * 1_024 * 1_024;
const STREAMS_PER_CONNECTION: u32 = 256;
const KEEPALIVE: Duration = Duration::from_secs(30);
const HEALTH_EVERY: Duration = Duration::from_secs(5);
/// How long calls under way may take after shutdown.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves on the listener until `shutdown` is cancelled and the calls under way have ended.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let store = Store::open(&config.database_url).await?;
    let tasks = TaskTracker::new();
    let tokens = Tokens::new(&config, tasks.clone())?;
    let clock = Clock::system();
    let orders = Orders::new(store.clone(), tokens.clone(), clock, shutdown.clone());
    let orders = OrderServiceServer::new(orders)
        .max_decoding_message_size(REQUEST_MAX_BYTES)
        .max_encoding_message_size(RESPONSE_MAX_BYTES);
    let addresses = AddressServiceServer::new(Addresses::new(store.clone(), tokens, clock))
        .max_decoding_message_size(REQUEST_MAX_BYTES)
        .max_encoding_message_size(RESPONSE_MAX_BYTES);
    let (reporter, health) = health_reporter();
    report(&reporter, ServingStatus::Serving).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .context("the embedded descriptors are broken")?;

    tasks.spawn(report_health(store.clone(), reporter, shutdown.clone()));

    tracing::info!(address = %listener.local_addr()?, "orders-svc is listening");
    let server = Server::builder()
        .layer(layer_fn(Surrounded))
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .add_service(orders)
        .add_service(addresses)
        .add_service(health)
        .add_service(reflection)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            shutdown.clone().cancelled_owned(),
        );
    let drain_ended = async {
        shutdown.cancelled().await;
        sleep(DRAIN).await;
    };
    tokio::select! {
        served = server => served.context("the gRPC server failed")?,
        () = drain_ended => tracing::warn!("some calls were still under way {DRAIN:?} after shutdown and are cut off"),
    }
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    timeout(DRAIN, store.close()).await.context("the database did not close in time")
}

/// SERVING while the database answers; NOT_SERVING at once on shutdown.
async fn report_health(store: Store, reporter: HealthReporter, shutdown: CancellationToken) {
    loop {
        let status = if store.is_reachable().await { ServingStatus::Serving } else { ServingStatus::NotServing };
        report(&reporter, status).await;
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = sleep(HEALTH_EVERY) => {}
        }
    }
    report(&reporter, ServingStatus::NotServing).await;
}

async fn report(reporter: &HealthReporter, status: ServingStatus) {
    for service in ["", "orders.v1.OrderService", "orders.v1.AddressService"] {
        reporter.set_service_status(service, status).await;
    }
}
