//! The whole configuration: the sum of the parts' own, from files and the environment.
//!
//! Files are laid over the defaults in the order given, then `BFF__SECTION__KEY` variables over
//! the files, then the secret files that `BFF__SECTION__KEY_FILE` variables name. The environment
//! is handed in, so that a test can feed its own. Every problem of every layer is reported at once.

mod environment;
mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Table;

use crate::{cache, http, identity, limits, notify, store, telemetry, upstream, views};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub environment: Environment,
    pub http: http::Config,
    pub admin: http::AdminConfig,
    pub store: store::Config,
    pub cache: cache::Config,
    pub identity: identity::Config,
    pub limits: limits::Config,
    pub notify: notify::Config,
    pub views: views::Config,
    /// The services behind the server, by the name that views use.
    pub sources: BTreeMap<String, upstream::Config>,
    pub telemetry: telemetry::Config,
    pub seed: identity::SeedConfig,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    #[default]
    Development,
    /// Refuses what is only fit for development.
    Production,
}

/// Every reason why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(Vec<String>);

/// Every option with its default, and the example's sources.
pub const DEFAULTS: &str = include_str!("../../config/bff.toml");

/// Where the configuration is looked for when no file is named.
pub const DEFAULT_FILE: &str = "config/bff.toml";

/// Reads the files in order, or the default file, or else the embedded one; then the environment.
pub fn load(files: &[PathBuf], variables: &BTreeMap<String, String>) -> Result<Config, Problems> {
    let layers = match files {
        [] if Path::new(DEFAULT_FILE).exists() => vec![file::read(Path::new(DEFAULT_FILE))],
        [] => vec![file::parse("embedded defaults", DEFAULTS)],
        files => files.iter().map(|path| file::read(path)).collect(),
    };
    let mut problems = Vec::new();
    let mut merged = Table::new();
    for layer in layers {
        match layer {
            Ok(table) => merged = overlay(merged, table),
            Err(found) => problems.extend(found),
        }
    }
    let (merged, found) = environment::apply(merged, variables);
    problems.extend(found);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let config: Config =
        merged.try_into().map_err(|error: toml::de::Error| Problems(vec![explain(error.message())]))?;
    match config.problems() {
        found if found.is_empty() => Ok(config),
        found => Err(Problems(found)),
    }
}

impl Config {
    pub fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }

    /// What the parts say about their own options.
    fn problems(&self) -> Vec<String> {
        [
            self.http.problems(self.is_production()),
            self.admin.problems(),
            self.store.problems(),
            self.cache.problems(),
            self.identity.problems(),
            self.limits.problems(self.is_production()),
            self.notify.problems(self.is_production()),
            self.views.problems(),
            self.telemetry.problems(),
        ]
        .concat()
    }
}

/// `upper` over `lower`: tables merge key by key, everything else is replaced.
fn overlay(mut lower: Table, upper: Table) -> Table {
    for (key, value) in upper {
        let value = match (lower.remove(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => toml::Value::Table(overlay(below, above)),
            (_, value) => value,
        };
        lower.insert(key, value);
    }
    lower
}

/// Serde's message, with the nearest known name where a name is unknown.
fn explain(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let (true, Some(unknown)) = (message.starts_with("unknown "), names.next()) else { return message.to_owned() };
    let kind = if message.starts_with("unknown field") { "option" } else { "value" };
    let known: Vec<&str> = names.collect();
    let nearest = known
        .iter()
        .copied()
        .max_by(|a, b| strsim::jaro_winkler(unknown, a).total_cmp(&strsim::jaro_winkler(unknown, b)));
    match nearest {
        Some(name) if strsim::jaro_winkler(unknown, name) > 0.8 => {
            format!("there is no {kind} `{unknown}`; did you mean `{name}`?")
        }
        _ => format!("there is no {kind} `{unknown}`; there are: {}", known.join(", ")),
    }
}
