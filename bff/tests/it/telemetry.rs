//! What the server says of itself: logs, measures, traces.

mod logs;
mod measures;
mod screen;
pub mod traces;
