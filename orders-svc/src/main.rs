//! orders-svc: reads its settings, listens, serves until it is told to stop.

use anyhow::Context;
use clap::Parser;
use orders_svc::Config;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    install_crypto()?;
    let config = Config::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();

    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {} (ORDERS__LISTEN)", config.listen))?;
    let shutdown = CancellationToken::new();
    let server = orders_svc::serve(config, listener, shutdown.clone());
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => ended,
        told = told_to_stop() => {
            told?;
            shutdown.cancel();
            server.await
        }
    }
}

fn install_crypto() -> anyhow::Result<()> {
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    installed.map_err(|_| anyhow::anyhow!("rustls already has another crypto provider"))?;
    let installed = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    installed.map_err(|_| anyhow::anyhow!("jsonwebtoken already has another crypto provider"))
}

async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
