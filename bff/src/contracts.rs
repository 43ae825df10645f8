//! Contracts fetched from the services that keep them: into files, which are read at start and belong to the sources.
//!
//! A gRPC service is asked through server reflection; an HTTP service for its OpenAPI document.

mod document;
mod reflection;

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::upstream;

/// A contract as its service has it now, and the file that keeps it.
#[derive(Debug)]
pub struct Pulled {
    path: PathBuf,
    bytes: Vec<u8>,
    /// What it holds, for people.
    contents: String,
    /// What the source must say to be read from the file, unless it does.
    setting: Option<String>,
}

/// Why there is no contract, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PullError(String);

impl PullError {
    pub fn unknown(source: &str, known: &[&str]) -> Self {
        Self(format!("there is no source `{source}`; there are: {}", known.join(", ")))
    }
}

const FOLDER: &str = "config/contracts";
const MAX_BYTES: usize = 32 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(30);

/// Asks the service: for the document at `from`, which may be a path of the source's HTTP address, or else for
/// its gRPC descriptors.
pub async fn pull(name: &str, source: &upstream::Config, from: Option<&str>) -> Result<Pulled, PullError> {
    let deadline = Instant::now() + DEADLINE;
    let settings = upstream::Config { max_reply_bytes: MAX_BYTES, ..source.clone() };
    match (from, &source.grpc) {
        (Some(from), _) => {
            let document = document::fetch(name, &settings, from, deadline).await?;
            let file = format!("{name}.{}", document.extension);
            Ok(Pulled::new(source.openapi.as_deref(), "openapi", &file, document.bytes.to_vec(), document.contents))
        }
        (None, Some(_)) => {
            let (set, contents) = reflection::descriptors(name, &settings, deadline).await?;
            Ok(Pulled::new(source.descriptors.as_deref(), "descriptors", &format!("{name}.binpb"), set, contents))
        }
        (None, None) => Err(PullError(format!(
            "sources.{name} has no `grpc` address to ask for descriptors; for an OpenAPI document say where it is, \
             as in `--from /openapi.yaml`"
        ))),
    }
}

impl Pulled {
    fn new(kept: Option<&str>, key: &str, file: &str, bytes: Vec<u8>, contents: String) -> Self {
        let path = kept.map_or_else(|| Path::new(FOLDER).join(file), PathBuf::from);
        let setting = kept.is_none().then(|| format!("{key} = \"{}\"", path.display()));
        Self { path, bytes, contents, setting }
    }

    /// Puts it where it is kept: all of it, or the file that is there stays.
    pub fn write(&self) -> Result<String, PullError> {
        let Self { path, bytes, contents, setting } = self;
        let path_shown = path.display();
        if self.is_kept()? {
            return Ok(format!("{path_shown} is up to date: {contents}\n"));
        }
        let mut temporary = OsString::from(path);
        temporary.push(".new");
        let folder = path.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&temporary, bytes))
            .and_then(|()| fs::rename(&temporary, path));
        written.map_err(|error| PullError(format!("cannot write {path_shown}: {error}")))?;
        let hint = setting.as_ref().map_or_else(String::new, |line| format!("to read it from there: {line}\n"));
        Ok(format!("wrote {path_shown}: {contents}\n{hint}"))
    }

    /// Whether the file says the same; an error says that it does not.
    pub fn check(&self) -> Result<String, PullError> {
        let path = self.path.display();
        if self.is_kept()? {
            return Ok(format!("{path} is up to date: {}\n", self.contents));
        }
        Err(PullError(format!("{path} is not what the service has now; without --check it is written again")))
    }

    fn is_kept(&self) -> Result<bool, PullError> {
        match fs::read(&self.path) {
            Ok(kept) => Ok(kept == self.bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(PullError(format!("cannot read {}: {error}", self.path.display()))),
        }
    }
}

/// "1 service", "2 services".
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
