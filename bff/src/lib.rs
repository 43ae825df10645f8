//! A backend-for-frontend server: accounts, sessions and declared views over the services behind it.
//!
//! Read from the top: `app` builds the parts and hands each what it needs, `http` holds the routes,
//! and what is further down knows nothing of what is above it.

pub mod app;
pub mod cache;
pub mod config;
pub mod contracts;
pub mod events;
pub mod http;
pub mod idempotency;
pub mod identity;
pub mod limits;
pub mod notify;
pub mod store;
pub mod upstream;
pub mod views;

pub mod causes;
pub mod clock;
pub mod meter;
pub mod seal;
pub mod telemetry;
