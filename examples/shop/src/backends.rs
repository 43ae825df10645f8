//! Everything that stands behind the BFF: the upstreams and the address that controls them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;

use crate::server::{self, Server};
use crate::upstream::{Origin, Upstream};
use crate::{catalog, control, loyalty, profiles};

/// Where each part listens. Port 0 takes a free one.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub control: SocketAddr,
    pub profiles: SocketAddr,
    pub catalog: SocketAddr,
    pub loyalty: SocketAddr,
    pub orders: SocketAddr,
}

pub struct Backends {
    upstreams: Arc<[Upstream]>,
    control: Server,
    control_address: SocketAddr,
}

impl Default for Addresses {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            control: loopback(7000),
            profiles: loopback(7002),
            catalog: loopback(7003),
            loyalty: loopback(50052),
            orders: loopback(50051),
        }
    }
}

impl Addresses {
    /// `SHOP__CONTROL__LISTEN`, `SHOP__PROFILES__LISTEN` and so on, over the defaults.
    pub fn from_env(env: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let mut addresses = Self::default();
        for (variable, value) in env.iter().filter(|(name, _)| name.starts_with("SHOP__")) {
            let part = variable.strip_prefix("SHOP__").and_then(|rest| rest.strip_suffix("__LISTEN"));
            let address = part.and_then(|part| addresses.of(&part.to_lowercase())).with_context(|| {
                format!(
                    "{variable}: no such setting; there are SHOP__CONTROL__LISTEN, SHOP__PROFILES__LISTEN, \
                     SHOP__CATALOG__LISTEN, SHOP__LOYALTY__LISTEN and SHOP__ORDERS__LISTEN"
                )
            })?;
            *address = value
                .parse()
                .with_context(|| format!("{variable}: {value:?} is not an address such as 127.0.0.1:7000"))?;
        }
        Ok(addresses)
    }

    pub fn of(&mut self, part: &str) -> Option<&mut SocketAddr> {
        match part {
            "control" => Some(&mut self.control),
            "profiles" => Some(&mut self.profiles),
            "catalog" => Some(&mut self.catalog),
            "loyalty" => Some(&mut self.loyalty),
            "orders" => Some(&mut self.orders),
            _ => None,
        }
    }
}

impl Backends {
    /// Without a configuration for it, orders-svc runs elsewhere.
    pub async fn start(addresses: Addresses, orders: Option<orders_svc::Config>) -> anyhow::Result<Self> {
        let loyalty = Origin::Routes(loyalty::router().await?);
        let mut upstreams = vec![
            Upstream::start("profiles", addresses.profiles, Origin::Routes(profiles::router())).await?,
            Upstream::start("catalog", addresses.catalog, Origin::Routes(catalog::router())).await?,
            Upstream::start("loyalty", addresses.loyalty, loyalty).await?,
        ];
        if let Some(orders) = orders {
            upstreams.push(Upstream::start("orders", addresses.orders, Origin::Orders(orders)).await?);
        }
        let upstreams = Arc::from(upstreams);
        let listener = server::bind("control", addresses.control, "SHOP__CONTROL__LISTEN").await?;
        let control_address = listener.local_addr()?;
        let control = Server::default();
        control.listen(listener, control::router(Arc::clone(&upstreams)));
        Ok(Self { upstreams, control, control_address })
    }

    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    pub fn find(&self, name: &str) -> Option<&Upstream> {
        self.upstreams.iter().find(|upstream| upstream.name() == name)
    }

    pub fn control_address(&self) -> SocketAddr {
        self.control_address
    }

    pub async fn stop(self) {
        self.control.stop().await;
        for upstream in self.upstreams.iter() {
            upstream.stop().await;
        }
    }
}
