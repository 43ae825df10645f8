//! Logs: lines for people in development, JSON for machines in production.

use std::io::IsTerminal;
use std::panic;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives like `info,bff=debug`; RUST_LOG wins.
    pub level: String,
    /// `text`, `json`, or `auto`: JSON in production.
    pub format: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Auto,
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Auto }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("telemetry.level: `{level}` is not a log filter ({reason}); write `info` or `info,bff=debug`")]
    Level { level: String, reason: String },
    #[error("the process already has a logger")]
    Installed,
}

/// Installs the process's logger, once.
pub fn install(config: &Config, production: bool) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| Error::Level { level: config.level.clone(), reason: error.to_string() })?;
    let json = match config.format {
        Format::Auto => production,
        Format::Text => false,
        Format::Json => true,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = if json {
        subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        subscriber.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
    };
    installed.map_err(|_| Error::Installed)?;
    panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panicked")));
    Ok(())
}
