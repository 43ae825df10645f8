//! Everything that speaks HTTP to the outside: the routes, and nothing else, on one screen.

mod access_log;
mod account;
mod address_limit;
mod admin;
mod caller;
mod caller_limit;
mod capacity;
mod client_address;
mod compression;
mod config;
mod connection;
mod cors;
mod current;
pub mod dev_messages;
mod docs;
mod facts;
pub mod health;
pub mod layers;
pub mod metrics;
pub mod openapi;
mod operator;
mod page;
mod probe;
mod problem;
mod purge;
mod reload;
mod request;
mod request_id;
mod server;
mod session_cookie;
mod static_file;
mod tls;
mod trace_context;
mod user;
mod views;

pub use address_limit::{AddressLimit, RateLimit};
pub use axum::Router;
pub use caller_limit::CallerLimit;
pub use client_address::{ClientAddress, ForwardedHeader, Network};
pub use config::{AdminConfig, Config};
pub use current::Current;
pub use facts::Facts;
pub use probe::{ProbeError, probe};
pub use problem::{FieldError, Location, Problem};
pub use request::{Json, Path, Query};
pub use server::{Limits, listen, serve};
pub use tls::{TlsError, acceptor};
pub use trace_context::TraceContext;
pub use views::StreamLimit;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, patch, post};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::limit::RequestBodyLimitLayer;

use crate::clock::Clock;
use crate::idempotency::Idempotency;
use crate::identity::Identity;
use crate::meter::Meter;
use crate::views::{Reloader, Terms, Views};

/// What the public routes are made of, except the views, which change while the server runs.
pub struct Site {
    pub config: Config,
    pub identity: Arc<Identity>,
    pub idempotency: Idempotency,
    pub clock: Clock,
    pub address_limit: Option<AddressLimit>,
    pub caller_limit: CallerLimit,
    pub streams: StreamLimit,
    pub meter: Meter,
    /// Ends streams, so that they do not hold up a stop.
    pub closing: CancellationToken,
    /// Where what a handler leaves behind goes on, and is waited for.
    pub tasks: TaskTracker,
}

/// What handlers use, each taken by its type.
#[derive(Clone, FromRef)]
struct Parts {
    identity: Arc<Identity>,
    caller_limit: CallerLimit,
}

/// What the operators' handlers use, each taken by its type.
#[derive(Clone, FromRef)]
pub struct AdminParts {
    pub checks: health::Checks,
    pub measures: metrics::Page,
    pub reloader: Reloader,
    pub purger: purge::Purger,
    /// In development.
    pub mailbox: Option<dev_messages::Mailbox>,
}

/// Where no view can stand: what is answered here, now or by a later version.
const RESERVED: [&str; 7] =
    ["/healthz", "/.well-known", "/v1/auth", "/v1/admin", "/v1/access-keys", "/openapi.json", "/docs"];

/// What is allowed to a view here.
pub fn terms(config: &Config) -> Terms {
    Terms { reserved: &RESERVED, longest: Duration::from_millis(config.timeout_ms) }
}

impl Site {
    /// The public routes, with these views.
    pub fn router(&self, views: &Views) -> Router {
        let Self { config, identity, caller_limit, .. } = self;
        let parts = Parts { identity: Arc::clone(identity), caller_limit: caller_limit.clone() };
        let document = openapi::file(&openapi::document(views, &openapi::Callers::of(identity)));
        let [answering, handing_on] = views::routes(views, self);
        let accounts = Router::new()
            .route("/v1/auth/verify-code", post(account::verify_code))
            .route("/v1/auth/register", post(account::register))
            .route("/v1/auth/login", post(account::login))
            .route("/v1/auth/refresh", post(account::refresh))
            .route("/v1/auth/logout", post(account::logout))
            .route("/v1/auth/me", get(account::me))
            .route("/v1/auth/me", patch(account::update_me))
            .route("/v1/auth/me", delete(account::delete_me))
            .route("/v1/auth/sessions", get(account::sessions))
            .route("/v1/auth/sessions/{id}", delete(account::end_session))
            .route("/v1/auth/update-password", post(account::update_password))
            .route("/v1/auth/confirm-identifier", post(account::confirm_identifier))
            .route("/v1/auth/reset-password", post(account::reset_password))
            .route("/v1/auth/confirm-reset-password", post(account::confirm_reset_password))
            .route("/v1/admin/users/{id}", get(admin::user))
            .route("/v1/admin/users/{id}", patch(admin::change_user))
            .route("/v1/admin/users/{id}/sessions", get(admin::user_sessions))
            .route_layer(from_fn(request::refuse_query))
            // These take a query, and say themselves what may stand in it.
            .route("/v1/auth/me/logins", get(account::logins))
            .route("/v1/auth/sessions", delete(account::end_sessions))
            .route("/v1/admin/users", get(admin::users))
            .route("/v1/admin/users/{id}", delete(admin::delete_user))
            .route("/v1/admin/users/{id}/sessions", delete(admin::end_user_sessions))
            .route("/v1/admin/users/{id}/sessions/{session}", delete(admin::end_user_session))
            // Nobody is known yet who sends these: ten thousand strangers must not fill the memory.
            .layer(RequestBodyLimitLayer::new(account::MAX_BODY_BYTES))
            .route_layer(from_fn_with_state(Arc::clone(identity), caller::refuse_visitors));
        let routes = Router::new()
            .merge(if identity.has_accounts() { accounts } else { Router::new() })
            .route("/v1/admin/audit", get(admin::audit))
            .route("/.well-known/jwks.json", get(account::jwks))
            .route("/healthz", get(health::alive))
            .layer(from_fn(caller_limit::told))
            .layer(from_fn_with_state(parts.clone(), caller::keep_other_sites_out))
            .with_state(parts)
            .route("/openapi.json", get(openapi::openapi).with_state(Arc::new(document)))
            .merge(if config.docs { docs::routes() } else { Router::new() })
            .merge(answering);
        layers::public(routes, handing_on, config, self.address_limit.clone(), &self.meter)
    }
}

/// The operators' routes.
pub fn admin_router(config: &AdminConfig, parts: AdminParts) -> Router {
    let routes = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/reload", post(reload::reload))
        .route("/purge", post(purge::purge))
        .route("/dev/messages", get(dev_messages::messages))
        .with_state(parts);
    layers::admin(routes, config)
}
