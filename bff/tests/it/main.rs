//! The server, tested through its front door: real sockets, real callers, its own files.

#![expect(clippy::unwrap_used, reason = "a test may panic; the lint spares test functions but not their helpers")]

mod harness;

mod account;
mod admin;
mod attack;
mod author;
mod cache;
mod coalesce;
mod codes;
mod config;
mod conformance;
mod contracts;
mod cross_site;
mod deploy;
mod docs;
mod edge;
mod etag;
mod events;
mod failures;
mod hostile;
mod idempotency;
mod issuers;
mod keys;
mod leaks;
mod limits;
mod notify;
mod openapi;
mod own_account;
mod passage;
mod progressive;
mod reload;
mod roles;
mod seed;
mod sockets;
mod store;
mod streams;
mod subjects;
mod sweep;
mod telemetry;
mod throttle;
mod tidy;
mod upstream;
mod variants;
