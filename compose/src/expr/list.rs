//! Lists: on a reply's tape, of a request's own texts, or computed.

use std::cmp::Ordering;
use std::slice;
use std::sync::Arc;

use super::eval::Evaluated;
use super::value::Node;
use super::{Fault, Number, Operator, Value, number, text};
use crate::tape::{Cell, Tape};

#[derive(Debug, Clone)]
pub enum List<'a> {
    /// A chain of nodes.
    Chain {
        tape: &'a Tape,
        head: u32,
        len: u32,
    },
    Texts(&'a [String]),
    Values(Arc<[Value<'a>]>),
}

/// The items of a list, in order.
pub enum Items<'a> {
    Chain { tape: &'a Tape, node: u32, left: u32 },
    Texts(slice::Iter<'a, String>),
    Values { of: Arc<[Value<'a>]>, next: usize },
}

impl<'a> List<'a> {
    pub fn len(&self) -> usize {
        match self {
            List::Chain { len, .. } => *len as usize,
            List::Texts(texts) => texts.len(),
            List::Values(values) => values.len(),
        }
    }

    pub fn iter(&self) -> Items<'a> {
        match self {
            List::Chain { tape, head, len } => Items::Chain { tape, node: *head, left: *len },
            List::Texts(texts) => Items::Texts(texts.iter()),
            List::Values(values) => Items::Values { of: values.clone(), next: 0 },
        }
    }

    /// Of a map, whose nodes lie one behind the other, sorted by key.
    pub fn value_of(&self, key: &Value<'_>) -> Value<'a> {
        let List::Chain { tape, head, len } = self else { return Value::Null };
        let entry = |index: u32| match tape.cells.get((head + 2 * index + 1) as usize) {
            Some(Cell::Record(at)) => Some(Node { tape, at: *at }),
            _ => None,
        };
        let (mut from, mut to) = (0, *len);
        while from < to {
            let middle = from + (to - from) / 2;
            let Some(found) = entry(middle) else { return Value::Null };
            match found.slot(0).compare(key) {
                Some(Ordering::Equal) => return found.slot(1),
                Some(Ordering::Less) => from = middle + 1,
                Some(Ordering::Greater) => to = middle,
                None => return Value::Null,
            }
        }
        Value::Null
    }

    /// The item at an index from 0; null where there is none.
    pub fn get(&self, index: &Value<'_>) -> Value<'a> {
        let index = index.integer().and_then(|i| usize::try_from(i).ok()).filter(|i| *i < self.len());
        index.and_then(|i| self.iter().nth(i)).unwrap_or(Value::Null)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        match self {
            Items::Chain { tape, node, left } => {
                *left = left.checked_sub(1)?;
                let value = *tape.cells.get(*node as usize + 1)?;
                if let Cell::Link(next) = tape.cells[*node as usize] {
                    *node = next;
                }
                Some(Value::of_cell(tape, value))
            }
            Items::Texts(texts) => texts.next().map(|text| Value::text_of(text)),
            Items::Values { of, next } => {
                *next += 1;
                of.get(*next - 1).cloned()
            }
        }
    }
}

pub(super) fn len<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [value] = values else { return Err(Fault::misfit()) };
    let len = match value {
        Value::List(list) => list.len(),
        value => text::of(value)?.chars().count(),
    };
    counted(len)
}

fn counted<'a>(len: usize) -> Evaluated<'a> {
    i32::try_from(len).map(|len| Value::Int(len.into())).map_err(|_| Fault::misfit())
}

/// JSON carries bytes as base64.
pub(super) fn len_of_bytes<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    match values {
        [Value::Bytes(bytes)] => counted(bytes.len()),
        [base64] => counted(text::of(base64)?.bytes().filter(|&byte| byte != b'=').count() * 3 / 4),
        _ => Err(Fault::misfit()),
    }
}

pub(super) fn first<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [Value::List(list)] = values else { return Err(Fault::misfit()) };
    Ok(list.iter().next().unwrap_or(Value::Null))
}

pub(super) fn last<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [Value::List(list)] = values else { return Err(Fault::misfit()) };
    Ok(list.iter().last().unwrap_or(Value::Null))
}

pub(super) fn contains<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [Value::List(list), wanted] = values else { return Err(Fault::misfit()) };
    Ok(Value::Bool(list.iter().any(|item| item.compare(wanted) == Some(Ordering::Equal))))
}

pub(super) fn min<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    extreme(values, Ordering::Less)
}

pub(super) fn max<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    extreme(values, Ordering::Greater)
}

/// Of a list, or of the values themselves; the first of equal ones.
fn extreme<'a>(values: &[Value<'a>], wanted: Ordering) -> Evaluated<'a> {
    let mut found = Value::Null;
    let mut see = |value: Value<'a>| {
        if found.is_null() || (!value.is_null() && value.order(&found)? == wanted) {
            found = value;
        }
        Ok(())
    };
    match values {
        [Value::List(list)] => list.iter().try_for_each(&mut see)?,
        values => values.iter().cloned().try_for_each(&mut see)?,
    }
    Ok(found)
}

/// Of all that is not null.
pub(super) fn sum<'a>(list: &Value<'a>, number: Number) -> Evaluated<'a> {
    let Value::List(list) = list else { return Ok(Value::Null) };
    let mut items = list.iter().filter(|item| !item.is_null());
    let Some(first) = items.next() else { return Ok(number.nothing()) };
    items.try_fold(first, |sum, item| number::arithmetic(Operator::Add, number, &sum, &item))
}
