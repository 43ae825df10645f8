//! What the inputs are made of: the case files' blocks, and the rich contract.

use std::path::Path;

use super::super::cases::{Case, cases, contracts};
use super::super::decode::Random;
use super::super::equality::wire;
use super::targets::{OPENAPI, RICH, TARGETS, VIEWS};

const THING: &str = r#"{"id": "1", "flag": true, "small": 7, "big": "9007199254740993", "ratio": 1.5e3, "at": "2026-01-31T12:00:00.5Z",
"day": "2026-01-31", "raw": "AQI=", "kind": "two", "note": "t\u00e9\ud83d\ude00", "leaf": {"id": "l", "count": 2, "back": {"id": "b", "leaves": [], "leaf": {"id": "x"}}},
"leaves": [{"id": "b", "count": 1}, {"id": "a", "count": 9223372036854775806}], "tags": ["x", "y"], "grid": [[1, 2], []],
"names": {"b": "B", "a": "A", "a": "again"}, "counts": {"a": 1}, "free": {"x": [1, null]}, "either": {"type": "card", "brand": "v"}}"#;

const REQUESTS: [&str; 3] = [
    "1\nsize=5&tags=a&tags=b\n\n{}",
    "a/b\nbig=18446744073709551615&ratio=1.5&flag=true&kind=ONE&since=2026-01-31T12:00:00Z&day=2026-01-31&price=1.50&tags=%C3%A9\ntrace\n{\"a14\": \"x\", \"leaves\": [{\"id\": \"1\", \"back\": {\"leaf\": {}}}], \"names\": {\"a\": \"b\"}}",
    "x\ntags=1\nt\n{\"a2\": 0.1, \"a4\": \"-5\", \"a15\": \"AQI=\", \"a16\": \"ONE\", \"at\": \"2026-01-31T12:00:00Z\", \"took\": \"1.5s\", \"day\": \"2026-01-31\", \"price\": {\"amount\": \"1.50\", \"currency\": \"USD\"}, \"rate\": \"0.19\", \"wrapped\": \"5\", \"any\": {\"@type\": \"x/t.Leaf\"}, \"free\": {\"a\": [1]}, \"values\": [null], \"list\": [], \"by_number\": {\"5\": {\"id\": \"n\"}}, \"points\": 3, \"line\": [{\"title\": \"t\"}]}",
];

pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "view" => texts(VIEWS.split("---\n").map(str::to_owned).chain([VIEWS.to_owned()]).chain(blocks("view"))),
        "expression" => texts(expressions()),
        "protobuf" => (1..60).map(reply).collect(),
        "json" => texts([THING.to_owned()].into_iter().chain(blocks("reply"))),
        "request" => texts(REQUESTS.map(str::to_owned)),
        "openapi" => texts([OPENAPI.to_owned()].into_iter().chain(blocks("openapi"))),
        "descriptors" => descriptors(),
        _ => panic!("no target has the name {target}"),
    }
}

fn texts(all: impl IntoIterator<Item = String>) -> Vec<Vec<u8>> {
    all.into_iter().map(String::into_bytes).collect()
}

/// Of every case file.
fn blocks(kind: &str) -> impl Iterator<Item = String> {
    let of_case = move |path: std::path::PathBuf| {
        let case = Case::read(&path);
        case.all(kind).map(|block| block.text.clone()).collect::<Vec<_>>()
    };
    cases().into_iter().flat_map(of_case)
}

/// Whatever stands behind a colon in a view, of which most are expressions; half of the names are ones that are there.
fn expressions() -> Vec<String> {
    let rich = VIEWS.to_owned();
    let mut all: Vec<String> = Vec::new();
    for view in blocks("view").chain([rich]) {
        for value in view.lines().filter_map(|line| line.split_once(": ")).map(|(_, value)| value.trim()) {
            let value = value.trim_matches('\'');
            let (head, rest) = value.split_once('.').unwrap_or(("", value));
            let known = head.chars().all(char::is_alphabetic) && !head.is_empty();
            all.extend(known.then(|| format!("m.{rest}")));
            all.push(value.to_owned());
        }
    }
    all.sort();
    all.dedup();
    all
}

fn reply(seed: u64) -> Vec<u8> {
    let message = RICH.pool.get_message_by_name("t.M0").unwrap();
    wire::message(&mut Random(seed), &message, 40, seed.is_multiple_of(4))
}

fn descriptors() -> Vec<Vec<u8>> {
    let own = |path: &std::path::PathBuf| {
        let case = Case::read(path);
        case.all("proto").next().map(|block| contracts::pool(&block.text).encode_to_vec())
    };
    cases().iter().step_by(8).filter_map(own).chain([RICH.pool.encode_to_vec()]).collect()
}

/// Where `fuzz/` begins: `cargo test -p compose --test it corpus -- --ignored`.
#[test]
#[ignore = "writes the files that fuzzing begins with"]
fn write() {
    for (target, _) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        std::fs::create_dir_all(&folder).unwrap();
        for (index, seed) in of(target).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{index:03}")), seed).unwrap();
        }
    }
}
