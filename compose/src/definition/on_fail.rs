//! What takes the place of a reply that does not come.

use std::time::Duration;

use super::Spanned;
use crate::upstream::Code;
use crate::yaml::Node;

/// As an author writes it: for single codes, and for all others.
#[derive(Debug, Clone, Default)]
pub struct OnFail {
    pub codes: Vec<(Code, Spanned<Fallback<Node>>)>,
    /// None where nothing is said: the view fails.
    pub otherwise: Option<Spanned<Fallback<Node>>>,
}

/// `L` is a default: as it is written, or as the reply it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Fallback<L> {
    /// A copy at most this old, if there is one.
    pub stale: Option<Duration>,
    pub then: Then<L>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Then<L> {
    /// The view fails too, with this HTTP status if one is given.
    Fail(Option<u16>),
    Null,
    /// Null, and members that are null because of it are left out.
    Omit,
    Default(L),
}

impl<L> Fallback<L> {
    pub fn new(then: Then<L>) -> Fallback<L> {
        Fallback { stale: None, then }
    }

    pub fn fails(&self) -> bool {
        matches!(self.then, Then::Fail(_))
    }
}
