//! The example shop: three upstreams, the orders backend and the BFF in one process, with real sockets between them.
//!
//! Read in this order: [`profiles`], [`catalog`] and [`loyalty`] are three small services; an [`upstream::Upstream`]
//! gives each a socket and the [`fault`]s that [`control`] asks for; [`demo`] starts everything, [`standalone`] the three alone.

pub mod catalog;
pub mod loyalty;
pub mod profiles;

pub mod demo;
pub mod standalone;

pub mod backends;
pub mod control;
pub mod fault;
pub mod upstream;

mod batch;
mod forward;
mod problem;
mod rooms;
mod server;

/// The ids of the demo accounts: the BFF's `sub`, and the key of their profiles, points and orders.
pub mod account {
    pub const USER: &str = "01890000-0000-7000-8000-000000000001";
    pub const OPERATOR: &str = "01890000-0000-7000-8000-000000000002";
    pub const AUDITOR: &str = "01890000-0000-7000-8000-000000000003";
    pub const ADMIN: &str = "01890000-0000-7000-8000-000000000004";
}
