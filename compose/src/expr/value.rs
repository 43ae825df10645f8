//! Values, borrowed from where they lie or computed.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::decimal::Decimal;
use super::list::List;
use super::{Fault, Money};
use crate::tape::{Cell, Tape};
use crate::write;

/// A value borrowed from where it lies. Texts were found to be UTF-8 when they were decoded: what only copies them does not
/// look again.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(Cow<'a, [u8]>),
    /// The inside of a JSON string, with its escapes.
    Escaped(&'a [u8]),
    /// A JSON number token.
    Number(&'a [u8]),
    /// A JSON value.
    Json(&'a [u8]),
    Bytes(&'a [u8]),
    /// A decimal that is computed with; services send them as texts.
    Decimal(Box<Decimal>),
    Time {
        seconds: i64,
        nanos: i32,
    },
    Date {
        year: i32,
        month: u8,
        day: u8,
    },
    /// An amount of money that was computed; services' are records.
    Money(Box<Money<'a>>),
    Record(Node<'a>),
    List(List<'a>),
}

/// Every look at a field makes one.
const _: () = assert!(size_of::<Value<'_>>() <= 32);

#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    pub tape: &'a Tape,
    pub at: u32,
}

impl<'a> Value<'a> {
    /// The reply itself.
    pub fn of_tape(tape: &'a Tape) -> Value<'a> {
        tape.cells.first().map_or(Value::Null, |cell| Value::of_cell(tape, *cell))
    }

    pub fn of_cell(tape: &'a Tape, cell: Cell) -> Value<'a> {
        match cell {
            Cell::Null | Cell::Link(_) => Value::Null,
            Cell::Bool(b) => Value::Bool(b),
            Cell::Int(i) => Value::Int(i),
            Cell::Uint(u) => Value::Uint(u),
            Cell::Float(f) => Value::Float(f),
            Cell::Text(span) => Value::Text(Cow::Borrowed(tape.slice(span))),
            Cell::Escaped(span) => Value::Escaped(tape.slice(span)),
            Cell::Number(span) => Value::Number(tape.slice(span)),
            Cell::Json(span) => Value::Json(tape.slice(span)),
            Cell::Bytes(span) => Value::Bytes(tape.slice(span)),
            Cell::Time { seconds, nanos } => Value::Time { seconds, nanos },
            Cell::Date { year, month, day } => Value::Date { year, month, day },
            Cell::Record(at) => Value::Record(Node { tape, at }),
            Cell::List { head, len, .. } => Value::List(List::Chain { tape, head, len }),
        }
    }

    pub fn text_of(text: &'a str) -> Value<'a> {
        Value::Text(Cow::Borrowed(text.as_bytes()))
    }

    /// A computed text.
    pub fn of_string(text: String) -> Value<'a> {
        Value::Text(Cow::Owned(text.into_bytes()))
    }

    /// Of an integer of 64 bits, with a sign or without.
    pub fn of_integer(integer: i128) -> Value<'a> {
        match (i64::try_from(integer), u64::try_from(integer)) {
            (Ok(signed), _) => Value::Int(signed),
            (Err(_), Ok(unsigned)) => Value::Uint(unsigned),
            (Err(_), Err(_)) => Value::Null,
        }
    }

    pub fn integer(&self) -> Option<i128> {
        match self {
            Value::Int(i) => Some((*i).into()),
            Value::Uint(u) => Some((*u).into()),
            _ => None,
        }
    }

    /// Steps to look at all of it.
    pub fn extent(&self) -> usize {
        match self {
            Value::Text(text) => text.len() / 16,
            Value::Escaped(text) | Value::Number(text) | Value::Json(text) => text.len() / 16,
            Value::Bytes(bytes) => bytes.len() / 16,
            Value::List(list) => list.len(),
            _ => 0,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn is_true(&self) -> bool {
        matches!(self, Value::Bool(true))
    }

    /// The value as text: texts unescaped, numbers in decimal, times as RFC 3339. None of records, lists and null.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        let mut out = Vec::new();
        match self {
            Value::Text(t) => return Some(Cow::Borrowed(utf8(t))),
            Value::Escaped(t) => return Some(write::unescape(utf8(t))),
            Value::Number(t) => return Some(Cow::Borrowed(utf8(t))),
            Value::Bool(b) => return Some(Cow::Borrowed(if *b { "true" } else { "false" })),
            Value::Int(i) => write::int(&mut out, *i),
            Value::Uint(u) => write::uint(&mut out, *u),
            Value::Float(f) => write::float(&mut out, *f)?,
            Value::Time { seconds, nanos } => write::timestamp(&mut out, *seconds, *nanos)?,
            Value::Date { year, month, day } => write::date(&mut out, *year, *month, *day)?,
            Value::Bytes(b) => write::base64(&mut out, b),
            Value::Decimal(decimal) => return Some(Cow::Owned(decimal.to_string())),
            Value::Null | Value::Json(_) | Value::Money(_) | Value::Record(_) | Value::List(_) => return None,
        }
        String::from_utf8(out).ok().map(Cow::Owned)
    }

    /// The same value, borrowed from this one.
    pub fn reborrow(&'a self) -> Value<'a> {
        match self {
            Value::Text(t) => Value::Text(Cow::Borrowed(t)),
            other => other.clone(),
        }
    }

    /// A number that is no decimal, as near as 64 bits of floating point come.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Uint(u) => Some(*u as f64),
            Value::Float(f) => Some(*f),
            Value::Number(t) => utf8(t).parse().ok(),
            _ => None,
        }
    }

    pub fn order(&self, other: &Value<'_>) -> Result<Ordering, Fault> {
        self.compare(other).ok_or_else(|| Fault::new("two values have no order, as amounts of two currencies"))
    }

    /// Null is equal to null alone, and in no order with anything.
    pub fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Value::Null, Value::Null) => Some(Ordering::Equal),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
            (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Value::Time { seconds: a, nanos: an }, Value::Time { seconds: b, nanos: bn }) => {
                Some((a, an).cmp(&(b, bn)))
            }
            (Value::Date { year, month, day }, Value::Date { year: y, month: m, day: d }) => {
                Some((year, month, day).cmp(&(y, m, d)))
            }
            (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Text(_) | Value::Escaped(_), Value::Text(_) | Value::Escaped(_)) => {
                Some(self.text()?.cmp(&other.text()?))
            }
            (Value::Decimal(_), _) | (_, Value::Decimal(_)) => {
                Some(Decimal::of(self).ok()?.compare(Decimal::of(other).ok()?))
            }
            (Value::Money(_) | Value::Record(_), Value::Money(_) | Value::Record(_)) => {
                Money::of(self).ok()?.compare(&Money::of(other).ok()?)
            }
            _ => match (self.integer(), other.integer()) {
                (Some(integer), None) => exactly(integer, other.number()?),
                (None, Some(integer)) => exactly(integer, self.number()?).map(Ordering::reverse),
                _ => self.number()?.partial_cmp(&other.number()?),
            },
        }
    }
}

/// A text that was found to be UTF-8 before.
pub(crate) fn utf8(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

/// The text of a JSON string's inside.
pub(crate) fn unescaped(inside: &[u8]) -> Cow<'_, [u8]> {
    match write::unescape(utf8(inside)) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// An integer beside a number, neither of which is rounded for it.
fn exactly(integer: i128, number: f64) -> Option<Ordering> {
    if number.is_nan() {
        return None;
    }
    // What is beyond 128 bits is cut to them, which no integer of 64 comes near.
    let order = integer.cmp(&(number.trunc() as i128));
    Some(order.then(0.0.partial_cmp(&number.fract())?))
}

impl<'a> Node<'a> {
    #[inline]
    pub fn slot(self, slot: u16) -> Value<'a> {
        Value::of_cell(self.tape, self.cell(slot))
    }

    /// The record in a slot.
    #[inline]
    pub fn record(self, slot: u16) -> Option<Node<'a>> {
        match self.cell(slot) {
            Cell::Record(at) => Some(Node { at, ..self }),
            _ => None,
        }
    }

    /// The text in a slot, where it is one without escapes.
    pub fn text(self, slot: u16) -> Option<&'a [u8]> {
        match self.cell(slot) {
            Cell::Text(span) => Some(self.tape.slice(span)),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn cell(self, slot: u16) -> Cell {
        self.tape.cells.get(self.at as usize + usize::from(slot)).copied().unwrap_or(Cell::Null)
    }
}
