//! One configuration file: read, and checked alone, so that a problem has a line and a column.

use std::fs;
use std::path::Path;

use toml::Table;
use toml::de::{DeTable, DeValue};

use super::{Config, explain};

const MAX_BYTES: u64 = 1024 * 1024;
const MAX_PROBLEMS: usize = 20;

pub fn read(path: &Path) -> Result<Table, Vec<String>> {
    let name = path.display().to_string();
    let size = fs::metadata(path).map_err(|error| vec![format!("{name}: cannot be read: {error}")])?.len();
    if size > MAX_BYTES {
        return Err(vec![format!("{name}: is larger than {MAX_BYTES} bytes")]);
    }
    let text = fs::read_to_string(path).map_err(|error| vec![format!("{name}: cannot be read: {error}")])?;
    parse(&name, &text)
}

/// Checks the text against the options that exist, and returns it as written.
pub fn parse(name: &str, text: &str) -> Result<Table, Vec<String>> {
    let located = |error: &toml::de::Error| {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        format!("{name}:{line}:{column}: {}", explain(error.message()))
    };
    let mut document = DeTable::parse(text).map_err(|error| vec![located(&error)])?;
    let mut problems = Vec::new();
    // Serde stops at the first problem: take out what it stumbled over, and ask again.
    while let Err(error) = check(document.clone()) {
        problems.push(located(&error));
        let Some(span) = error.span() else { break };
        if problems.len() == MAX_PROBLEMS || !remove(document.get_mut(), span.start) {
            break;
        }
    }
    if problems.is_empty() { toml::from_str(text).map_err(|error| vec![located(&error)]) } else { Err(problems) }
}

fn check(document: toml::Spanned<DeTable<'_>>) -> Result<(), toml::de::Error> {
    serde::Deserialize::deserialize(toml::Deserializer::from(document)).map(|_: Config| ())
}

/// Removes the innermost entry at `offset`; says whether there was one.
fn remove(table: &mut DeTable<'_>, offset: usize) -> bool {
    let entry = table.iter_mut().find_map(|(key, value)| {
        let inside = match value.get_mut() {
            DeValue::Table(inner) => remove(inner, offset),
            _ => false,
        };
        let here = key.span().contains(&offset) || value.span().contains(&offset);
        (inside || here).then(|| (key.clone(), inside))
    });
    match entry {
        Some((_, true)) => true,
        Some((key, false)) => table.remove(&key).is_some(),
        None => false,
    }
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
