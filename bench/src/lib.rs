//! The views of the benchmarks over services that answer at once, with bytes that are ready: what is left to measure is
//! the engine.

mod large;
mod services;
mod view;

pub use large::{large_orders, large_products};
pub use services::Services;
pub use view::{View, check_and_plan, contracts, files};
