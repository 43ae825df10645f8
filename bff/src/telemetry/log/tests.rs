use std::fs;
use std::path::{Path, PathBuf};

use super::{Treatment, treatment};

const EVENTS: [&str; 5] =
    ["tracing::error!(", "tracing::warn!(", "tracing::info!(", "tracing::debug!(", "tracing::trace!("];

#[test]
fn a_field_is_written_only_if_it_is_listed() {
    assert_eq!(treatment("status"), Treatment::Written);
    assert_eq!(treatment("authorization"), Treatment::Withheld);
    assert_eq!(treatment("otel.kind"), Treatment::Skipped);
}

/// Else a line would come out without what its author put in.
#[test]
fn every_field_that_our_lines_have_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["bff/src", "orders-svc/src", "examples/shop/src"].map(|folder| root.join(folder));
    let unknown: Vec<String> = folders.into_iter().flat_map(sources).flat_map(|file| unknown_fields(&file)).collect();
    assert!(unknown.is_empty(), "not listed:\n{}", unknown.join("\n"));
}

fn sources(folder: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"));
    rust.chain(folders.into_iter().flat_map(sources)).collect()
}

fn unknown_fields(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let events = EVENTS.iter().flat_map(|event| text.split(event).skip(1));
    let names = events.flat_map(field_names);
    let unknown = names.filter(|name| treatment(name) != Treatment::Written);
    unknown.map(|name| format!("{}: {name}", file.display())).collect()
}

/// The names in front of the message: `%name`, `name`, `name = value`.
fn field_names(event: &str) -> Vec<String> {
    let fields = event.split('"').next().unwrap();
    let (mut depth, mut names) = (0, vec![String::new()]);
    for char in fields.chars() {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            char if depth == 0 => names.last_mut().unwrap().push(char),
            _ => {}
        }
        if depth < 0 {
            break;
        }
    }
    let name = |text: &String| text.split('=').next().unwrap().trim().trim_start_matches(['%', '?']).to_owned();
    names.iter().map(name).filter(|name| !name.is_empty()).collect()
}
