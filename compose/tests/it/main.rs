//! The engine from outside.

mod cases;
mod decode;
mod schema;
mod write;
