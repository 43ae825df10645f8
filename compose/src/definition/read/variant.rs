//! Variants: the view read again, with defaults changed and members left out.

use super::{Fields, Spanned, keys, shape, view};
use crate::definition::View;
use crate::plan::camel_case;
use crate::problem::{ErrorCode, Place, Problem};
use crate::yaml::{Entry, Kind, Node};

const MAX_VARIANTS: usize = 8;
const MAX_NAME: usize = 64;

/// The problems of a view that is not `sound` itself are not told once more for each.
pub(super) fn variants(node: &Node, sound: bool, problems: &mut Vec<Problem>) -> Vec<View> {
    let Some(variants) = node.get("variants") else { return Vec::new() };
    let Some(entries) = variants.entries() else {
        let message = format!("`variants` must be a map of names, not {}", variants.noun());
        let help = "for example `mobile: { omit: [recentOrders] }`";
        problems.push(Problem::new(ErrorCode::WrongForm, &variants.place, message).help(help));
        return Vec::new();
    };
    if let Some(more) = entries.get(MAX_VARIANTS) {
        let message = format!("a view has at most {MAX_VARIANTS} variants");
        problems.push(Problem::new(ErrorCode::TooMuch, &more.place, message).help("make a view of its own"));
        return Vec::new();
    }
    entries.iter().filter_map(|entry| variant(node, sound, entry, problems)).collect()
}

fn variant(base: &Node, sound: bool, entry: &Entry, problems: &mut Vec<Problem>) -> Option<View> {
    let before = problems.len();
    let name = Spanned { value: entry.key.clone(), place: entry.place.clone() };
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.value.is_empty() || name.value.len() > MAX_NAME || !name.value.chars().all(fits) {
        let message = format!("`{}` cannot name a variant", name.value);
        problems.push(Problem::new(ErrorCode::Name, &name.place, message).help("letters, digits, `-` and `_`"));
    }
    let changes = changes(&entry.value);
    let known: Vec<&str> = keys::VARIANT.into_iter().chain(changes.iter().map(|(_, key)| *key)).collect();
    let mut fields = Fields::of(&entry.value, "a variant", &known, problems)?;
    let omitted = fields.get("omit").map(|n| fields.texts(n)).unwrap_or_default();
    let mut node = base.clone();
    for (param, key) in changes {
        if let Some(default) = entry.value.get(key)
            && let Err(problem) = change(&mut node, param, default)
        {
            problems.push(problem);
        }
    }
    for path in &omitted {
        if let Err(problem) = omit(&mut node, path) {
            problems.push(problem);
        }
    }
    if let Kind::Map(entries) = &mut node.kind {
        entries.retain(|e| e.key != "variants");
    }
    if !sound || problems.len() > before {
        return None;
    }
    let view = view(&node, problems)?;
    Some(View { variant: Some(name), ..view })
}

/// The keys `params.NAME.default`, each with its name.
fn changes(node: &Node) -> Vec<(&str, &str)> {
    let keys = node.entries().unwrap_or_default().iter().map(|entry| entry.key.as_str());
    keys.filter_map(|key| Some((key.strip_prefix("params.")?.strip_suffix(".default")?, key))).collect()
}

fn entries(node: &mut Node) -> Option<&mut Vec<Entry>> {
    match &mut node.kind {
        Kind::Map(entries) => Some(entries),
        _ => None,
    }
}

fn child<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    entries(node)?.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
}

fn change(node: &mut Node, param: &str, default: &Node) -> Result<(), Problem> {
    let params = child(node, "params").and_then(entries);
    let known: Vec<&str> = params.iter().flat_map(|params| params.iter()).map(|entry| entry.key.as_str()).collect();
    let problem = Problem::new(ErrorCode::UnknownName, &default.place, format!("the view has no parameter `{param}`"))
        .suggest(param, known);
    let params = child(node, "params").ok_or_else(|| problem.clone())?;
    let declared = child(params, param).and_then(entries).ok_or(problem)?;
    declared.retain(|entry| entry.key != "default");
    declared.push(Entry { key: "default".to_owned(), place: default.place.clone(), value: default.clone() });
    Ok(())
}

/// Takes what the path names out of the shape.
fn omit(node: &mut Node, path: &Spanned<String>) -> Result<(), Problem> {
    let mut at = child(node, "shape");
    let mut before = 0;
    let steps: Vec<&str> = path.value.split('.').collect();
    for (i, step) in steps.iter().enumerate() {
        let place = path.place.within(before, step.chars().count());
        before += step.chars().count() + 1;
        let is_last = i + 1 == steps.len();
        let nothing = || Problem::new(ErrorCode::UnknownName, &place, "this view has no `shape`");
        let here = at.ok_or_else(|| nothing().help("remove the path: there is nothing to leave out"))?;
        at = match within(here, step, is_last, &place)? {
            _ if is_last => return Ok(()),
            inner => inner,
        };
    }
    Ok(())
}

/// What the step leads to; the last is taken out.
fn within<'a>(node: &'a mut Node, step: &str, is_last: bool, place: &Place) -> Result<Option<&'a mut Node>, Problem> {
    let names = names(node);
    if node.get("use").is_some() && names == ["use"] {
        let message = "a fragment is left as it is";
        let help = "leave out the member that it stands in, or write its shape here";
        return Err(Problem::new(ErrorCode::Unsupported, place, message).help(help));
    }
    let is_form = shape::form(node).is_some();
    let found = names.iter().position(|name| name == step);
    let Some(found) = found.filter(|_| !is_form || names[0] != "item" || !is_last) else {
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let problem = Problem::new(ErrorCode::UnknownName, place, format!("`{step}` names nothing here"));
        return Err(match &known[..] {
            [] if is_form => {
                problem.help("write `pick` or `item` here, whose members can be left out, or leave out the whole value")
            }
            [] => problem.help("end the path before it: nothing within this value can be left out"),
            [only] if is_form && step == *only => problem.help(format!("go on to what lies within: `{only}.NAME`")),
            [only] if is_form => {
                problem.help(format!("write `{only}.{step}`: what a list's items have lies behind `{only}`"))
            }
            _ => problem.suggest(step, known),
        });
    };
    if is_form && let Some(Node { kind: Kind::List(picked), .. }) = child(node, "pick") {
        if !is_last {
            let problem =
                Problem::new(ErrorCode::UnknownName, place, format!("nothing within `{step}` can be left out"));
            return Err(problem.help("end the path here"));
        }
        picked.remove(found);
        return Ok(None);
    }
    if is_last {
        entries(node).map(|entries| entries.remove(found));
        return Ok(None);
    }
    Ok(child(node, step))
}

/// What can be left out of the node, or lies within.
fn names(node: &Node) -> Vec<String> {
    if shape::form(node).is_none() {
        return node.entries().unwrap_or_default().iter().map(|entry| entry.key.clone()).collect();
    }
    if let Some(picked) = node.get("pick").and_then(Node::list) {
        return picked.iter().map(|name| camel_case(name.text().unwrap_or_default())).collect();
    }
    ["item"].into_iter().filter(|key| node.get(key).is_some()).map(str::to_owned).collect()
}
