//! The engine from outside.

#![expect(clippy::unwrap_used, reason = "a test may panic; the lint spares test functions but not their helpers")]

mod cases;
mod decode;
mod definition;
mod equality;
mod expr;
mod hostile;
mod kept;
mod reference;
mod schema;
mod view_schema;
mod write;
