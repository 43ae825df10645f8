//! Where settings come from, and what is said about wrong ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bff::config::{self, Config};
use bff::upstream::Identity;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("test.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_default_file_states_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, config::DEFAULTS);
    let mut written = config::load(&[path], &BTreeMap::new()).unwrap();
    assert_eq!(written.sources.keys().collect::<Vec<_>>(), ["catalog", "loyalty", "orders", "profiles"]);
    assert_eq!(written.sources["orders"].identity, Identity::Token);
    written.sources.clear();
    assert_eq!(format!("{written:#?}"), format!("{:#?}", Config::default()));
}

#[test]
fn a_later_file_lies_over_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first.toml", "second.toml"].map(|name| folder.path().join(name));
    std::fs::write(&first, "[http]\ntimeout_ms = 1\ndrain_ms = 2\n[sources.a]\nhttp = 'http://a'").unwrap();
    std::fs::write(&second, "[http]\ntimeout_ms = 3\n[sources.a]\ntimeout_ms = 4\n[sources.b]").unwrap();
    let config = config::load(&[first, second], &BTreeMap::new()).unwrap();
    assert_eq!((config.http.timeout_ms, config.http.drain_ms), (3, 2));
    assert_eq!((config.sources["a"].http.as_deref(), config.sources["a"].timeout_ms), (Some("http://a"), 4));
    assert_eq!(config.sources.keys().collect::<Vec<_>>(), ["a", "b"], "the example's sources are gone");
}

#[test]
fn the_environment_lies_over_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        file(&folder, "[http]\nlisten = '127.0.0.1:1000'\ntimeout_ms = 5\n[sources.orders]\ngrpc = 'http://a:1'");
    let variables = variables(&[
        ("BFF__HTTP__LISTEN", "127.0.0.1:2000"),
        ("BFF__HTTP__MAX_BODY_BYTES", "42"),
        ("BFF__SOURCES__ORDERS__GRPC", "http://b:2"),
        ("BFF__SOURCES__ORDERS__AUDIENCE", "7"),
        ("RUST_LOG", "bff=debug"),
        ("HOME", "/somewhere"),
    ]);
    let config = config::load(&[path], &variables).unwrap();
    assert_eq!(config.http.listen.port(), 2000);
    assert_eq!((config.http.max_body_bytes, config.http.timeout_ms), (42, 5));
    assert_eq!(config.sources["orders"].grpc.as_deref(), Some("http://b:2"));
    assert_eq!(config.sources["orders"].audience.as_deref(), Some("7"));
    assert_eq!(config.telemetry.level, "bff=debug");
    assert_eq!(config.http.public_url(), "http://127.0.0.1:2000");
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "[http]\nlisten = 'nowhere'\ntimeout = 5\n\n[sources.orders]\ngrcp = 'x'\nidentity = 'tokn'\n[htpp]\na = 1\n";
    let path = file(&folder, text);
    let variables = variables(&[("BFF__HTTP__LISTN", "1"), ("BFF__HTTP__TIMEOUT_MS", "soon")]);
    let problems = config::load(&[path], &variables).unwrap_err().to_string();
    let mut lines: Vec<_> =
        problems.lines().map(|line| line.split_once("test.toml:").map_or(line, |(_, at)| at)).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "2:10: invalid socket address syntax",
            "3:1: there is no option `timeout`; did you mean `timeout_ms`?",
            "6:1: there is no option `grcp`; did you mean `grpc`?",
            "7:12: there is no value `tokn`; did you mean `token`?",
            "8:2: there is no option `htpp`; did you mean `http`?",
            "BFF__HTTP__LISTN: there is no option `listn`; did you mean `listen`?",
            "BFF__HTTP__TIMEOUT_MS: invalid type: string \"soon\", expected u64",
        ]
    );
}

#[test]
fn broken_syntax_and_missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "[http\nlisten = 1");
    let problem = config::load(&[path], &BTreeMap::new()).unwrap_err().to_string();
    assert!(problem.contains("test.toml:1:6: "), "{problem}");
    let problem = config::load(&[folder.path().join("away.toml")], &BTreeMap::new()).unwrap_err().to_string();
    assert!(problem.contains("away.toml: cannot be read: "), "{problem}");
}

#[test]
fn production_refuses_what_is_only_fit_for_development() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "environment = 'production'\n[admin]\nlisten = '0.0.0.0:9464'");
    let problems = config::load(&[path], &BTreeMap::new()).unwrap_err().to_string();
    assert_eq!(
        problems,
        "http.public_url: production needs the https address that browsers use\n\
         admin.listen: 0.0.0.0:9464 can be reached from outside; set admin.token as well"
    );
}
