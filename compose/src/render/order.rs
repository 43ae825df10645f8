//! The items of a list that are kept, in the order that its keys say.

use std::cmp::Ordering;

use super::kept;
use crate::expr::{Code, Env, Fault, List, Value, unescaped};
use crate::plan::Sort;

/// Whether the condition, if there is one, holds for the item.
pub(super) fn keeps<'a>(
    condition: Option<&'a Code>,
    local: usize,
    item: &Value<'a>,
    env: &mut Env<'a>,
) -> Result<bool, Fault> {
    let Some(condition) = condition else { return Ok(true) };
    env.bind(local, item.clone());
    Ok(matches!(kept(env.eval(condition))?, Some(Value::Bool(true))))
}

/// The kept items, ordered; equal ones stay as they were.
pub(super) fn sorted<'a>(
    list: List<'a>,
    local: usize,
    condition: Option<&'a Code>,
    sort: &'a [Sort],
    env: &mut Env<'a>,
) -> Result<Vec<Value<'a>>, Fault> {
    let (mut items, mut keys) = (Vec::new(), Vec::new());
    for item in list.iter() {
        env.spend(1)?;
        if !keeps(condition, local, &item, env)? {
            continue;
        }
        env.bind(local, item.clone());
        let first = keys.len();
        let found = sort.iter().try_for_each(|by| {
            keys.push(key(env.eval(&by.by)?, by.float));
            Ok(())
        });
        match kept(found)? {
            Some(()) => items.push(item),
            None => keys.truncate(first),
        }
    }
    let keys = |item: usize| &keys[item * sort.len()..][..sort.len()];
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|a, b| {
        let each = sort.iter().zip(keys(*a)).zip(keys(*b));
        each.map(|((by, a), b)| compared(a, b, by.descending)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    });
    Ok(order.into_iter().map(|item| std::mem::replace(&mut items[item], Value::Null)).collect())
}

/// The value in the one form that all values of its kind are compared in.
fn key<'a>(value: Value<'a>, float: bool) -> Value<'a> {
    match value {
        Value::Escaped(text) => Value::Text(unescaped(text)),
        value if float => value.number().map_or(Value::Null, Value::Float),
        value => value,
    }
}

/// A total order, whatever the values are: else sorting could not end well.
fn compared(a: &Value<'_>, b: &Value<'_>, descending: bool) -> Ordering {
    let order = match (a, b) {
        (Value::Null, _) | (_, Value::Null) => return a.is_null().cmp(&b.is_null()),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        _ => a.compare(b).unwrap_or(Ordering::Equal),
    };
    if descending { order.reverse() } else { order }
}
