//! Decodes replies and request bodies: bytes and a layout in, a tape of the used values out.
//!
//! One pass, nothing allocated per field. Whatever does not keep to the layout is a `Violation` that says where and
//! what would be right; it never repeats more than a few words of the input.

mod items;
mod json;
pub(crate) mod literal;
mod map;
mod proto;
mod scan;
mod skip;

use std::fmt;

use bytes::Bytes;

pub(crate) use items::Items;
pub(crate) use literal::is_number;

use crate::tape::{Cell, JsonRead, Layout, Tape, Value};

/// A body's violations beyond these are not looked for.
pub const MAX_VIOLATIONS: usize = 32;

/// A bound on the memory that one input can take: an empty message is two bytes on the wire, but a cell for each slot.
const MAX_CELLS: usize = 1 << 23;
/// The same of what a client sent.
const MAX_BODY_CELLS: usize = 1 << 18;

/// Where an input breaks its contract, and what would have been right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// RFC 6901.
    pub pointer: String,
    /// missing, null, type, range, format, unknown, duplicate, conflict, syntax, depth or size.
    pub code: &'static str,
    pub message: String,
}

/// What an upstream answered. Unknown fields are skipped; the first violation ends it.
pub fn reply(layout: &Layout, bytes: Bytes) -> Result<Tape, Violation> {
    check_size(&bytes)?;
    match layout {
        Layout::Proto(message) => proto::tape(message, bytes),
        Layout::Json(value) => {
            let cells = if bytes.is_empty() { nothing(value) } else { None };
            let cells = cells.map_or_else(|| json::reply(value, &bytes), Ok)?;
            Ok(Tape { bytes, cells })
        }
    }
}

/// A success without content, where the contract knows of one.
fn nothing(value: &Value) -> Option<Vec<Cell>> {
    match &value.read {
        _ if value.nullable => Some(vec![Cell::Null]),
        JsonRead::Object(object) if object.members.is_empty() => Some(vec![Cell::Record(1)]),
        _ => None,
    }
}

/// What a client sent. Unknown and repeated members are violations, and all of them are reported at once.
pub fn body(value: &Value, bytes: Bytes) -> Result<Tape, Vec<Violation>> {
    check_size(&bytes).map_err(|violation| vec![violation])?;
    let cells = json::body(value, &bytes)?;
    Ok(Tape { bytes, cells })
}

impl Violation {
    #[cold]
    fn new(path: &Path<'_>, code: &'static str, message: impl Into<String>) -> Violation {
        Violation { pointer: path.to_string(), code, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer} {}", self.message),
        }
    }
}

/// The way to a value; it lives on the stack, and becomes text only when there is something to say.
enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, u32),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Item(parent, index) => write!(f, "{parent}/{index}"),
            Path::Member(parent, name) => {
                write!(f, "{parent}/")?;
                name.chars().try_for_each(|c| match c {
                    '~' => f.write_str("~0"),
                    '/' => f.write_str("~1"),
                    c => fmt::Write::write_char(f, c),
                })
            }
        }
    }
}

/// Spans and cells count in 32 bits.
fn check_size(bytes: &Bytes) -> Result<(), Violation> {
    match u32::try_from(bytes.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Violation::new(&Path::Root, "size", "must be smaller than 4 GiB")),
    }
}
