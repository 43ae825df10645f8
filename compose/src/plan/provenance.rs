//! Where the values of an answer come from: kept for authors, never read by a request.

use std::fmt;

use super::CallSet;
use crate::problem::Place;

/// One place of the answer, a value or what encloses some.
pub struct Provenance {
    /// A JSON pointer; `*` stands for any item of a list.
    pub pointer: String,
    /// Where in the view it is written.
    pub place: Place,
    /// The type of its expression, as contracts name types.
    pub ty: String,
    /// How JSON shows it, where that needs saying.
    pub written: Option<&'static str>,
    pub calls: CallSet,
    pub origins: Vec<Origin>,
    pub nullable: bool,
    pub absences: Vec<Absence>,
}

impl fmt::Debug for Provenance {
    /// Where it is written is no part of what a plan does: moved lines change nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.ty)
    }
}

/// A part of a reply or of the request that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// From the call's name on: `recent.orders[].total`.
    pub path: String,
    pub ty: String,
}

/// Why a value may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// The call has no reply.
    Call(usize),
    /// The call has no result for the key.
    Key(usize),
    /// The contract does not promise the field.
    Field(String),
    /// The map has no such key.
    Entry(String),
    /// The list has no such item.
    Item(String),
    /// All that the list holds is null, or nothing.
    Empty(String),
    Header(String),
    /// The view says so.
    Null,
}
