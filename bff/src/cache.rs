//! What one request has fetched and another can use; so far only while it is on its way.

mod flight;

pub use flight::{Flight, Flights};
