//! YAML read from parser events into a tree with positions.
//!
//! Scalars stay text: whoever reads a value knows what it should be. Anchors, aliases and explicit tags are refused,
//! duplicate keys too; depth and size are bounded.

mod surrogates;

use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use surrogates::Rewritten;

use crate::problem::{ErrorCode, File, Place, Problem, Style};

const MAX_BYTES: usize = 4 << 20;
const MAX_DEPTH: usize = 64;
const MAX_DOCUMENTS: usize = 1000;

#[derive(Debug, Clone)]
pub struct Node {
    pub place: Place,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub enum Kind {
    /// `plain` is false for a quoted or block scalar. The place is that of the text within the quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub place: Place,
    pub value: Node,
}

impl Node {
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// An empty or `null` plain scalar.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if text.is_empty() || text == "null" || text == "~")
    }

    pub fn as_bool(&self) -> Option<bool> {
        match &self.kind {
            Kind::Scalar { text, plain: true } => text.parse().ok(),
            _ => None,
        }
    }

    pub fn list(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entries, but those that are only the rest of an expression.
    pub fn members(&self) -> impl Iterator<Item = &Entry> {
        self.with_rests().filter(|(_, is_rest)| !is_rest).map(|(entry, _)| entry)
    }

    /// The entries, each with whether it is what a comma within `{ }` has torn off an expression before.
    pub fn with_rests(&self) -> impl Iterator<Item = (&Entry, bool)> {
        let mut torn = false;
        self.entries().unwrap_or_default().iter().map(move |entry| {
            torn = entry.value.is_torn(torn);
            (entry, torn && entry.value.is_empty())
        })
    }

    fn is_empty(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if text.is_empty())
    }

    /// Whether it ends within parentheses, or only goes on with what does.
    fn is_torn(&self, before: bool) -> bool {
        match &self.kind {
            _ if self.is_empty() => before,
            Kind::Scalar { text, plain: true } => text.matches('(').count() > text.matches(')').count(),
            _ => false,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    /// What an author would call this node.
    pub fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { text, plain: true } if text.is_empty() => "nothing",
            Kind::Scalar { text, .. } if text.is_empty() => "an empty text",
            Kind::Scalar { .. } => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

/// Every document of the file, or the first thing that is not YAML as we take it.
pub fn parse(file: &Arc<File>) -> Result<Vec<Node>, Problem> {
    let start = Place::start_of(file);
    if file.text.len() > MAX_BYTES {
        return Err(Problem::new(ErrorCode::TooMuch, &start, format!("the file is larger than {MAX_BYTES} bytes"))
            .help("split it: several files do as well as one"));
    }
    let is_json = file.name.ends_with(".json");
    let source = if is_json { Rewritten::of_json(&file.text) } else { Rewritten::unchanged(&file.text) };
    let mut reader = Reader { file, source: &source, events: Parser::new_from_str(&source.text) };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(documents),
            (Event::DocumentStart(_), _) => {
                let first = reader.next()?;
                documents.push(reader.node(first, 0)?);
                if let Some(Node { place, .. }) = documents.get(MAX_DOCUMENTS) {
                    let message = format!("a file holds at most {MAX_DOCUMENTS} documents");
                    return Err(Problem::new(ErrorCode::TooMuch, place, message).help("split it into several files"));
                }
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    file: &'a Arc<File>,
    source: &'a Rewritten<'a>,
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
}

type Spanned<'a> = (Event<'a>, Span);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Spanned<'a>, Problem> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let place = self.place(*error.marker(), 1);
                if let Some(tab) = tab_near(&place) {
                    let problem = Problem::new(ErrorCode::YamlSyntax, &tab, "not valid YAML: a tab is no indentation");
                    return Err(problem.help("indent with spaces"));
                }
                let is_flow = place.line_text().contains(['{', '[']);
                let help = if error.info().contains("mapping values") && !is_flow {
                    "align the keys of one map in one column, and put a text with `: ` in quotes"
                } else if is_flow {
                    "within `{ }` and `[ ]` put what has brackets, commas or quotes in quotes, as in `'f(a, \"b\")'`, and close each"
                } else {
                    "put a text with `: ` or ` #`, or that begins with one of `{ } [ ] , & * ? | > % @`, in quotes; indent with spaces"
                };
                let message = format!("not valid YAML: {}", error.info());
                Err(Problem::new(ErrorCode::YamlSyntax, &place, message).help(help))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn place(&self, at: Marker, width: usize) -> Place {
        let line = at.line().max(1);
        let column = self.source.column(line, at.col() + 1);
        Place { line, column, width: width.max(1), ..Place::start_of(self.file) }
    }

    fn node(&mut self, (event, span): Spanned<'a>, depth: usize) -> Result<Node, Problem> {
        let one_line = span.start.line() == span.end.line();
        let mut place = self.place(span.start, 1);
        if one_line {
            place.width = self.place(span.end, 1).column.saturating_sub(place.column).max(1);
        }
        if depth > MAX_DEPTH {
            return Err(Problem::new(ErrorCode::TooMuch, &place, format!("nested deeper than {MAX_DEPTH} levels"))
                .help("write it flatter"));
        }
        let style = if let Event::Scalar(_, style, ..) = &event { Some(*style) } else { None };
        let kind = match event {
            Event::Alias(_) => return Err(no_references(&place)),
            Event::Scalar(_, _, anchor, ref tag) if anchor != 0 || tag.is_some() => return Err(no_references(&place)),
            Event::SequenceStart(anchor, ref tag) | Event::MappingStart(anchor, ref tag)
                if anchor != 0 || tag.is_some() =>
            {
                return Err(no_references(&place));
            }
            Event::Scalar(text, style, ..) => {
                Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => Kind::List(self.list(depth)?),
            Event::MappingStart(..) => Kind::Map(self.map(depth)?),
            _ => Kind::Scalar { text: String::new(), plain: true },
        };
        if !matches!(kind, Kind::Scalar { .. }) {
            return Ok(Node { place: Place { width: 1, ..place }, kind });
        }
        let style = match style {
            Some(ScalarStyle::SingleQuoted) => Style::SingleQuoted,
            Some(ScalarStyle::DoubleQuoted) => Style::DoubleQuoted,
            Some(ScalarStyle::Literal | ScalarStyle::Folded) => Style::Block,
            _ if one_line => Style::Line,
            _ => Style::Folded,
        };
        let quote = usize::from(matches!(style, Style::SingleQuoted | Style::DoubleQuoted));
        let width = place.width.saturating_sub(2 * quote).max(1);
        Ok(Node { place: Place { column: place.column + quote, width, style, ..place }, kind })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut torn = false;
        loop {
            let event = self.next()?;
            if matches!(event.0, Event::MappingEnd) {
                return Ok(entries);
            }
            let key = self.node(event, depth + 1)?;
            let Kind::Scalar { text, .. } = key.kind else {
                return Err(Problem::new(ErrorCode::YamlSyntax, &key.place, "a key must be a single value")
                    .help("write `key: value`; a text with brackets in quotes"));
            };
            let value = self.next()?;
            let value = self.node(value, depth + 1)?;
            torn = value.is_torn(torn);
            let is_rest = torn && value.is_empty();
            if !is_rest && !seen.insert(text.clone()) {
                return Err(Problem::new(ErrorCode::Duplicate, &key.place, format!("`{text}` is given twice"))
                    .help("keep one of them"));
            }
            entries.push(Entry { key: text, place: key.place, value });
        }
    }
}

/// A tab in the indentation of this line or of the next: the parser notices it at the end of what stands before.
fn tab_near(place: &Place) -> Option<Place> {
    let lines = place.file.text.lines().enumerate().skip(place.line - 1).take(2);
    lines.filter(|(_, line)| !line.trim().is_empty()).find_map(|(i, line)| {
        let indentation = line.chars().take_while(|c| c.is_whitespace());
        let column = indentation.clone().take_while(|c| *c != '\t').count();
        (column < indentation.count()).then(|| Place { line: i + 1, column: column + 1, ..place.clone() })
    })
}

fn no_references(place: &Place) -> Problem {
    Problem::new(ErrorCode::YamlSyntax, place, "anchors, aliases and tags are not part of the language")
        .help("write the value out")
}
