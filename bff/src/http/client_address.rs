//! Where a request comes from: the connection's other end, or what proxies that we trust say of it.
//!
//! A proxy appends the address it was called from, so the header is read from its end: each hop
//! counts only as far as the one that wrote it is trusted. What a client wrote is never reached.

mod hop;

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use http::HeaderMap;
use ipnet::IpNet;
use serde::Deserialize;

use super::Config;
use crate::identity::network;
use crate::limits::household;

/// The address of the client itself; IPv4 is never in its IPv6 form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The header in which trusted proxies name the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// A network, or a single address; written as in `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(IpNet);

/// Whom to believe, and where they speak.
#[derive(Debug)]
pub struct Proxies {
    trusted: Vec<Network>,
    header: ForwardedHeader,
}

impl ClientAddress {
    /// Whom a limit is for.
    pub fn household(self) -> IpAddr {
        household(self.0)
    }

    /// What a log may keep.
    pub fn shortened(self) -> String {
        network(self.0)
    }
}

impl From<&Config> for Proxies {
    fn from(config: &Config) -> Self {
        Self { trusted: config.trusted_proxies.clone(), header: config.forwarded_header }
    }
}

impl Proxies {
    /// None where no connection stands behind the request.
    pub fn identify(&self, request: &Request) -> Option<ClientAddress> {
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        Some(self.client(peer.ip(), request.headers()))
    }

    /// The first hop from the end that is not a trusted proxy; a hop that says nothing ends the walk.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.to_canonical();
        if self.trust(client) {
            for hop in hop::from_the_end(self.header, headers).take(MAX_HOPS) {
                let Some(address) = hop else { break };
                client = address.to_canonical();
                if !self.trust(client) {
                    break;
                }
            }
        }
        ClientAddress(client)
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|Network(network)| network.contains(&address))
    }
}

const MAX_HOPS: usize = 32;

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let network = text.parse::<IpNet>().or(address);
        network.map(Self).map_err(|_| format!("`{text}` is neither an address nor a network like 10.0.0.0/8"))
    }
}
