//! Who is told what became of the views after their files changed: the log, or whoever writes them.

use std::io::{Write, stdout};

use crate::config::Config;
use crate::views::{LoadError, Outcome, Swapped, Views};

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
        let outcome = views.as_ref().map(Swapped::first).map_err(LoadError::clone);
        self.tell(&config.views.dir, &outcome);
        Ok(views.unwrap_or_default())
    }

    pub fn tell(self, reason: &str, outcome: &Outcome) {
        match self {
            Self::Log => log(reason, outcome),
            Self::Author => print(&text(reason, outcome)),
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

fn text(reason: &str, outcome: &Outcome) -> String {
    match outcome {
        Ok(swapped) => format!("{reason}: {} views, no problems\n", swapped.views),
        Err(error) => format!("{reason}:\n{error}; what was served before still is\n"),
    }
}
