//! Everything that speaks HTTP to the outside: the routes, and nothing else, on one screen.

mod account;
mod caller;
mod config;
pub mod health;
pub mod layers;
mod problem;
mod request;
mod server;
mod views;

pub use axum::Router;
pub use config::{AdminConfig, Config};
pub use problem::{FieldError, Location, Problem};
pub use request::{Json, Path, Query};
pub use server::{Limits, serve};

use std::sync::Arc;

use axum::extract::FromRef;
use axum::routing::{get, post};

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::identity::Identity;
use crate::views::Views;

/// What handlers use, each taken by its type.
#[derive(Clone, FromRef)]
pub struct Parts {
    pub identity: Arc<Identity>,
}

/// Where no view can stand: what is answered here, now or by a later version.
pub const RESERVED: [&str; 7] =
    ["/healthz", "/.well-known", "/v1/auth", "/v1/admin", "/v1/access-keys", "/openapi.json", "/docs"];

/// The public routes.
pub fn router(config: &Config, parts: Parts, views: &Views, clock: &Clock, closing: &CancellationToken) -> Router {
    let declared = views::routes(views, parts.identity.clone(), clock, closing);
    let routes = Router::new()
        .route("/healthz", get(health::alive))
        .route("/.well-known/jwks.json", get(account::jwks))
        .route("/v1/auth/login", post(account::login))
        .route("/v1/auth/refresh", post(account::refresh))
        .route("/v1/auth/logout", post(account::logout))
        .route("/v1/auth/me", get(account::me))
        .with_state(parts)
        .merge(declared);
    layers::public(routes, config)
}

/// The operators' routes.
pub fn admin_router(config: &AdminConfig, checks: health::Checks) -> Router {
    let routes =
        Router::new().route("/healthz", get(health::alive)).route("/readyz", get(health::ready)).with_state(checks);
    layers::admin(routes, config)
}
