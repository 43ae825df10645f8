//! What an author sees when a file is wrong: where, what, and what to write instead.
//!
//! Checking never stops at the first problem; whoever finds one adds it to the list and goes on.

pub use code::ErrorCode;

use std::fmt;
use std::sync::Arc;

mod code;

/// Characters that are quoted of a line.
const EXCERPT: usize = 160;

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
    pub style: Style,
}

/// How the text at a place is written, which decides where in the file its n-th character stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is, on one line.
    Line,
    /// Plain, over several lines.
    Folded,
    SingleQuoted,
    DoubleQuoted,
    Block,
}

impl Place {
    pub fn start_of(file: &Arc<File>) -> Place {
        Place { file: file.clone(), line: 1, column: 1, width: 1, style: Style::Line }
    }

    /// The part of this place that starts `offset` characters of its text later.
    pub fn within(&self, offset: usize, width: usize) -> Place {
        let mut place = Place { width: width.max(1), ..self.clone() };
        if self.style == Style::Line {
            place.column += offset;
            return place;
        }
        let mut rest = self.rest_of_file();
        for _ in 0..offset {
            let (taken, left) = rest.split_at(self.next_written(rest));
            for c in taken.chars() {
                (place.line, place.column) =
                    if c == '\n' { (place.line + 1, 1) } else { (place.line, place.column + 1) };
            }
            rest = left;
        }
        place
    }

    /// By file, then from its start to its end.
    pub fn order(&self) -> (&str, usize, usize) {
        (&self.file.name, self.line, self.column)
    }

    /// The text that stands here, as far as it stands on one line.
    pub fn text(&self) -> String {
        let line = self.rest_of_file().lines().next().unwrap_or_default();
        let many = matches!(self.style, Style::Folded | Style::Block);
        if many { format!("{} ...", line.trim_end()) } else { line.chars().take(self.width).collect() }
    }

    /// The line in which it stands, without a comment behind it.
    pub fn line_text(&self) -> &str {
        let line = self.file.text.lines().nth(self.line.saturating_sub(1)).unwrap_or_default();
        line.split_once(" #").map_or(line, |(line, _)| line).trim()
    }

    fn rest_of_file(&self) -> &str {
        let mut rest = self.file.text.as_str();
        for _ in 1..self.line {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        rest.char_indices().nth(self.column - 1).map_or("", |(start, _)| &rest[start..])
    }

    /// How many bytes of the file the next character of the text takes.
    fn next_written(&self, rest: &str) -> usize {
        let two = rest.chars().take(2).map(char::len_utf8).sum();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        match self.style {
            // Of the next line's indentation, what goes beyond the block's own belongs to the text.
            Style::Block if rest.starts_with('\n') => {
                1 + rest[1..].chars().take(self.column - 1).take_while(|c| *c == ' ').count()
            }
            Style::Folded | Style::SingleQuoted | Style::DoubleQuoted if rest[..blanks].contains('\n') => blanks,
            Style::SingleQuoted if rest.starts_with("''") => two,
            Style::DoubleQuoted if rest.starts_with('\\') => two,
            _ => rest.chars().next().map_or(0, char::len_utf8),
        }
    }
}

/// Problems that are told at once.
const MAX_PROBLEMS: usize = 1000;
/// Names that a misspelt one is held against.
const MAX_KNOWN: usize = 1000;

/// One mistake, located.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: ErrorCode,
    pub place: Place,
    pub message: String,
    pub help: Option<String>,
    pub note: Option<String>,
}

impl Problem {
    pub fn new(code: ErrorCode, place: &Place, message: impl Into<String>) -> Problem {
        Problem { code, place: place.clone(), message: message.into(), help: None, note: None }
    }

    pub fn help(self, help: impl Into<String>) -> Problem {
        Problem { help: Some(help.into()), ..self }
    }

    pub fn note(self, note: impl Into<String>) -> Problem {
        Problem { note: Some(note.into()), ..self }
    }

    /// Adds "did you mean" where one of `known` is near `written`, else the list of what is known.
    pub fn suggest<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
        let known: Vec<&str> = known.into_iter().collect();
        match nearest(written, &known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None if known.is_empty() => self.help("there is none: remove it, or declare one"),
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
        let Place { file, line, column, width, .. } = &self.place;
        writeln!(f, "error[{}]: {}", self.code, self.message)?;
        writeln!(f, "  --> {}:{line}:{column}", file.name)?;
        let source = file.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let cut = (column - 1).saturating_sub(EXCERPT / 2);
        let source: String = source.chars().skip(cut).take(EXCERPT).collect();
        let column = column - cut;
        let gutter = line.to_string();
        let indent = " ".repeat(gutter.len());
        let carets = "^".repeat((*width).clamp(1, source.chars().count().saturating_sub(column - 1).max(1)));
        // Tabs stay tabs, so that the caret stands below its word.
        let before: String = source.chars().chain(std::iter::repeat(' ')).take(column - 1).map(blank).collect();
        writeln!(f, "{indent} |\n{gutter} | {source}\n{indent} | {before}{carets}")?;
        let remarks = [("help", &self.help), ("note", &self.note)];
        let mut given = remarks.into_iter().filter_map(|(kind, text)| Some((kind, text.as_ref()?)));
        given.try_for_each(|(kind, text)| writeln!(f, "{indent} = {kind}: {text}"))
    }
}

fn blank(c: char) -> char {
    if c == '\t' { c } else { ' ' }
}

/// The first problems, and how many there are beyond: who wrote thousands of mistakes has made one of them thousands of times.
pub(crate) fn first(mut problems: Vec<Problem>) -> Vec<Problem> {
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    if let (1.., Some(last)) = (more, problems.last()) {
        let message = format!("there are {more} more problems");
        problems
            .push(Problem::new(ErrorCode::TooMuch, &last.place, message).help("mend those before it, and check again"));
    }
    problems
}

/// The entry of `known` that is most like `written`, if any is like it.
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = (written.chars().count() / 3).max(1);
    // Names are short: what a client sends instead of one need not be.
    if written.len() > 64 {
        return None;
    }
    let near = known.iter().take(MAX_KNOWN).map(|k| (strsim::osa_distance(written, k), *k)).min_by_key(|(d, _)| *d)?;
    (near.0 <= limit).then_some(near.1)
}
