//! The `shape` of a view: expressions, objects, and the two structural forms `from` and `of`.

use super::Fields;
use crate::definition::{Binding, Item, Shape, Spanned};
use crate::problem::{ErrorCode, Problem};
use crate::yaml::{Kind, Node};

pub(super) fn shape(node: &Node, problems: &mut Vec<Problem>) -> Option<Shape> {
    match &node.kind {
        Kind::Scalar { .. } => Fields { node, problems }.expr(node).map(Shape::Expr),
        Kind::List(_) => {
            let help = "a list is made from one: `from: orders.orders as o` and `item: ...`";
            problems
                .push(Problem::new(ErrorCode::WrongForm, &node.place, "a shape cannot be a literal list").help(help));
            None
        }
        Kind::Map(_) if node.get("from").is_some() => list(node, problems),
        Kind::Map(_) if node.get("of").is_some() => of(node, problems),
        Kind::Map(entries) if entries.len() == 1 && entries[0].key == "use" => {
            problems.push(super::later(&entries[0].place, "use"));
            None
        }
        Kind::Map(entries) => {
            let members = entries.iter().map(|e| {
                let name = Spanned { value: e.key.clone(), place: e.place.clone() };
                Some((name, shape(&e.value, problems)?))
            });
            // Every member is read before a missing one is noticed, so that all problems are found.
            let members: Vec<Option<_>> = members.collect();
            members.into_iter().collect::<Option<_>>().map(Shape::Object)
        }
    }
}

fn list(node: &Node, problems: &mut Vec<Problem>) -> Option<Shape> {
    let mut fields = Fields::of(node, "a list (`from`)", &["from", "where", "take", "item", "pick"], problems)?;
    let from = fields.required("from", "orders.orders as o").and_then(|n| binding(n, &mut fields));
    let keep = fields.get("where").and_then(|n| fields.expr(n));
    let take = fields.get("take").and_then(|n| fields.expr(n));
    let item = item(node, problems)?;
    Some(Shape::List { from: Box::new(from?), keep, take, item })
}

fn of(node: &Node, problems: &mut Vec<Problem>) -> Option<Shape> {
    let mut fields = Fields::of(node, "`of`", &["of", "item", "pick"], problems)?;
    let of = fields.required("of", "order as o").and_then(|n| binding(n, &mut fields));
    let Some(item) = item(node, problems)? else {
        problems.push(
            Problem::new(ErrorCode::MissingKey, &node.place, "`of` needs `pick` or `item`")
                .help("for example `pick: [id, status]`"),
        );
        return None;
    };
    Some(Shape::Of { of: of?, item })
}

/// The outer `None` says that a problem was found.
fn item(node: &Node, problems: &mut Vec<Problem>) -> Option<Option<Item>> {
    match (node.get("item"), node.get("pick")) {
        (Some(item), None) => Some(Some(Item::Shape(Box::new(shape(item, problems)?)))),
        (None, Some(pick)) => {
            let names = Fields { node, problems }.texts(pick);
            Some(Some(Item::Pick(names)))
        }
        (None, None) => Some(None),
        (Some(_), Some(pick)) => {
            problems.push(
                Problem::new(ErrorCode::Conflict, &pick.place, "`pick` and `item` exclude each other")
                    .help("keep one of them"),
            );
            None
        }
    }
}

/// `expression as name`.
fn binding(node: &Node, fields: &mut Fields<'_>) -> Option<Binding> {
    let text = fields.text(node)?;
    // What follows an ` as ` within quotes is no name.
    let named = text.value.rsplit_once(" as ").filter(|(_, name)| !name.contains(['"', '\'', ')']));
    let Some((expr, name)) = named else {
        return Some(Binding { text: fields.expr(node)?, name: None });
    };
    let mut place = text.place.clone();
    place.width = expr.chars().count();
    let name_at = text.value.chars().count() - name.chars().count();
    let name = Spanned { value: name.trim().to_owned(), place: text.place.within(name_at, name.chars().count()) };
    let expr = Node { place, kind: Kind::Scalar { text: expr.trim_end().to_owned(), plain: true } };
    fields.name(&name)?;
    Some(Binding { text: fields.expr(&expr)?, name: Some(name) })
}
