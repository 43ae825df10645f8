//! What whoever writes views meets on the command line: which files are read, and what is said of those that are not.

use std::path::Path;
use std::process::{Command, Stdio};

use bff::app;
use bff::config::Config;
use bff::upstream;
use tempfile::TempDir;

use crate::harness::bare_config;

const PROTO: &str = "syntax = \"proto3\";\npackage PACKAGE;\n\
    service Tea { rpc Get(Ask) returns (Cup) { option idempotency_level = NO_SIDE_EFFECTS; } }\nmessage Ask { string id = 1; }\nmessage Cup { string name = 1; }\n";

/// A view that calls the source `tea`.
fn view(name: &str) -> String {
    format!(
        "view: {name}\nroute: GET /v1/{name}\naccess: public\n\
         calls:\n  cup: {{ grpc: tea/tea.v1.Tea.Get, request: {{ id: string(1) }} }}\n\
         shape: {{ name: cup.name }}\n"
    )
}

/// A configuration with the sources `tea` and `pot`, which share a folder of protos, and no view.
fn shop() -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = bare_config(&folder);
    for package in ["tea.v1", "pot.v1"] {
        let path = folder.path().join(format!("protos/{package}.proto"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, PROTO.replace("PACKAGE", package)).unwrap();
    }
    for name in ["tea", "pot"] {
        let protos = Some(folder.path().join("protos").display().to_string());
        let grpc = Some("http://127.0.0.1:1".to_owned());
        config.sources.insert(name.to_owned(), upstream::Config { grpc, protos, ..upstream::Config::default() });
    }
    (folder, config)
}

fn write(config: &Config, name: &str, text: impl AsRef<[u8]>) {
    let path = Path::new(&config.views.dir).join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn refusal(config: &Config) -> String {
    app::check(config).unwrap_err().to_string()
}

#[test]
fn files_are_read_in_every_folder_whatever_their_case_and_hidden_ones_are_not() {
    let (_folder, config) = shop();
    for name in ["one.yaml", "deep/er/two.YAML", "fragments/three.Yml"] {
        write(&config, name, view(Path::new(name).file_stem().unwrap().to_str().unwrap()));
    }
    for name in [".one.yaml.swp.yaml", ".git/four.yaml", "five.yaml~", "notes.txt"] {
        write(&config, name, "no: view");
    }
    std::os::unix::fs::symlink("..", Path::new(&config.views.dir).join("deep/circle")).unwrap();
    let told = app::check(&config).unwrap();
    assert!(told.ends_with("\n3 views, no problems\n"), "{told}");
    assert!(["one", "two", "three"].iter().all(|name| told.contains(&format!("/v1/{name}"))), "{told}");
}

#[test]
fn what_cannot_be_read_as_a_view_is_told_with_a_way_out() {
    let (_folder, config) = shop();
    let dir = Path::new(&config.views.dir);
    assert!(Command::new("mkfifo").arg(dir.join("pipe.yaml")).status().unwrap().success());
    std::fs::create_dir(dir.join("folder.yaml")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.join("link.yaml")).unwrap();
    write(&config, "bytes.yaml", b"# fine\nview: \xff\n");
    let told = refusal(&config);
    for (name, said) in [
        ("pipe.yaml", ": it is no regular file\n = help: put a regular file in its place"),
        ("folder.yaml", " is a folder\n = help: name it without `.yaml`"),
        ("link.yaml", ": No such file or directory (os error 2)\n = help: it is a link to nothing"),
        ("bytes.yaml", " is not UTF-8 in line 2\n = help: save it as UTF-8"),
    ] {
        let said = format!("{}{said}", dir.join(name).display());
        assert!(told.contains(&said), "{said} is not in:\n{told}");
    }
}

#[test]
fn views_are_counted_as_people_count() {
    let (_folder, config) = shop();
    write(&config, "one.yaml", view("one"));
    assert!(app::check(&config).unwrap().ends_with("\n1 view, no problems\n"));
    write(&config, "one.yaml", view("one").replace("/v1/one", "/v1/auth/one"));
    let told = refusal(&config);
    assert!(told.ends_with("1 problem in the views and contracts"), "the view that is wrong is not fine:\n{told}");
}

#[test]
fn a_view_with_a_mistake_is_explained_by_its_mistake() {
    let (_folder, config) = shop();
    write(&config, "product.yaml", view("product"));
    write(&config, "mine.yaml", view("my-product").replace("access: public", "acess: public"));
    write(&config, "other.yaml", "view: other\n");
    let told = app::explain(&config, "my-product", None, None).unwrap_err().to_string();
    assert!(told.contains("acess") && !told.contains("no view is named") && !told.contains("other.yaml"), "{told}");
    let told = app::explain(&config, "produkt", None, None).unwrap_err().to_string();
    assert_eq!(told, "no view is named `produkt`; did you mean `product`?");
}

#[test]
fn a_variant_is_explained_with_the_calls_that_it_makes() {
    let (_folder, config) = shop();
    let text = "view: two\nroute: GET /v1/two\naccess: public\ncalls:\n  \
        first: { grpc: tea/tea.v1.Tea.Get, request: { id: string(1) } }\n  \
        second: { grpc: tea/tea.v1.Tea.Get, request: { id: string(2) } }\n\
        shape: { a: first.name, b: second.name }\nvariants: { small: { omit: [a] } }\n";
    write(&config, "two.yaml", text);
    let told = app::explain(&config, "two", None, Some("small")).unwrap();
    assert!(told.starts_with("two in the variant small  GET /v1/two"), "{told}");
    assert!(told.contains("\nsecond  ") && !told.contains("\nfirst  ") && told.contains("id: string(2)"), "{told}");
    assert!(app::explain(&config, "two", Some("/a"), Some("small")).is_err());
    let told = app::explain(&config, "two", None, Some("smal")).unwrap_err().to_string();
    assert_eq!(told, "the view `two` has no variant `smal`; did you mean `small`?");
}

#[test]
fn a_deadline_beyond_the_servers_own_is_refused() {
    let (_folder, config) = shop();
    write(&config, "slow.yaml", format!("{}deadline: 2h\n", view("slow")));
    let told = refusal(&config);
    assert!(told.contains("the server ends every request after 30s (http.timeout_ms)"), "{told}");
    assert!(told.contains("slow.yaml:7:11"), "{told}");
    write(&config, "slow.yaml", format!("{}deadline: 30s\n", view("slow")));
    assert!(app::check(&config).is_ok());
}

#[test]
fn a_source_offers_the_packages_that_it_serves() {
    let (_folder, mut config) = shop();
    assert_eq!(app::new_view(&config, None, &[]).unwrap().lines().count(), 4);
    for (name, source) in &mut config.sources {
        source.packages = Some(vec![format!("{name}.v1")]);
    }
    let listed = app::new_view(&config, None, &[]).unwrap();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    write(&config, "cup.yaml", view("cup").replace("tea/tea.v1", "pot/tea.v1"));
    let told = refusal(&config);
    assert!(told.contains("did you mean `tea/tea.v1.Tea.Get`?"), "{told}");
    config.sources.get_mut("pot").unwrap().packages = Some(vec!["pan.v1".to_owned()]);
    let told = refusal(&config);
    assert!(told.contains("sources.pot.packages: no service is in `pan.v1`; there are pot.v1, tea.v1"), "{told}");
}

#[test]
fn whoever_reads_no_further_hears_no_complaint() {
    for told in ["schema", "openapi"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = Command::new(env!("CARGO_BIN_EXE_bff"))
            .arg(told)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
}
