//! A first version of a view, from the contracts of what it calls: all that can be asked, and all scalars of the answers.

mod request;
mod shape;

use std::fmt::Write;

use crate::expr::is_name;
use crate::plan::camel_case;
use crate::problem::nearest;
use crate::schema::{Contracts, Operation, Protocol, Source};
use request::Asked;

/// The text of a view file, or why there is none. An operation is written `source/name`.
pub fn scaffold(contracts: &Contracts, view: &str, operations: &[String]) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !view.starts_with(|c: char| c.is_ascii_lowercase()) || !view.chars().all(is_plain) {
        return Err(format!("`{view}` is no name for a view; write small letters, digits and `-`, as in `order-list`"));
    }
    let found = operations.iter().map(|written| Target::find(contracts, written)).collect::<Result<Vec<_>, _>>()?;
    let changing = found.iter().filter(|target| !target.operation.safe).count();
    match found.as_slice() {
        [] => return Err("name an operation".to_owned()),
        [_] => {}
        _ if found.iter().any(|target| target.streams) => return Err("a stream is a view of its own".to_owned()),
        _ if changing > 1 => {
            return Err("start with one operation that changes something, and add the other".to_owned());
        }
        _ => {}
    }
    let mut asked = Asked::new(contracts, method(&found));
    let calls = named(&found);
    let requests = found.iter().map(|target| asked.request(target)).collect::<Result<Vec<_>, _>>()?;
    let mut text = format!("view: {view}\nroute: {} {}\naccess: user\n", asked.method, asked.path(view));
    text += &asked.text();
    if !found.iter().any(|target| target.streams) {
        text += "calls:\n";
    }
    for ((target, name), request) in found.iter().zip(&calls).zip(&requests) {
        let protocol = if matches!(target.operation.protocol, Protocol::Grpc { .. }) { "grpc" } else { "http" };
        let (head, indent) =
            if target.streams { ("stream:\n".to_owned(), "  ") } else { (format!("  {name}:\n"), "    ") };
        let _ = writeln!(text, "{head}{indent}{protocol}: {}", target.written);
        if !request.is_empty() {
            let _ = writeln!(text, "{indent}request:");
            request.iter().for_each(|line| text += &format!("{indent}  {line}\n"));
        }
        if target.streams {
            if !target.operation.safe {
                text += "  safe: true    # the author's word that it only reads: the contract does not say so\n";
            }
            let _ = writeln!(text, "{indent}as: {name}");
        }
    }
    text += &shape::shape(contracts, &found, &calls)?;
    Ok(text)
}

/// An operation that the view is to call.
struct Target<'a> {
    written: &'a str,
    source: &'a Source,
    source_name: &'a str,
    operation: &'a Operation,
    /// It has many replies.
    streams: bool,
}

impl<'a> Target<'a> {
    fn find(contracts: &'a Contracts, written: &'a str) -> Result<Target<'a>, String> {
        let all = || {
            contracts.sources.iter().flat_map(|(source, s)| {
                s.operations.keys().chain(s.streams.keys()).map(move |name| format!("{source}/{name}"))
            })
        };
        let unknown = || {
            let known: Vec<String> = all().collect();
            let near = nearest(written, &known.iter().map(String::as_str).collect::<Vec<_>>()).map(str::to_owned);
            let ends =
                || known.iter().find(|k| k.ends_with(&format!(".{written}")) || k.ends_with(&format!("/{written}")));
            match near.or_else(|| ends().cloned()) {
                Some(near) => format!("there is no operation `{written}`; did you mean `{near}`?"),
                None => format!("there is no operation `{written}`; without one, `bff new` lists them"),
            }
        };
        let (source_name, name) = written.split_once('/').ok_or_else(unknown)?;
        let source = contracts.sources.get(source_name).ok_or_else(unknown)?;
        let (operation, streams) = match (source.operations.get(name), source.streams.get(name)) {
            (Some(operation), _) => (operation, false),
            (None, Some(operation)) => (operation, true),
            (None, None) => return Err(unknown()),
        };
        Ok(Target { written, source, source_name, operation, streams })
    }
}

/// By what its one call does, or GET where none changes anything.
fn method(targets: &[Target<'_>]) -> &'static str {
    let Some(changing) = targets.iter().find(|target| !target.operation.safe && !target.streams) else { return "GET" };
    let name = last_part(&changing.operation.name);
    match &changing.operation.protocol {
        Protocol::Http { method, .. } => ["PUT", "PATCH", "DELETE"].into_iter().find(|m| m == method).unwrap_or("POST"),
        Protocol::Grpc { .. } if name.starts_with("Delete") => "DELETE",
        Protocol::Grpc { .. } if name.starts_with("Update") => "PATCH",
        Protocol::Grpc { .. } => "POST",
    }
}

fn last_part(operation: &str) -> &str {
    operation.rsplit('.').next().unwrap_or(operation)
}

/// A name for each call: `getOrder`.
fn named(targets: &[Target<'_>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for target in targets {
        let name = camel_case(last_part(&target.operation.name));
        let mut characters = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_');
        let first = characters.next().map(|c| c.to_ascii_lowercase());
        let name: String = first.into_iter().chain(characters).collect();
        let name = if target.streams { "event" } else { &*name };
        let name = if is_name(name) { name } else { "call" };
        let taken = names.iter().filter(|other| other.trim_end_matches(|c: char| c.is_ascii_digit()) == name).count();
        names.push(if taken == 0 { name.to_owned() } else { format!("{name}{}", taken + 1) });
    }
    names
}
