//! Requests handed on as they are.

use super::{Spanned, Template};
use crate::problem::Place;

#[derive(Debug, Clone)]
pub struct Proxy {
    pub place: Place,
    pub source: Spanned<String>,
    /// The path there.
    pub to: Template,
    /// Bytes of a body at the most.
    pub max_body: Option<Spanned<u64>>,
    /// Media types that a body may have: `image/png`, `image/*`.
    pub types: Vec<Spanned<String>>,
    /// Where `websocket: true` stands.
    pub websocket: Option<Place>,
    /// Bytes of one of its messages at the most.
    pub max_message: Option<Spanned<u64>>,
}
