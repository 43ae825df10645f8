//! What an author sees when a file is wrong: where, what, and what to write instead.
//!
//! Checking never stops at the first problem; whoever finds one adds it to the list and goes on.

use std::fmt;
use std::sync::Arc;

/// A text file with its name, as problems quote it.
#[derive(Debug)]
pub struct File {
    pub name: String,
    pub text: String,
}

/// A place in a file: line and column count from 1, in characters.
#[derive(Debug, Clone)]
pub struct Place {
    pub file: Arc<File>,
    pub line: usize,
    pub column: usize,
    pub width: usize,
}

impl Place {
    /// The part of this place that starts `offset` characters later.
    pub fn within(&self, offset: usize, width: usize) -> Place {
        Place { column: self.column + offset, width: width.max(1), ..self.clone() }
    }
}

/// One mistake, located.
#[derive(Debug, Clone)]
pub struct Problem {
    pub place: Place,
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(place: &Place, message: impl Into<String>) -> Problem {
        Problem { place: place.clone(), message: message.into(), help: None }
    }

    pub fn help(self, help: impl Into<String>) -> Problem {
        Problem { help: Some(help.into()), ..self }
    }

    /// Adds "did you mean" where one of `known` is near `written`, else the list of what is known.
    pub fn suggest<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
        let known: Vec<&str> = known.into_iter().collect();
        match nearest(written, &known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None if known.is_empty() => self,
            None => {
                let shown = known.iter().take(12).map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
                let more = if known.len() > 12 { ", ..." } else { "" };
                self.help(format!("known here: {shown}{more}"))
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column, width } = &self.place;
        writeln!(f, "error: {}", self.message)?;
        writeln!(f, "  --> {}:{line}:{column}", file.name)?;
        let source = file.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let gutter = line.to_string();
        let indent = " ".repeat(gutter.len());
        let carets = "^".repeat((*width).clamp(1, source.chars().count().saturating_sub(column - 1).max(1)));
        writeln!(f, "{indent} |\n{gutter} | {source}\n{indent} | {}{carets}", " ".repeat(column - 1))?;
        match &self.help {
            Some(help) => writeln!(f, "{indent} = help: {help}"),
            None => Ok(()),
        }
    }
}

/// The entry of `known` that is most like `written`, if any is like it.
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = (written.chars().count() / 3).max(1);
    // Names are short: what a client sends instead of one need not be.
    if written.len() > 64 {
        return None;
    }
    let near = known.iter().map(|k| (strsim::levenshtein(written, k), *k)).min_by_key(|(d, _)| *d)?;
    (near.0 <= limit).then_some(near.1)
}
