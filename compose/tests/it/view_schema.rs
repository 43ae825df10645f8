//! The JSON Schema of view files says what the reader takes: the same keys, the same forms.

mod validate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use compose::definition::{self, KEYS};
use compose::problem::{ErrorCode, File, Problem};
use compose::yaml::{self, Kind, Node};
use serde_json::{Map, Value, json};

use validate::violations;

fn schema() -> Value {
    serde_json::from_str(definition::schema()).unwrap()
}

fn file(text: &str) -> Arc<File> {
    Arc::new(File { name: "view.yaml".into(), text: text.into() })
}

fn read(text: &str) -> Vec<Problem> {
    definition::read(&[file(text)]).1
}

/// What an editor sees: plain scalars are numbers, booleans and null where they look like it.
fn json(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar { text, plain: true } => match text.as_str() {
            "" | "null" | "~" => Value::Null,
            "true" | "false" => json!(text == "true"),
            text => text
                .parse()
                .map(|n: i64| json!(n))
                .or_else(|_| text.parse().map(|n: f64| json!(n)))
                .unwrap_or(json!(text)),
        },
        Kind::Scalar { text, .. } => json!(text),
        Kind::List(items) => items.iter().map(json).collect(),
        Kind::Map(entries) => entries.iter().map(|e| (e.key.clone(), json(&e.value))).collect::<Map<_, _>>().into(),
    }
}

fn documents(text: &str) -> Vec<Value> {
    let documents = yaml::parse(&file(text)).unwrap_or_default();
    documents.iter().filter(|document| !document.is_null()).map(json).collect()
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// The views and fragments of all cases and of the example, each with where it is from.
fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for path in files("tests/cases", "md") {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut block: Option<String> = None;
        for line in text.lines() {
            match &mut block {
                None if line == "```view" || line.starts_with("```fragment") => block = Some(String::new()),
                None => {}
                Some(_) if line.starts_with("```") => {
                    texts.push((path.display().to_string(), block.take().unwrap_or_default()))
                }
                Some(block) => *block += &format!("{line}\n"),
            }
        }
    }
    for path in [files("../config/views", "yaml"), files("../config/views/fragments", "yaml")].concat() {
        texts.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
    }
    texts
}

#[test]
fn it_names_the_keys_that_the_reader_knows() {
    let schema = schema();
    for (name, keys) in KEYS {
        let properties = schema["$defs"][name]["properties"].as_object().unwrap();
        let mut named: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut known = keys.to_vec();
        named.sort_unstable();
        known.sort_unstable();
        assert_eq!(named, known, "{name}");
        for (key, value) in properties {
            assert!(value["description"].is_string(), "{name}.{key} is not described");
        }
    }
    let closed = schema["$defs"].as_object().unwrap().iter().filter(|(_, d)| d["additionalProperties"] == json!(false));
    let unknown: Vec<_> = closed.filter(|(name, _)| !KEYS.iter().any(|(known, _)| known == name)).collect();
    assert_eq!(unknown, Vec::new());
}

#[test]
fn what_the_reader_takes_is_valid() {
    let schema = schema();
    let mut count = 0;
    for (origin, text) in texts().iter().filter(|(_, text)| read(text).is_empty()) {
        for document in documents(text) {
            count += 1;
            assert_eq!(violations(&document, &schema), [""; 0], "{origin}\n{document:#}");
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn a_key_that_the_reader_refuses_is_invalid() {
    let schema = schema();
    for (origin, text) in texts() {
        if read(&text).iter().any(|problem| problem.code == ErrorCode::UnknownKey) {
            let valid = documents(&text).iter().all(|document| violations(document, &schema).is_empty());
            assert!(!valid, "{origin}");
        }
    }
}

/// Wherever a key is put that nobody has heard of, reader and schema agree whether it may stand there.
#[test]
fn both_refuse_an_unheard_key_in_the_same_places() {
    let schema = schema();
    let (mut taken, mut refused) = (0, 0);
    for (origin, text) in texts().iter().filter(|(_, text)| read(text).is_empty()) {
        for document in documents(text) {
            for pointer in maps(&document, String::new()) {
                let mut changed = document.clone();
                let map = changed.pointer_mut(&pointer).and_then(Value::as_object_mut).unwrap();
                map.insert("unheard".into(), json!("x"));
                let problems = read(&format!("{changed}\n"));
                let valid = violations(&changed, &schema).is_empty();
                let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
                assert_eq!(problems.is_empty(), valid, "{origin} at {pointer}\n{}\n{changed:#}", told.join("\n"));
                if valid { taken += 1 } else { refused += 1 }
            }
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} {refused}");
}

/// The pointer of every map within.
fn maps(value: &Value, at: String) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
            let within = members.iter().flat_map(|(name, inner)| maps(inner, format!("{at}/{}", escaped(name))));
            let within: Vec<String> = within.collect();
            [at].into_iter().chain(within).collect()
        }
        Value::Array(items) => items.iter().enumerate().flat_map(|(i, item)| maps(item, format!("{at}/{i}"))).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn values_out_of_their_lists_are_invalid() {
    let schema = schema();
    let view = |rest: Value| {
        let mut view = json!({ "view": "a", "route": "GET /a", "access": "user" });
        view.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        view
    };
    for rest in [
        json!({ "deadline": "2 days" }),
        json!({ "deadline": 5 }),
        json!({ "status": 404 }),
        json!({ "nulls": "drop" }),
        json!({ "route": "FETCH /a" }),
        json!({ "access": [] }),
        json!({ "shape": [1, 2] }),
        json!({ "calls": { "a": {} } }),
        json!({ "calls": { "a": { "http": "x/y", "missing": "maybe" } } }),
        json!({ "calls": { "a-b": { "http": "x/y" } } }),
        json!({ "calls": { "a": { "http": "x/y", "on_fail": { "NOT_HERE": "null" } } } }),
        json!({ "params": { "a": { "in": "cookie", "type": "string" } } }),
    ] {
        let view = view(rest);
        assert!(!violations(&view, &schema).is_empty(), "{view}");
        assert!(!read(&format!("{view}\n")).is_empty(), "{view}");
    }
}
