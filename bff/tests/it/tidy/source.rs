//! Rust files as the house rules see them: no comments, no strings, no unit tests.

use std::fs;
use std::path::{Path, PathBuf};

pub struct Source {
    /// The path from the root of the workspace.
    pub name: String,
    /// The text with comments and strings blanked, up to its unit tests; lines stay where they were.
    pub code: String,
    /// Every path `a::b::c` in the code, with groups spelled out and `super` resolved.
    pub paths: Vec<Vec<String>>,
    module: Vec<String>,
    text: String,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All Rust files below a folder of the workspace, if it is there.
pub fn under(folder: &str) -> Vec<Source> {
    let mut folders = vec![root().join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(Source::read(&path));
            }
        }
    }
    sources
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let module = module_of(&name);
        let mut code = blank(&text);
        code.truncate(code.find("#[cfg(test)]\nmod").unwrap_or(code.len()));
        let tokens = tokens(&code);
        let paths = paths(&tokens).into_iter().map(|path| resolve(&module, path)).collect();
        Self { name, code, paths, module, text }
    }

    /// The first module below the crate: `upstream` for `src/upstream/grpc.rs`.
    pub fn top(&self) -> &str {
        &self.module[0]
    }

    /// What the file takes from its own crate, without `crate`; `main` sees the crate by its name.
    pub fn own_imports(&self) -> impl Iterator<Item = &[String]> {
        let root = if self.top() == "main" { "bff" } else { "crate" };
        self.paths.iter().filter(move |path| path.len() > 1 && path[0] == root).map(|path| &path[1..])
    }

    /// Every function with the number of lines it spans.
    pub fn functions(&self) -> Vec<(String, usize)> {
        let tokens = tokens(&self.code);
        let starts = tokens.windows(2).enumerate().filter(|(_, pair)| pair[0].text == "fn" && is_name(pair[1].text));
        starts.filter_map(|(start, pair)| Some((pair[1].text.to_owned(), span(&tokens[start..])?))).collect()
    }

    /// Lines of prose in front of the code; an example does not count.
    pub fn module_doc_lines(&self) -> usize {
        let docs: Vec<&str> = self.text.lines().take_while(|line| line.starts_with("//!")).collect();
        docs.split(|line| line.starts_with("//! ```")).step_by(2).map(<[_]>::len).sum()
    }

    /// A file that holds unit tests and nothing else.
    pub fn is_test(&self) -> bool {
        self.module.iter().any(|part| part == "tests")
    }
}

fn module_of(name: &str) -> Vec<String> {
    let inside = name.split_once("/src/").map_or(name, |(_, inside)| inside);
    inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect()
}

/// `self` and `super` become `crate` and the modules on the way.
fn resolve(module: &[String], path: Vec<String>) -> Vec<String> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let skip = if path[0] == "self" { 1 } else { ups };
    if skip == 0 {
        return path;
    }
    let stem = &module[..module.len().saturating_sub(ups)];
    ["crate".to_owned()].into_iter().chain(stem.iter().cloned()).chain(path.into_iter().skip(skip)).collect()
}

struct Token<'a> {
    text: &'a str,
    line: usize,
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { text: &rest[..length], line });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// All paths, and those inside the groups of `use` declarations.
fn paths(tokens: &[Token<'_>]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_name(tokens[at].text) {
            let (paths, next) = tree(tokens, at, &[]);
            found.extend(paths);
            at = next;
        } else {
            at += 1;
        }
    }
    found
}

/// The paths that start at a name, each behind `prefix`, and where the next token is.
fn tree(tokens: &[Token<'_>], start: usize, prefix: &[String]) -> (Vec<Vec<String>>, usize) {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut path = prefix.to_vec();
    let mut at = start;
    loop {
        path.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            return (vec![path], at);
        }
        at += 1;
        if text(at) == "{" {
            break;
        }
        if !is_name(text(at)) {
            return (vec![path], at);
        }
    }
    let mut paths = Vec::new();
    at += 1;
    while at < tokens.len() && text(at) != "}" {
        if is_name(text(at)) {
            let (inner, next) = tree(tokens, at, &path);
            paths.extend(inner);
            at = next;
        } else {
            at += 1;
        }
    }
    (paths, at + 1)
}

/// The lines from `fn` to the brace that closes its body; nothing for a declaration.
fn span(tokens: &[Token<'_>]) -> Option<usize> {
    let open = body(tokens)?;
    let mut depth = 0_usize;
    for token in &tokens[open..] {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(token.line - tokens[0].line + 1);
        }
    }
    None
}

/// Where the body opens; the `;` of an array type in the signature is no end.
fn body(tokens: &[Token<'_>]) -> Option<usize> {
    let mut nested = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" => nested += 1,
            ")" | "]" => nested = nested.saturating_sub(1),
            "{" if nested == 0 => return Some(at),
            ";" if nested == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Comments, strings and character literals become spaces.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = skipped(rest);
        let length = if skipped > 0 { skipped } else { word_or_char(rest, first) };
        let piece = &rest[..length];
        if skipped > 0 {
            out.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            out.push_str(piece);
        }
        rest = &rest[length..];
    }
    out
}

/// A whole word at once, so that the `r` of `for"` is not taken for a raw string's.
fn word_or_char(rest: &str, first: char) -> usize {
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    if word > 0 { word } else { first.len_utf8() }
}

/// The length of the comment or literal that `rest` starts with, or 0.
fn skipped(rest: &str) -> usize {
    let until = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/");
    }
    let body = rest.trim_start_matches(['b', 'r']);
    let prefix = rest.len() - body.len();
    let raw = prefix <= 2 && rest[..prefix].contains('r');
    let hashes = body.len() - body.trim_start_matches('#').len();
    if raw && body[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let inside = prefix + hashes + 1;
        return rest[inside..].find(&end).map_or(rest.len(), |at| inside + at + end.len());
    }
    if prefix <= 1 && body.starts_with('"') {
        return prefix + quoted(body, '"');
    }
    if prefix <= 1 && body.starts_with('\'') && is_char_literal(body) {
        return prefix + quoted(body, '\'');
    }
    0
}

/// `'a'` or `'\n'`, as opposed to the lifetime `'a`.
fn is_char_literal(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    matches!((chars.next(), chars.next()), (Some('\\'), _) | (Some(_), Some('\'')))
}

/// The length of a literal in quotes, with escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[test]
fn groups_and_relatives_are_spelled_out() {
    let code = blank(
        "use super::{Config, error::{Error, chain}};\n// crate::no\nlet a = \"crate::no\"; crate::x::f('\"'); b: &'a str",
    );
    let module = vec!["upstream".to_owned(), "grpc".to_owned()];
    let found = paths(&tokens(&code)).into_iter().map(|path| resolve(&module, path).join("::"));
    let long: Vec<String> = found.filter(|path| path.contains("::")).collect();
    let expected =
        ["crate::upstream::Config", "crate::upstream::error::Error", "crate::upstream::error::chain", "crate::x::f"];
    assert_eq!(long, expected);
}

#[test]
fn functions_are_measured_from_signature_to_brace() {
    let code = "fn a(\n  b: [u8; 4],\n) {\n  if x {\n  }\n}\ntrait T { fn c(); }\n";
    let source =
        Source { name: String::new(), code: code.to_owned(), paths: vec![], module: vec![], text: String::new() };
    assert_eq!(source.functions(), [("a".to_owned(), 6)]);
}
