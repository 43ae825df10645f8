//! One upstream of the shop: an address, what answers there, and the faults in front of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::{Router, middleware};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::fault::{self, Behaviour, Counters, Gate, Mode};
use crate::forward;
use crate::server::{self, Server};

/// Starts, stops and breaks one service. Its address stays the same from the first start on.
pub struct Upstream {
    name: &'static str,
    address: SocketAddr,
    origin: Origin,
    gate: Arc<Gate>,
    running: Mutex<Option<Server>>,
}

/// What answers behind the gate.
pub enum Origin {
    Routes(Router),
    /// orders-svc owns its socket and its shutdown, so it runs behind a forwarder.
    Orders(orders_svc::Config),
}

/// What to change; the rest stays as it is.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub mode: Option<Mode>,
    pub delay_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    pub name: &'static str,
    pub address: SocketAddr,
    #[serde(flatten)]
    pub behaviour: Behaviour,
    #[serde(flatten)]
    pub counters: Counters,
}

impl Upstream {
    pub async fn start(name: &'static str, listen: SocketAddr, origin: Origin) -> anyhow::Result<Self> {
        let listener = bind(name, listen).await?;
        let upstream =
            Self { name, address: listener.local_addr()?, origin, gate: Arc::default(), running: Mutex::new(None) };
        *upstream.running.lock().await = Some(upstream.serve(listener).await?);
        Ok(upstream)
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn state(&self) -> State {
        State {
            name: self.name,
            address: self.address,
            behaviour: self.gate.behaviour(),
            counters: self.gate.counters(),
        }
    }

    /// One change at a time: a second one waits until the first is done.
    pub async fn change(&self, change: Change) -> anyhow::Result<State> {
        let mut running = self.running.lock().await;
        let before = self.gate.behaviour();
        let after = Behaviour {
            mode: change.mode.unwrap_or(before.mode),
            delay_ms: change.delay_ms.unwrap_or(before.delay_ms),
        };
        *running = match (running.take(), after.mode) {
            (Some(server), Mode::Stopped) => {
                server.stop().await;
                None
            }
            (None, Mode::Ok | Mode::Error | Mode::Garbage) => {
                let listener = bind(self.name, self.address).await?;
                Some(self.serve(listener).await?)
            }
            (unchanged, _) => unchanged,
        };
        self.gate.set(after);
        Ok(self.state())
    }

    /// For good: closes the address and waits until the origin has ended.
    pub async fn stop(&self) {
        let running = self.running.lock().await.take();
        if let Some(server) = running {
            server.stop().await;
        }
    }

    async fn serve(&self, listener: TcpListener) -> anyhow::Result<Server> {
        let server = Server::default();
        let routes = match &self.origin {
            Origin::Routes(routes) => routes.clone(),
            Origin::Orders(config) => start_orders(config.clone(), &server).await?,
        };
        let gate = middleware::from_fn_with_state(self.gate.clone(), fault::pass);
        server.listen(listener, routes.layer(gate));
        Ok(server)
    }
}

async fn bind(name: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let variable = format!("SHOP__{}__LISTEN", name.to_uppercase());
    server::bind(name, address, &variable).await
}

async fn start_orders(config: orders_svc::Config, server: &Server) -> anyhow::Result<Router> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let serving = orders_svc::serve(config, listener, server.shutdown.clone());
    server.tasks.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!("orders-svc ended: {error:#}");
        }
    });
    Ok(forward::router(address))
}
