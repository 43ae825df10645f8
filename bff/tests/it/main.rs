//! The server, tested through its front door: real sockets, real callers, its own files.

#![expect(clippy::unwrap_used, reason = "a test may panic; the lint spares test functions but not their helpers")]

mod harness;

mod account;
mod config;
mod edge;
mod keys;
mod store;
mod tidy;
mod upstream;
