//! Everything that is wrong with the contracts and the views, for people and for programs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use compose::problem::Problem;

/// Why the views cannot be served; never empty.
#[derive(Debug, Clone)]
pub struct LoadError {
    faults: Arc<[Fault]>,
    /// How many views have no problem.
    fine: usize,
}

/// One thing that is wrong.
#[derive(Debug)]
pub enum Fault {
    /// In the text of a file.
    Located(Problem),
    /// With a file as a whole.
    File { path: String, message: String, help: &'static str },
    /// With no file at all.
    Other(String),
}

impl LoadError {
    pub fn new(faults: Vec<Fault>, fine: usize) -> Self {
        Self { faults: faults.into(), fine }
    }

    pub(super) fn of(message: &str) -> Self {
        Self::new(vec![Fault::Other(message.to_owned())], 0)
    }

    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl Fault {
    pub(super) fn file(path: &Path, message: String, help: &'static str) -> Self {
        Self::File { path: path.display().to_string(), message, help }
    }

    /// `file:line:column`, or `file`.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::Located(Problem { place, .. }) => {
                Some(format!("{}:{}:{}", place.file.name, place.line, place.column))
            }
            Self::File { path, .. } => Some(path.clone()),
            Self::Other(_) => None,
        }
    }

    /// Whether it is in the file that holds the view of this name, right or not.
    pub fn is_within(&self, view: &str) -> bool {
        let is_name = |written: &str| {
            let written = written.split(" #").next().unwrap_or_default().trim();
            written.trim_matches(['"', '\'']) == view
        };
        match self {
            Self::Located(Problem { place, .. }) => {
                place.file.text.lines().filter_map(|line| line.strip_prefix("view:")).any(is_name)
            }
            Self::File { path, .. } => Path::new(path).file_stem().is_some_and(|stem| stem == view),
            Self::Other(_) => false,
        }
    }

    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Located(problem) => problem.code.name(),
            Self::File { .. } | Self::Other(_) => "files",
        }
    }

    /// What is wrong and what to write instead, in one line.
    pub fn message(&self) -> String {
        match self {
            Self::Located(Problem { message, help: Some(help), .. }) => format!("{message}; {help}"),
            Self::Located(problem) => problem.message.clone(),
            Self::File { message, help, .. } => format!("{message}; {help}"),
            Self::Other(message) => message.clone(),
        }
    }
}

impl std::error::Error for LoadError {}

/// Nobody reads further than this in one go.
const MAX_SHOWN: usize = 100;

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in self.faults().iter().take(MAX_SHOWN) {
            writeln!(f, "{fault}")?;
        }
        if let Some(more) = self.faults.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
            writeln!(f, "and {more} more\n")?;
        }
        match self.faults.len() {
            1 => write!(f, "1 problem in the views and contracts")?,
            count => write!(f, "{count} problems in the views and contracts")?,
        }
        match self.fine {
            0 => Ok(()),
            1 => write!(f, "; 1 view is fine"),
            fine => write!(f, "; {} are fine", counted(fine)),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Located(problem) => problem.fmt(f),
            Self::File { message, help, .. } => writeln!(f, "error: {message}\n = help: {help}"),
            Self::Other(message) => writeln!(f, "error: {message}"),
        }
    }
}

/// `1 view`, `2 views`.
pub fn counted(views: usize) -> String {
    if views == 1 { "1 view".to_owned() } else { format!("{views} views") }
}
