//! The shop's upstreams through their own sockets.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;
mod process;

mod addresses;
mod catalog;
mod contracts;
mod control;
mod demo;
mod faults;
mod live;
mod loyalty;
mod profiles;
mod pull;
mod standalone;
mod views;
