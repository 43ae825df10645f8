//! The reference of the language says what the code says. `UPDATE_CASES=1` writes it.

use std::path::Path;

use compose::definition::{self, KEYS};
use compose::expr::FUNCTIONS;
use serde_json::Value;

#[test]
fn every_function_is_in_the_reference() {
    let rows = FUNCTIONS.iter().map(|function| [format!("`{function}`"), function.says.to_owned()]);
    holds("docs/expressions.md", &[("functions", table(["Function", "Gives"], rows))]);
}

#[test]
fn every_key_is_in_the_reference() {
    let schema: Value = serde_json::from_str(definition::schema()).unwrap();
    let tables = KEYS.map(|(owner, keys)| {
        let owned = &schema["$defs"][owner];
        let rows = keys.iter().map(|key| {
            let written = &owned["properties"][key];
            let required = owned["required"].as_array().is_some_and(|required| required.contains(&(*key).into()));
            let says = written["description"].as_str().unwrap();
            [format!("`{key}`{}", if required { " *" } else { "" }), example(written, &schema), says.to_owned()]
        });
        (owner, table(["Key", "For example", "Says"], rows))
    });
    holds("docs/views.md", &tables);
}

/// One value that may stand there, or all where they are few.
fn example(written: &Value, schema: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let quoted = |value: &Value| format!("`{}`", text(value));
    if let Some(values) = written["enum"].as_array() {
        let names = values.iter().filter(|value| !value.is_null()).map(quoted);
        return names.collect::<Vec<_>>().join(" ");
    }
    if !written["const"].is_null() {
        return quoted(&written["const"]);
    }
    match (written["examples"].get(0), written["$ref"].as_str()) {
        (Some(first), _) => quoted(first),
        (None, Some(to)) => example(&schema["$defs"][to.trim_start_matches("#/$defs/")], schema),
        (None, None) => match written["type"].as_str() {
            Some("boolean") => "`true`".to_owned(),
            Some("integer") => quoted(written.get("minimum").unwrap_or(&"50".into())),
            _ => String::new(),
        },
    }
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    let rule = format!("|{}\n", "---|".repeat(N));
    [line(head.map(str::to_owned)), rule].into_iter().chain(rows.map(line)).collect()
}

/// The page has each table between its marks.
fn holds(page: &str, tables: &[(&str, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let written = std::fs::read_to_string(&path).unwrap();
    let made = tables.iter().fold(written.clone(), |text, (name, table)| {
        let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
        let (before, rest) = text.split_once(&start).unwrap_or_else(|| panic!("{page} has no place for `{name}`"));
        let (_, after) = rest.split_once(&end).unwrap();
        format!("{before}{start}{table}{end}{after}")
    });
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, made).unwrap();
    } else {
        assert_eq!(written, made, "{page} lacks what the code has: UPDATE_CASES=1 writes it");
    }
}
