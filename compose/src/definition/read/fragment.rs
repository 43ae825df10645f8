//! Fragments: named pieces of shapes, and their use.

use super::{Fields, keys, named, shape};
use crate::definition::{Fragment, Spanned, Use};
use crate::expr::{self, Kind as Ast};
use crate::problem::{ErrorCode, Problem};
use crate::yaml::Node;

pub(super) fn fragment(node: &Node, problems: &mut Vec<Problem>) -> Option<Fragment> {
    let before = problems.len();
    let mut fields = Fields::of(node, "a fragment", &keys::FRAGMENT, problems)?;
    let name = fields.required("fragment", "order-line").and_then(|n| fields.text(n));
    if let Some(name) = name.as_ref().filter(|name| !is_name(&name.value)) {
        let message = format!("`{}` cannot name a fragment", name.value);
        fields.problem(ErrorCode::Name, &name.place, message, "letters, digits, `-` and `_`, not a digit first");
    }
    fields.required("shape", "{ id: line.id }");
    let shape = node.get("shape").and_then(|n| shape::shape(n, problems));
    let params = named(node.get("params"), "`params`", problems, param);
    (problems.len() == before).then_some(Fragment { name: name?, params, shape: shape? })
}

fn param(
    name: Spanned<String>,
    node: &Node,
    problems: &mut Vec<Problem>,
) -> Option<(Spanned<String>, Spanned<String>)> {
    let mut fields = Fields { node, problems };
    fields.name(&name)?;
    Some((name, fields.text(node)?))
}

fn is_name(text: &str) -> bool {
    expr::is_name(&text.replace('-', "_"))
}

/// `order-line(l)`; without parameters the name alone.
pub(super) fn used(node: &Node, problems: &mut Vec<Problem>) -> Option<Use> {
    let text = Fields { node, problems }.text(node)?;
    let name = text.value.split('(').next().unwrap_or_default().trim_end();
    let width = name.chars().count();
    // Its name made one that expressions know, it reads as a call of a function.
    let call = format!("{}{}", name.replace('-', "_"), &text.value[name.len()..]);
    let parsed = expr::parse(&call, &text.place).map_err(|problem| problems.push(problem)).ok()?;
    let arguments = match parsed.kind {
        Ast::Call { arguments, .. } if is_name(name) => arguments,
        Ast::Name(_) if is_name(name) => Vec::new(),
        _ => {
            problems.push(
                Problem::new(ErrorCode::WrongForm, &text.place, "`use` takes a fragment's name and its arguments")
                    .help("for example `use: order-line(l)`"),
            );
            return None;
        }
    };
    let fragment = Spanned { value: name.to_owned(), place: text.place.within(0, width) };
    Some(Use { fragment, arguments, place: text.place })
}
