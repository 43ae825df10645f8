//! The demo: the backends, and the BFF in front of them.

mod greeting;
mod seed;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::anyhow;
use bff::app::Audience;
use bff::clock::Clock;
use bff::{app, config, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::backends::{Addresses, Backends};

/// Open requests get this long after Ctrl-C, which people expect to be quick.
const DRAIN_MS: u64 = 2_000;

/// Runs until `shutdown`. Paths in the configuration are relative to the working directory.
pub async fn run(env: BTreeMap<String, String>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let hangups = signal(SignalKind::hangup())?;
    let addresses = Addresses::from_env(&env)?;
    let mut config = config::load(&[], &env)?;
    config.http.drain_ms = config.http.drain_ms.min(DRAIN_MS);
    app::install_crypto();
    let telemetry = telemetry::install(&config.telemetry, config.is_production())?;

    let (config, listeners) = app::bind(config).await.map_err(name_variable)?;
    let backends = Backends::start(addresses, Some(orders_config(&env, &config))).await?;
    let config = follow(config, &backends);
    let greeting = greeting::text(&config, &backends);
    let app = app::build(config, Clock::system(), Audience::Log).await?;

    app.identity().ensure_demo_accounts().await?;
    let operator = seed::operator(app.identity()).await;
    let opening = async {
        let seeded = match operator {
            Ok(operator) => seed::orders(&backends, operator).await,
            Err(error) => Err(error),
        };
        if let Err(error) = seeded {
            tracing::warn!("the demo's orders were not created: {error:#}");
        }
        io::stdout().write_all(greeting.as_bytes())
    };
    // The seed's orders need the BFF up: orders-svc verifies tokens with the keys that it serves.
    let reload = app.reload_at(hangups);
    let (_, opened, _) = tokio::join!(
        app.serve(listeners, shutdown.clone()),
        shutdown.run_until_cancelled(opening),
        shutdown.run_until_cancelled(reload)
    );
    backends.stop().await;
    telemetry.flush().await;
    opened.transpose()?;
    Ok(())
}

fn orders_config(env: &BTreeMap<String, String>, bff: &config::Config) -> orders_svc::Config {
    let database_url = env.get("ORDERS__DATABASE_URL").map_or("sqlite:data/orders.db", String::as_str);
    orders_svc::Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        database_url: database_url.to_owned(),
        jwks_url: format!("http://{}/.well-known/jwks.json", reachable(bff.http.listen)),
        issuer: Some(bff.http.public_url()),
        audience: "orders".to_owned(),
    }
}

/// A server that listens on every address is reached on loopback.
fn reachable(listening: SocketAddr) -> SocketAddr {
    match listening {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        one_address => one_address,
    }
}

/// A source that points to where its upstream usually listens follows it to where it does; any other stays.
fn follow(mut config: config::Config, backends: &Backends) -> config::Config {
    for upstream in backends.upstreams() {
        let Some(source) = config.sources.get_mut(upstream.name()) else { continue };
        let usual = Addresses::default().of(upstream.name()).map(|address| format!("http://{address}"));
        for url in [&mut source.grpc, &mut source.http] {
            if url.is_some() && *url == usual {
                *url = Some(format!("http://{}", upstream.address()));
            }
        }
    }
    config
}

fn name_variable(error: app::StartError) -> anyhow::Error {
    match &error {
        app::StartError::Listen { setting, .. } => {
            let variable = format!("BFF__{}", setting.to_uppercase().replace('.', "__"));
            anyhow!("{error}; stop what runs there, or set {variable} to another address")
        }
        _ => error.into(),
    }
}
