//! The `shape` of a view: expressions, objects, and the two structural forms `from` and `of`.

use super::{Fields, fragment, keys};
use crate::definition::{Binding, Item, List, Shape, Sort, Spanned};
use crate::problem::{ErrorCode, Place, Problem};
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
        Kind::Map(_) if form(node) == Some(Form::List) => list(node, problems),
        Kind::Map(_) if form(node) == Some(Form::Of) => of(node, problems),
        Kind::Map(entries) if entries.first().is_some_and(|e| e.key == "use") && node.members().count() == 1 => {
            fragment::used(&entries[0].value, problems).map(Shape::Use)
        }
        Kind::Map(_) => {
            let members = node.members().map(|e| {
                let name = Spanned { value: e.key.clone(), place: e.place.clone() };
                Some((name, shape(&e.value, problems)?))
            });
            // Every member is read before a missing one is noticed, so that all problems are found.
            let members: Vec<Option<_>> = members.collect();
            members.into_iter().collect::<Option<_>>().map(Shape::Object)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    List,
    Of,
}

/// Which form the map is in: an object may have members that are named like a form's first key.
pub(super) fn form(node: &Node) -> Option<Form> {
    let is = |first: &str, keys: &[&str]| {
        let entries = node.entries().unwrap_or_default();
        let binds = |text: &str| text.contains(" as ");
        let others = || entries.iter().any(|entry| entry.key != first && keys.contains(&entry.key.as_str()));
        node.get(first).is_some_and(|of| entries.len() == 1 || of.text().is_some_and(binds) || others())
    };
    if is("from", &keys::LIST) {
        return Some(Form::List);
    }
    is("of", &keys::OF).then_some(Form::Of)
}

fn list(node: &Node, problems: &mut Vec<Problem>) -> Option<Shape> {
    let mut fields = Fields::of(node, "a list (`from`)", &keys::LIST, problems)?;
    let from = fields.required("from", "orders.orders as o").and_then(|n| binding(n, &mut fields));
    let keep = fields.get("where").and_then(|n| fields.expr(n));
    let sort = fields.get("sort").map_or(Some(Vec::new()), |n| order(n, &mut fields));
    let take = fields.get("take").and_then(|n| fields.expr(n));
    let item = item(node, problems)?;
    Some(Shape::List(Box::new(List { from: from?, keep, sort: sort?, take, item })))
}

fn of(node: &Node, problems: &mut Vec<Problem>) -> Option<Shape> {
    let mut fields = Fields::of(node, "`of`", &keys::OF, problems)?;
    let of = fields.required("of", "order as o").and_then(|n| binding(n, &mut fields));
    if let Some(cases) = node.get("cases") {
        return Some(Shape::Union { cases: self::cases(cases, problems)?, of: of? });
    }
    let Some(item) = item(node, problems)? else {
        problems.push(
            Problem::new(ErrorCode::MissingKey, &node.place, "`of` needs `pick` or `item`")
                .help("for example `pick: [id, status]`"),
        );
        return None;
    };
    Some(Shape::Of { of: of?, item })
}

/// `card: { pick: [brand] }`, `voucher: { code: v }`, `_: null`.
fn cases(node: &Node, problems: &mut Vec<Problem>) -> Option<Vec<(Spanned<String>, Option<Item>)>> {
    let Some(entries) = node.entries() else {
        let problem = Problem::new(ErrorCode::WrongForm, &node.place, "`cases` is a map: each case with its item");
        problems.push(problem.help("for example `card: { pick: [brand] }` and `_: null`"));
        return None;
    };
    let cases = entries.iter().map(|case| {
        let name = Spanned { value: case.key.clone(), place: case.place.clone() };
        if case.value.is_null() {
            return Some((name, None));
        }
        if case.key == "_" {
            let message = "the cases that are not named have nothing in common that could be written";
            problems.push(Problem::new(ErrorCode::WrongForm, &case.place, message).help("write `_: null`"));
            return None;
        }
        // A shape may have members of these names; as keys they take lists.
        let by_names = keys::CASE.iter().any(|key| case.value.get(key).is_some_and(|names| names.list().is_some()));
        let item = if by_names {
            Fields::of(&case.value, "a case", &keys::CASE, problems)?;
            item(&case.value, problems)?
        } else {
            None
        };
        let item = item.map_or_else(|| shape(&case.value, problems).map(|s| Item::Shape(Box::new(s))), Some)?;
        Some((name, Some(item)))
    });
    let cases: Vec<Option<_>> = cases.collect();
    cases.into_iter().collect()
}

/// The outer `None` says that a problem was found.
fn item(node: &Node, problems: &mut Vec<Problem>) -> Option<Option<Item>> {
    let given: Vec<(&str, &Node)> =
        ["item", "pick", "omit"].into_iter().filter_map(|key| Some((key, node.get(key)?))).collect();
    match given[..] {
        [] => Some(None),
        [("item", item)] => Some(Some(Item::Shape(Box::new(shape(item, problems)?)))),
        [("pick", names)] => Some(Some(Item::Pick(Fields { node, problems }.texts(names)))),
        [(_, names)] => Some(Some(Item::Omit(Fields { node, problems }.texts(names)))),
        [(first, _), (second, node), ..] => {
            let message = format!("`{first}` and `{second}` exclude each other");
            problems.push(Problem::new(ErrorCode::Conflict, &node.place, message).help("keep one of them"));
            None
        }
    }
}

/// `key`, `key desc`, or a list of such.
fn order(node: &Node, fields: &mut Fields<'_>) -> Option<Vec<Sort>> {
    let keys: Vec<Option<Sort>> = match node.list() {
        Some(items) => items.iter().map(|item| sort(item, fields)).collect(),
        None => vec![sort(node, fields)],
    };
    if keys.is_empty() {
        fields.problem(ErrorCode::Unused, &node.place, "`sort` names no key", "for example `sort: o.created_at desc`");
    }
    keys.into_iter().collect()
}

fn sort(node: &Node, fields: &mut Fields<'_>) -> Option<Sort> {
    let text = fields.text(node)?;
    let (written, descending) = match text.value.trim_end().rsplit_once(' ') {
        Some((written, "desc")) => (written, true),
        Some((written, "asc")) => (written, false),
        _ => return Some(Sort { by: fields.expr(node)?, descending: false }),
    };
    Some(Sort { by: fields.expr(&part(&text, written))?, descending })
}

/// The beginning of a text, as a node of its own.
fn part(text: &Spanned<String>, written: &str) -> Node {
    let place = Place { width: written.chars().count(), ..text.place.clone() };
    Node { place, kind: Kind::Scalar { text: written.trim_end().to_owned(), plain: true } }
}

/// `expression as name`.
fn binding(node: &Node, fields: &mut Fields<'_>) -> Option<Binding> {
    let text = fields.text(node)?;
    // What follows an ` as ` within quotes is no name.
    let named = text.value.rsplit_once(" as ").filter(|(_, name)| !name.contains(['"', '\'', ')']));
    let Some((expr, name)) = named else {
        return Some(Binding { text: fields.expr(node)?, name: None });
    };
    let name_at = text.value.chars().count() - name.chars().count();
    let name = Spanned { value: name.trim().to_owned(), place: text.place.within(name_at, name.chars().count()) };
    fields.name(&name)?;
    Some(Binding { text: fields.expr(&part(&text, expr))?, name: Some(name) })
}
