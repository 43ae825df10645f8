//! The answer: every scalar of the replies, and of the records and lists in them.

use super::Target;
use crate::expr::is_name;
use crate::plan::camel_case;
use crate::schema::{Contracts, Direction, Field, Kind, RecordId, Type};

/// The lines of `shape`; none where there is nothing to read and something was changed.
pub(super) fn shape(contracts: &Contracts, targets: &[Target<'_>], calls: &[String]) -> Result<String, String> {
    let single = targets.len() == 1;
    let mut text = String::new();
    for (target, call) in targets.iter().zip(calls) {
        let indent = if single { "  " } else { "    " };
        let lines = reply(contracts, &target.operation.response, call, indent);
        if lines.is_empty() && (target.operation.safe || target.streams) {
            return Err(format!("`{}` has nothing to show in an answer", target.operation.name));
        }
        if !lines.is_empty() && !single {
            text += &format!("  {call}:\n");
        }
        text += &lines;
    }
    Ok(if text.is_empty() { text } else { format!("shape:\n{text}") })
}

fn reply(contracts: &Contracts, ty: &Type, call: &str, indent: &str) -> String {
    match &ty.kind {
        Kind::Record(id) if ty.nullable => members(contracts, *id, &format!("{call}?"), indent),
        Kind::Record(id) => members(contracts, *id, call, indent),
        Kind::List(item) => match (&item.kind, item.is_leaf()) {
            (_, true) => format!("{indent}items: {call}\n"),
            (Kind::Record(_), false) => several(contracts, item, "items", call, indent),
            _ => String::new(),
        },
        Kind::Union(_) | Kind::Opaque(_) => String::new(),
        _ => format!("{indent}value: {call}\n"),
    }
}

fn members(contracts: &Contracts, id: RecordId, of: &str, indent: &str) -> String {
    let mut written: Vec<String> = Vec::new();
    let mut lines = String::new();
    for field in read(contracts, id).filter(|field| is_name(&field.name)) {
        let key = camel_case(&field.name);
        if written.contains(&key) {
            continue;
        }
        lines += &member(contracts, field, &key, &format!("{of}.{}", field.name), indent);
        written.push(key);
    }
    lines
}

fn member(contracts: &Contracts, field: &Field, key: &str, path: &str, indent: &str) -> String {
    match &field.ty.kind {
        _ if field.ty.is_leaf() => format!("{indent}{key}: {path}\n"),
        Kind::Record(id) => match picked(contracts, *id) {
            names if names.is_empty() => String::new(),
            names => format!("{indent}{key}:\n{indent}  of: {path}\n{indent}  pick: [{names}]\n"),
        },
        Kind::List(item) => match &item.kind {
            Kind::Record(_) => several(contracts, item, key, path, indent),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

fn several(contracts: &Contracts, item: &Type, key: &str, path: &str, indent: &str) -> String {
    let Kind::Record(id) = item.kind else { return String::new() };
    match picked(contracts, id) {
        names if names.is_empty() => String::new(),
        names if item.nullable => {
            let members = names.split(", ").map(|name| format!("{indent}    {}: one?.{name}\n", camel_case(name)));
            format!("{indent}{key}:\n{indent}  from: {path} as one\n{indent}  item:\n{}", members.collect::<String>())
        }
        names => format!("{indent}{key}:\n{indent}  from: {path}\n{indent}  pick: [{names}]\n"),
    }
}

/// What an answer may have.
fn read(contracts: &Contracts, id: RecordId) -> impl Iterator<Item = &Field> {
    contracts.record(id).fields.iter().filter(|field| field.direction != Direction::Sent)
}

fn picked(contracts: &Contracts, id: RecordId) -> String {
    let mut keys: Vec<String> = Vec::new();
    let mut names = Vec::new();
    for field in read(contracts, id).filter(|field| field.ty.is_leaf() && is_name(&field.name)) {
        let key = camel_case(&field.name);
        if !keys.contains(&key) {
            keys.push(key);
            names.push(field.name.as_str());
        }
    }
    names.join(", ")
}
