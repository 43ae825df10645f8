//! Who is told what became of the views after their files changed: the log, or whoever writes them.

use std::io::{Write, stdout};

use crate::config::Config;
use crate::views::{LoadError, Outcome, Views, counted};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Log,
    /// Somebody at a terminal, who saves a file and looks.
    Author,
}

impl Audience {
    /// Where the server will answer.
    pub(super) fn greet(self, config: &Config) {
        if self == Self::Author {
            let (public, admin) = (config.http.public_url(), config.admin.listen);
            print(&format!("public  {public}  (what it answers: {public}/docs)\nadmin   http://{admin}\n"));
        }
    }

    /// What to begin with: an author can mend the files while the server runs.
    pub(super) fn first(self, config: &Config, views: Result<Views, LoadError>) -> Result<Views, LoadError> {
        if self == Self::Log {
            return views;
        }
        let dir = &config.views.dir;
        Ok(views.inspect(|views| print(&clean(dir, views.iter().count()))).unwrap_or_else(|error| {
            print(&format!("{dir}:\n{error}; there are no views until they are mended\n"));
            Views::default()
        }))
    }

    pub fn tell(self, reason: &str, outcome: &Outcome) {
        match self {
            Self::Log => log(reason, outcome),
            Self::Author => print(&match outcome {
                Ok(swapped) => clean(reason, swapped.views),
                Err(error) => format!("{reason}:\n{error}; what was served before still is\n"),
            }),
        }
    }
}

/// A terminal that is gone has nobody to tell.
fn print(text: &str) {
    drop(stdout().write_all(text.as_bytes()));
}

fn log(reason: &str, outcome: &Outcome) {
    match outcome {
        Ok(swapped) => {
            tracing::info!(reason, views = swapped.views, changed = swapped.changed.join(", "), "reloaded");
        }
        Err(error) => {
            for fault in error.faults().iter().take(MAX_FAULTS) {
                let place = fault.place().unwrap_or_default();
                tracing::error!(reason, code = fault.code(), place, cause = fault.message(), "not reloaded");
            }
            let more = error.faults().len().saturating_sub(MAX_FAULTS);
            if more > 0 {
                tracing::error!(reason, cause = format!("and {more} more problems"), "not reloaded");
            }
        }
    }
}

const MAX_FAULTS: usize = 20;

fn clean(reason: &str, views: usize) -> String {
    format!("{reason}: {}, no problems\n", counted(views))
}
