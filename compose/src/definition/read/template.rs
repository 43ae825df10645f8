//! Texts with values in them.

use super::Fields;
use crate::definition::{Part, Template, Text};
use crate::problem::ErrorCode;
use crate::yaml::Node;

impl Fields<'_> {
    pub(super) fn template(&mut self, node: &Node) -> Option<Template> {
        let text = self.text(node)?;
        let mut parts = Vec::new();
        let mut rest = text.value.as_str();
        while let Some((literal, tail)) = rest.split_once("${") {
            let at = text.value.chars().count() - tail.chars().count();
            let Some(end) = end_of(tail) else {
                let place = text.place.within(at - 2, 2);
                self.problem(ErrorCode::ExpressionSyntax, &place, "`${` is not closed", "write `}` behind the value");
                return None;
            };
            let (inside, behind) = (&tail[..end], &tail[end + 1..]);
            if !literal.is_empty() {
                parts.push(Part::Text(literal.to_owned()));
            }
            let place = text.place.within(at, inside.chars().count());
            match crate::expr::parse(inside, &place) {
                Ok(expr) => parts.push(Part::Value(Text { expr, place })),
                Err(problem) => {
                    self.problems.push(problem);
                    return None;
                }
            }
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Some(Template { parts, place: text.place })
    }

    /// A template, or a list of them.
    pub(super) fn templates(&mut self, node: &Node) -> Vec<Template> {
        match node.list() {
            Some(items) => items.iter().filter_map(|item| self.template(item)).collect(),
            None => self.template(node).into_iter().collect(),
        }
    }
}

/// Where the first `}` stands that is not within quotes.
fn end_of(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '}' => return Some(at),
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
    }
    None
}
