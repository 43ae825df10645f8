//! How the JSON body of an HTTP call is written.

use super::Format;
use crate::expr::Code;

#[derive(Debug)]
pub enum Json {
    Value(Code, Format),
    Object(Vec<JsonMember>),
    List(Vec<Json>),
    /// Null of null, else `object` with the record bound.
    Record {
        of: Code,
        local: usize,
        object: Box<Json>,
    },
    /// Null of null, else `item` for each item, bound.
    Each {
        of: Code,
        local: usize,
        item: Box<Json>,
    },
    /// Null of null, else an object of the entries, each bound.
    Map {
        of: Code,
        local: usize,
        key: Code,
        value: Box<Json>,
    },
    /// Null of null, else the case that is not null, with the record of the cases bound.
    Union {
        of: Code,
        local: usize,
        cases: Vec<Json>,
    },
    /// The keys of the batch.
    Keys,
}

#[derive(Debug)]
pub struct JsonMember {
    /// `"name":` as it is written.
    pub key: String,
    /// It is left out where its value is null.
    pub optional: bool,
    pub value: Json,
}
