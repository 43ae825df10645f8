//! How long a reply is kept, for whom, and what makes it stale.

use std::time::Duration;

use super::{Spanned, Template};
use crate::problem::Place;

#[derive(Debug, Clone)]
pub struct Cache {
    pub scope: Spanned<Scope>,
    pub ttl: Duration,
    /// After its `ttl` an entry still answers this long, while a new one is fetched.
    pub swr: Option<Duration>,
    /// After its `ttl` an entry still answers this long where fetching a new one fails.
    pub stale_if_error: Option<Spanned<Duration>>,
    /// `per: key`: an entry for every key, not for the whole request.
    pub per_key: Option<Place>,
    /// Naming one of these makes the entry stale.
    pub tags: Vec<Template>,
    /// Why the reply may be shared though the request says who asks.
    pub unsafe_shared: Option<Spanned<String>>,
}

/// Whom an entry may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Whoever caused it.
    Private,
    Shared,
}
