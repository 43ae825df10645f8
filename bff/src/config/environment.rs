//! Variables `BFF__SECTION__KEY`, laid over the files. `BFF__SECTION__KEY_FILE` names a file that holds the text.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

use toml::{Table, Value};

use super::{Config, explain, overlay};

const PREFIX: &str = "BFF__";
const SECRET_SUFFIX: &str = "_file";
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The settings with every variable applied, and what is wrong with the others.
pub fn apply(settings: Table, variables: &BTreeMap<String, String>) -> (Table, Vec<String>) {
    let mut settings = settings;
    let mut problems = Vec::new();
    for (name, text) in variables {
        let Some(path) = path(name) else { continue };
        match read(&path, text).or_else(|reason| secret(&path, text).unwrap_or(Err(reason))) {
            Ok(layer) => settings = overlay(settings, layer),
            Err(reason) => problems.push(format!("{name}: {reason}")),
        }
    }
    (settings, problems)
}

/// `BFF__HTTP__LISTEN` -> http, listen; RUST_LOG is the one foreign name that is honoured.
fn path(name: &str) -> Option<Vec<String>> {
    if name == "RUST_LOG" {
        return Some(vec!["telemetry".to_owned(), "level".to_owned()]);
    }
    let path = name.strip_prefix(PREFIX)?;
    Some(path.split("__").map(str::to_lowercase).collect())
}

/// The first reading of the text that its option takes; else why the plainest one was refused.
fn read(path: &[String], text: &str) -> Result<Table, String> {
    let readings = candidates(text).into_iter().map(|value| fits(path, value));
    let best = readings.reduce(|first, next| if first.is_ok() || next.is_err() { first } else { next });
    best.unwrap_or_else(|| Err("has no value".to_owned()))
}

/// For an option that is text: what the file holds, without the line's end. None if there is no such option.
fn secret(path: &[String], file: &str) -> Option<Result<Table, String>> {
    let (key, section) = path.split_last()?;
    let key = key.strip_suffix(SECRET_SUFFIX)?.to_owned();
    let path = [section, &[key]].concat();
    fits(&path, Value::String(String::new())).ok()?;
    let text = contents(file).map_err(|error| format!("cannot read {file}: {error}"));
    Some(text.and_then(|text| fits(&path, Value::String(text.trim_end_matches(['\r', '\n']).to_owned()))))
}

fn contents(file: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {MAX_SECRET_BYTES} bytes")));
    }
    Ok(text)
}

/// A variable is text; the option decides whether it is meant as a number, a flag or a list.
fn candidates(text: &str) -> Vec<Value> {
    let literal = toml::from_str::<Table>(&format!("value = {text}")).ok();
    let literal = literal.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    let list = text.split(',').map(|item| Value::String(item.trim().to_owned())).collect();
    literal.into_iter().chain([Value::String(text.to_owned()), Value::Array(list)]).collect()
}

/// The value at its place, if an option of that name and type exists.
fn fits(path: &[String], value: Value) -> Result<Table, String> {
    let layer = path.iter().rev().fold(value, |value, key| Value::Table(Table::from_iter([(key.clone(), value)])));
    let Value::Table(layer) = layer else { return Err("names no option".to_owned()) };
    match Config::try_from_table(layer.clone()) {
        Ok(()) => Ok(layer),
        Err(error) => Err(explain(error.message())),
    }
}

impl Config {
    fn try_from_table(layer: Table) -> Result<(), toml::de::Error> {
        layer.try_into::<Self>().map(|_| ())
    }
}
