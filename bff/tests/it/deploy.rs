//! What deploys the server agrees with it: settings, files, targets and names in `docker/`, `.github/` and `.env.example`.

mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use bff::config;
use tempfile::TempDir;
use yaml::Node;

use crate::harness::Server;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Node {
    Node::parse(&read("docker/compose.yaml"))
}

/// The secrets of compose.yaml, made by the script that comes with it.
fn secrets() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    make_secrets(folder.path());
    folder
}

fn make_secrets(folder: &Path) {
    let made = Command::new(root().join("docker/secrets.sh")).arg(folder).status().unwrap();
    assert!(made.success());
}

/// Loads the defaults with these variables; a secret's path in a container becomes its path here.
fn load(variables: BTreeMap<String, String>, secrets: &Path) -> Result<config::Config, config::Problems> {
    let file = root().join(config::DEFAULT_FILE);
    let here = |path: String| match path.strip_prefix("/run/secrets/") {
        Some(name) => secrets.join(name).display().to_string(),
        None => path,
    };
    config::load(&[file], &variables.into_iter().map(|(name, value)| (name, here(value))).collect())
}

/// What a service sets, for itself or through an anchor.
fn environment(service: &Node) -> BTreeMap<String, String> {
    service.get("environment").map(Node::texts).unwrap_or_default()
}

/// The variables of these lines.
fn variables<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let pairs = lines.filter_map(|line| line.split_once('=')).filter(|(name, _)| name.starts_with("BFF__"));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_variable_of_the_example_is_a_setting() {
    let secrets = secrets();
    let example = variables(read(".env.example").lines().map(|line| line.trim_start_matches("# ")));
    assert!(example.len() > 10, "{example:?}");
    assert!(load(example, secrets.path()).unwrap().is_production());
}

#[test]
fn the_example_as_it_is_copied_makes_compose_a_production() {
    let secrets = secrets();
    let development = variables(read("docker/development.env").lines());
    let example = variables(read(".env.example").lines());
    assert!(load(development.clone(), secrets.path()).is_ok());
    for service in ["server", "migrator", "seeder"] {
        let own = environment(compose().at(&["services", service]));
        let all = development.clone().into_iter().chain(example.clone()).chain(own).collect();
        assert!(load(all, secrets.path()).unwrap().is_production(), "{service}");
    }
}

#[test]
fn every_variable_of_a_service_is_a_setting() {
    let secrets = secrets();
    let mut seen = 0;
    for (name, service) in compose().at(&["services"]).entries() {
        let variables = environment(&service);
        let ours: BTreeMap<_, _> = variables.into_iter().filter(|(name, _)| name.starts_with("BFF__")).collect();
        seen += ours.len();
        if let Err(problems) = load(ours, secrets.path()) {
            panic!("{name}: {problems}");
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn every_mounted_file_exists() {
    let folder = root().join("docker");
    for (name, service) in compose().at(&["services"]).entries() {
        for volume in service.get("volumes").into_iter().flat_map(Node::items) {
            let source = volume.text().split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(folder.join(source).exists(), "{name}: {source}");
            } else {
                assert!(compose().at(&["volumes"]).get(source).is_some(), "{name}: {source}");
            }
        }
    }
}

#[test]
fn secrets_are_made_once_and_mounted_where_they_are_read() {
    let folder = secrets();
    let compose = compose();
    let contents = || -> BTreeMap<PathBuf, Vec<u8>> {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    };
    let first = contents();
    make_secrets(folder.path());
    assert_eq!(contents(), first, "a second run changes nothing");

    let declared = compose.at(&["secrets"]).entries();
    let made: BTreeSet<_> = first.keys().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(declared.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), made);
    for (name, secret) in declared {
        assert_eq!(secret.at(&["file"]).text(), format!("secrets/{name}"));
    }
    for (name, service) in compose.at(&["services"]).entries() {
        let mounted: BTreeSet<_> = service.get("secrets").into_iter().flat_map(Node::items).map(Node::text).collect();
        assert!(mounted.iter().all(|secret| made.contains(*secret)), "{name}: {mounted:?}");
        for value in environment(&service).values().filter_map(|value| value.strip_prefix("/run/secrets/")) {
            assert!(mounted.contains(value), "{name} reads {value}");
        }
    }
}

#[test]
fn every_target_exists_and_every_image_has_a_version() {
    let dockerfile = read("docker/Dockerfile");
    let stages = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")?.split_once(" AS "));
    let stages: Vec<(&str, &str)> = stages.collect();
    let has_version =
        |image: &str| image.rsplit_once(':').is_some_and(|(_, tag)| tag.contains(|c: char| c.is_ascii_digit()));
    for (base, _) in &stages {
        let known = *base == "scratch" || stages.iter().any(|(_, stage)| stage == base);
        assert!(known || has_version(base), "FROM {base}");
    }
    let mut targets = BTreeSet::new();
    for (name, service) in compose().at(&["services"]).entries() {
        match service.get("build") {
            Some(build) => drop(targets.insert(build.at(&["target"]).text().to_owned())),
            None => assert!(has_version(service.at(&["image"]).text()), "{name}"),
        }
    }
    assert_eq!(
        targets.iter().map(String::as_str).collect::<Vec<_>>(),
        ["migrator", "orders", "seeder", "server", "upstreams"]
    );
    for target in targets {
        assert!(stages.iter().any(|(_, stage)| *stage == target), "{target}");
    }
}

#[test]
fn every_reference_of_a_service_is_declared() {
    let compose = compose();
    let services = compose.at(&["services"]);
    for (name, service) in services.entries() {
        for network in service.at(&["networks"]).items() {
            assert!(compose.at(&["networks"]).get(network.text()).is_some(), "{name}: {}", network.text());
        }
        for (other, dependency) in service.get("depends_on").map(Node::entries).unwrap_or_default() {
            let other = services.at(&[&other]);
            let shares =
                |network: &&Node| other.at(&["networks"]).items().iter().any(|its| its.text() == network.text());
            assert!(service.at(&["networks"]).items().iter().any(|network| shares(&network)), "{name} cannot reach it");
            match dependency.at(&["condition"]).text() {
                "service_completed_successfully" => assert_eq!(other.at(&["restart"]).text(), "no"),
                "service_healthy" => assert!(other.get("healthcheck").or(other.get("build")).is_some()),
                condition => panic!("{name}: {condition}"),
            }
        }
    }
}

#[test]
fn workflows_pin_what_they_use_and_ask_for_no_rights() {
    for name in ["ci", "release"] {
        let text = read(&format!(".github/workflows/{name}.yml"));
        let workflow = Node::parse(&text);
        assert_eq!(workflow.at(&["permissions"]).texts(), BTreeMap::from([("contents".to_owned(), "read".to_owned())]));
        for (job, definition) in workflow.at(&["jobs"]).entries() {
            assert!(definition.get("timeout-minutes").is_some(), "{name}: {job} may run for hours");
            for action in definition.at(&["steps"]).items().iter().filter_map(|step| step.get("uses")) {
                let version = action.text().split_once('@').map_or("", |(_, version)| version);
                assert!(version.starts_with(|c: char| c == 'v' || c.is_ascii_digit()), "{name}: {}", action.text());
            }
        }
    }
}

#[test]
fn the_dashboard_shows_metrics_of_the_server() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("docker/grafana/dashboards/bff.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(!panels.is_empty());
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            assert!(target["expr"].as_str().unwrap().contains("bff_"), "{}", panel["title"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_answers_for_a_running_server() {
    let secrets = secrets();
    let token = secrets.path().join("admin_token");
    let server = Server::start_with(|mut config| {
        config.admin.token = Some(std::fs::read_to_string(&token).unwrap().trim_end().into());
        config
    })
    .await;
    let listen = server.admin_url.trim_start_matches("http://").to_owned();
    let healthz = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bff"));
        command.arg("healthz").current_dir(secrets.path()).env("BFF__ADMIN__LISTEN", &listen);
        command
    };
    let output = healthz().env("BFF__ADMIN__TOKEN_FILE", &token).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stranger = healthz().output().unwrap();
    assert!(!stranger.status.success());
    let complaint = String::from_utf8(stranger.stderr).unwrap();
    assert_eq!(complaint, format!("http://{listen}/healthz: answered `HTTP/1.1 401 Unauthorized`\n"));
}
