//! orders-svc: reads its settings, listens, serves until it is told to stop.

use std::fs::read_to_string;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use orders_svc::Config;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(name = "orders-svc", version, about)]
struct Arguments {
    #[command(flatten)]
    config: Config,
    /// A file that holds the database's URL, and so its password.
    #[arg(long, env = "ORDERS__DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the server that runs here whether it serves: the health check of a container.
    Healthz,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orders-svc: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    install_crypto()?;
    let Arguments { mut config, database_url_file, command } = Arguments::parse();
    if let Some(Command::Healthz) = command {
        return orders_svc::probe(config.listen).await;
    }
    if let Some(file) = database_url_file {
        let url = read_to_string(&file)
            .with_context(|| format!("cannot read {} (ORDERS__DATABASE_URL_FILE)", file.display()))?;
        config.database_url = url.trim_end().to_owned();
    }
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
