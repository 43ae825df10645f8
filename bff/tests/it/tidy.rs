//! The house rules, kept true: who imports whom, how long things are, what they are called.

mod source;

use std::path::Path;

use source::Source;

/// Each module of the server and what it may import from it; `app` wires all, `clock`, `meter` and `seal` are for all.
const IMPORTS: [(&str, &[&str]); 19] = [
    ("main", &["app", "config", "telemetry"]),
    ("http", &["views", "identity", "idempotency", "limits"]),
    ("views", &["cache", "upstream", "identity"]),
    ("identity", &["limits", "notify", "events", "store"]),
    ("cache", &["store"]),
    ("notify", &["store"]),
    ("events", &["store"]),
    ("limits", &["store"]),
    ("idempotency", &["store"]),
    ("contracts", &["upstream", "views"]),
    ("upstream", &[]),
    ("store", &[]),
    ("telemetry", &[]),
    ("causes", &[]),
    ("clock", &[]),
    ("meter", &[]),
    ("seal", &[]),
    // Each part's Config; `config_takes_only_configs` looks closer.
    (
        "config",
        &["http", "views", "identity", "limits", "idempotency", "cache", "notify", "upstream", "store", "telemetry"],
    ),
    (
        "app",
        &[
            "config",
            "http",
            "views",
            "identity",
            "limits",
            "idempotency",
            "cache",
            "notify",
            "events",
            "contracts",
            "upstream",
            "store",
            "telemetry",
        ],
    ),
];

const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_MODULE_DOC_LINES: usize = 10;

const DRAWERS: [&str; 11] =
    ["core", "common", "util", "utils", "helper", "helpers", "misc", "manager", "service", "impl", "mod"];

/// What an engine without sockets, clock, files and environment has no use for.
const FOREIGN_TO_COMPOSE: [&str; 8] =
    ["std::net", "std::env", "std::fs", "std::time::SystemTime", "tokio::net", "tokio::fs", "http", "bff"];

/// Fails with every violation, one a line.
fn assert_none(violations: impl Iterator<Item = String>) {
    let violations: Vec<String> = violations.collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn server() -> Vec<Source> {
    code("bff/src").collect()
}

fn workspace() -> Vec<Source> {
    ["bff/src", "compose/src", "orders-svc/src", "examples/shop/src", "bench/src"].into_iter().flat_map(code).collect()
}

fn code(folder: &str) -> impl Iterator<Item = Source> {
    source::under(folder).into_iter().filter(|file| !file.is_test())
}

#[test]
fn arrows_point_down() {
    assert_none(server().iter().filter(|file| file.top() != "lib").flat_map(|file| {
        let known = IMPORTS.iter().find(|(name, _)| *name == file.top());
        let Some((_, allowed)) = known else {
            return vec![format!("{}: a module without a place in the import table", file.name)];
        };
        let permitted = |part: &str| {
            part == file.top() || ["causes", "clock", "meter", "seal"].contains(&part) || allowed.contains(&part)
        };
        let wrong = file.own_imports().filter(|path| !permitted(&path[0]));
        wrong.map(|path| format!("{}: may not import {}", file.name, path.join("::"))).collect()
    }));
}

#[test]
fn config_takes_only_configs() {
    let parts = IMPORTS.iter().find(|(name, _)| *name == "config").unwrap().1;
    assert_none(server().iter().filter(|file| file.top() == "config").flat_map(|file| {
        let uses = file.paths.iter().map(|path| path.strip_prefix(&["crate".to_owned()][..]).unwrap_or(path));
        let wrong =
            uses.filter(|path| path.len() > 1 && parts.contains(&path[0].as_str()) && !path[1].ends_with("Config"));
        wrong.map(|path| format!("{}: takes {}", file.name, path.join("::"))).collect::<Vec<_>>()
    }));
}

#[test]
fn views_know_identity_by_its_caller_alone() {
    assert_none(server().iter().filter(|file| file.top() == "views").flat_map(|file| {
        let wrong =
            file.own_imports().filter(|path| path[0] == "identity" && path.get(1).is_none_or(|it| it != "Caller"));
        wrong.map(|path| format!("{}: takes {}", file.name, path.join("::"))).collect::<Vec<_>>()
    }));
}

#[test]
fn some_crates_have_one_home() {
    let homes: [(&[&str], &[&str]); 6] = [
        (&["axum", "axum_extra", "tower_http"], &["http"]),
        (&["sqlx", "redis"], &["store"]),
        // What replicas share, and what services announce.
        (&["async_nats"], &["store", "upstream"]),
        (&["compose"], &["views"]),
        (&["clap"], &["main"]),
        (&["lettre"], &["notify"]),
    ];
    assert_none(server().iter().flat_map(|file| {
        let wrong = homes.iter().filter(|(crates, homes)| {
            !homes.contains(&file.top()) && file.paths.iter().any(|path| crates.contains(&path[0].as_str()))
        });
        wrong.map(|(crates, homes)| format!("{}: {crates:?} belong to {homes:?}", file.name)).collect::<Vec<_>>()
    }));
}

#[test]
fn only_configuration_reads_the_environment() {
    assert_none(workspace().iter().filter(|file| !["main", "bin", "config", "build"].contains(&file.top())).flat_map(
        |file| {
            let reads = file
                .paths
                .iter()
                .filter(|path| path.iter().any(|part| part == "env") && path.last().unwrap().starts_with("var"));
            reads.map(|path| format!("{}: reads {}", file.name, path.join("::"))).collect::<Vec<_>>()
        },
    ));
}

#[test]
fn compose_needs_nothing_of_ours() {
    let manifest = std::fs::read_to_string(source::root().join("compose/Cargo.toml")).unwrap();
    for name in ["bff", "orders-svc", "shop", "axum", "hyper", "reqwest", "tonic", "sqlx"] {
        assert!(!manifest.contains(&format!("\n{name}.workspace")), "compose depends on {name}");
    }
    assert_none(code("compose/src").collect::<Vec<_>>().iter().flat_map(|file| {
        let foreign = file.paths.iter().filter(|path| path.len() > 1).map(|path| path.join("::"));
        let foreign = foreign.filter(|path| {
            FOREIGN_TO_COMPOSE.iter().any(|name| path == name || path.starts_with(&format!("{name}::")))
        });
        foreign.map(|path| format!("{}: takes {path}", file.name)).collect::<Vec<_>>()
    }));
}

#[test]
fn files_and_functions_fit() {
    assert_none(workspace().iter().flat_map(|file| {
        let lines = file.code.lines().count();
        let file_problem = (lines > MAX_FILE_LINES).then(|| format!("{}: {lines} lines", file.name));
        let functions = file.functions().into_iter().filter(|(_, lines)| *lines > MAX_FUNCTION_LINES);
        let function_problems = functions.map(|(name, lines)| format!("{}: fn {name} has {lines} lines", file.name));
        file_problem.into_iter().chain(function_problems).collect::<Vec<_>>()
    }));
}

#[test]
fn every_file_says_what_it_is_for() {
    assert_none(workspace().iter().filter_map(|file| match file.module_doc_lines() {
        0 => Some(format!("{}: has no module docs", file.name)),
        lines if lines > MAX_MODULE_DOC_LINES => Some(format!("{}: {lines} lines of module docs", file.name)),
        _ => None,
    }));
}

#[test]
fn nothing_is_a_drawer() {
    let tests = ["bff/tests", "compose/tests", "orders-svc/tests"].into_iter().flat_map(source::under);
    assert_none(workspace().into_iter().chain(tests).filter_map(|file| {
        let path = Path::new(&file.name).with_extension("");
        let drawer = path.iter().filter_map(|part| part.to_str()).find(|part| DRAWERS.contains(part))?.to_owned();
        Some(format!("{}: `{drawer}` says nothing", file.name))
    }));
}
