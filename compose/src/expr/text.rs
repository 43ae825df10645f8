//! Functions of texts. Characters are Unicode scalar values, and no text grows without a bound.

use std::borrow::Cow;

use super::eval::Evaluated;
use super::list::List;
use super::{Fault, Value};

/// Bytes of a computed text at the most.
const MAX_TEXT: usize = 1 << 20;
/// Parts of a text that is split, at the most.
const MAX_PARTS: usize = 10_000;

/// Appends what a value is as text.
pub(super) fn append(text: &mut String, value: &Value<'_>) -> Result<(), Fault> {
    push(text, &of(value)?)
}

fn push(text: &mut String, part: &str) -> Result<(), Fault> {
    if text.len() + part.len() > MAX_TEXT {
        return Err(too_long());
    }
    text.push_str(part);
    Ok(())
}

fn too_long() -> Fault {
    Fault::new("a computed text is longer than 1 MiB")
}

pub(super) fn of<'v>(value: &'v Value<'_>) -> Result<Cow<'v, str>, Fault> {
    value.text().ok_or_else(|| Fault::new("a value that has no text stands where a text is needed"))
}

fn owned<'a>(text: impl Into<String>) -> Evaluated<'a> {
    let text = text.into();
    if text.len() > MAX_TEXT { Err(too_long()) } else { Ok(Value::of_string(text)) }
}

pub(super) fn string<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [value] = values else { return Err(Fault::misfit()) };
    owned(of(value)?)
}

pub(super) fn lower<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [text] = values else { return Err(Fault::misfit()) };
    owned(of(text)?.to_lowercase())
}

pub(super) fn upper<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [text] = values else { return Err(Fault::misfit()) };
    owned(of(text)?.to_uppercase())
}

pub(super) fn trim<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [text] = values else { return Err(Fault::misfit()) };
    owned(of(text)?.trim())
}

pub(super) fn substr<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [text, counts @ ..] = values else { return Err(Fault::misfit()) };
    let count = |value: &Value<'_>| {
        let count =
            value.integer().filter(|count| *count >= 0).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        count.ok_or_else(|| Fault::new("`substr` takes no negative numbers"))
    };
    let start = counts.first().map_or(Ok(0), count)?;
    let length = counts.get(1).map_or(Ok(usize::MAX), count)?;
    owned(of(text)?.chars().skip(start).take(length).collect::<String>())
}

pub(super) fn replace<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [text, from, to] = values else { return Err(Fault::misfit()) };
    let (text, from, to) = (of(text)?, separator(from)?, of(to)?);
    let mut replaced = String::new();
    let mut rest = &*text;
    while let Some((before, after)) = rest.split_once(&*from) {
        push(&mut replaced, before)?;
        push(&mut replaced, &to)?;
        rest = after;
    }
    push(&mut replaced, rest)?;
    owned(replaced)
}

fn separator<'v>(value: &'v Value<'_>) -> Result<Cow<'v, str>, Fault> {
    let text = of(value)?;
    if text.is_empty() { Err(Fault::new("an empty text separates nothing")) } else { Ok(text) }
}

pub(super) fn split<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [text, by] = values else { return Err(Fault::misfit()) };
    let (text, by) = (of(text)?, separator(by)?);
    let parts: Vec<Value<'a>> =
        text.split(&*by).take(MAX_PARTS + 1).map(|part| Value::of_string(part.to_owned())).collect();
    if parts.len() > MAX_PARTS {
        return Err(Fault::new(format!("a text is split into more than {MAX_PARTS} parts")));
    }
    Ok(Value::List(List::Values(parts.into())))
}

pub(super) fn join<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [Value::List(list), between] = values else { return Err(Fault::misfit()) };
    let between = of(between)?;
    let mut joined = String::new();
    for (i, item) in list.iter().filter(|item| !item.is_null()).enumerate() {
        if i > 0 {
            push(&mut joined, &between)?;
        }
        append(&mut joined, &item)?;
    }
    owned(joined)
}

pub(super) fn starts_with<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    compare(values, |text, part| text.starts_with(part))
}

pub(super) fn ends_with<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    compare(values, |text, part| text.ends_with(part))
}

pub(super) fn contains<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    compare(values, |text, part| text.contains(part))
}

fn compare<'a>(values: &[Value<'a>], holds: fn(&str, &str) -> bool) -> Evaluated<'a> {
    let [text, part] = values else { return Err(Fault::misfit()) };
    Ok(Value::Bool(holds(&of(text)?, &of(part)?)))
}

pub(super) fn etag<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [text] = values else { return Err(Fault::misfit()) };
    let text = of(text)?;
    let quoted = text.strip_prefix("W/").unwrap_or(&text);
    let tag = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|tag| !tag.contains('"'));
    tag.map_or_else(
        || Err(Fault::bad_request("a text is not one entity-tag in quotes; neither `*` nor a list is taken")),
        owned,
    )
}
