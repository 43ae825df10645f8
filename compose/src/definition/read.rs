//! A YAML tree to definitions. Unknown keys are problems; every problem of a file is found in one go.

mod cache;
mod call;
mod field_mask;
mod fragment;
mod keys;
mod on_fail;
mod proxy;
mod shape;
mod template;
mod variant;

use std::sync::Arc;
use std::time::Duration;

use super::{Body, Definitions, Nulls, Param, ParamLocation, Route, Spanned, Text, View};
use crate::problem::{ErrorCode, File, Place, Problem, first};
use crate::yaml::{self, Node};
use fragment::fragment;
pub use keys::KEYS;

/// What the files define; what has problems is left out.
pub fn read(files: &[Arc<File>]) -> (Definitions, Vec<Problem>) {
    let (mut definitions, mut problems) = (Definitions::default(), Vec::new());
    for file in files {
        let documents = yaml::parse(file).unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        });
        for document in documents.iter().filter(|d| !d.is_null()) {
            match document.get("fragment") {
                None => definitions.views.extend(with_variants(document, &mut problems)),
                Some(name) => match fragment(document, &mut problems) {
                    Some(fragment) => definitions.fragments.push(fragment),
                    None => definitions.unread.extend(name.text().map(str::to_owned)),
                },
            }
        }
    }
    (definitions, first(problems))
}

/// The named values of a map, checked against what may stand there.
struct Fields<'a> {
    node: &'a Node,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Fields<'a> {
    fn of(node: &'a Node, what: &str, known: &[&str], problems: &'a mut Vec<Problem>) -> Option<Fields<'a>> {
        if node.entries().is_none() {
            let message = format!("{what} must be a map, not {}", node.noun());
            problems.push(
                Problem::new(ErrorCode::WrongForm, &node.place, message)
                    .help(format!("its keys are {}", known.join(", "))),
            );
            return None;
        }
        for (entry, is_rest) in node.with_rests().filter(|(e, _)| !known.contains(&e.key.as_str())) {
            let message = format!("{what} has no key `{}`", entry.key);
            let problem = Problem::new(ErrorCode::UnknownKey, &entry.place, message);
            problems.push(if is_rest {
                problem.help("within `{ }` a comma ends the value before it: put that in quotes")
            } else {
                problem.suggest(&entry.key, known.iter().copied())
            });
        }
        Some(Fields { node, problems })
    }

    fn get(&self, key: &str) -> Option<&'a Node> {
        self.node.get(key)
    }

    fn required(&mut self, key: &str, example: &str) -> Option<&'a Node> {
        let found = self.node.get(key).filter(|n| !n.is_null());
        if found.is_none() {
            self.problems.push(
                Problem::new(ErrorCode::MissingKey, &self.node.place, format!("`{key}` is missing"))
                    .help(format!("for example `{key}: {example}`")),
            );
        }
        found
    }

    fn problem(&mut self, code: ErrorCode, place: &Place, message: impl Into<String>, help: &str) {
        self.problems.push(Problem::new(code, place, message).help(help));
    }

    fn text(&mut self, node: &Node) -> Option<Spanned<String>> {
        let text = node.text().filter(|t| !t.is_empty());
        if text.is_none() {
            let message = format!("a text is expected here, not {}", node.noun());
            self.problems
                .push(Problem::new(ErrorCode::WrongForm, &node.place, message).help("write one, or remove the key"));
        }
        Some(Spanned { value: text?.to_owned(), place: node.place.clone() })
    }

    /// A text, or a list of them.
    fn texts(&mut self, node: &Node) -> Vec<Spanned<String>> {
        match node.list() {
            Some(items) => items.iter().filter_map(|item| self.text(item)).collect(),
            None => self.text(node).into_iter().collect(),
        }
    }

    /// A name that expressions can use.
    fn name(&mut self, name: &Spanned<String>) -> Option<()> {
        let fits = crate::expr::is_name(&name.value);
        if !fits {
            let help =
                "letters, digits and `_`, not a digit first; `null`, `true`, `false` and `not` mean something else";
            self.problem(
                ErrorCode::Name,
                &name.place,
                format!("no expression can use the name `{}`", name.value),
                help,
            );
        }
        fits.then_some(())
    }

    fn expr(&mut self, node: &Node) -> Option<Text> {
        let text = self.text(node)?;
        match crate::expr::parse(&text.value, &text.place) {
            Ok(expr) => Some(Text { expr, place: text.place }),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn number<T: std::str::FromStr>(&mut self, node: &Node, what: &str) -> Option<Spanned<T>> {
        let number = node.text().and_then(|t| t.parse().ok());
        if number.is_none() {
            self.problem(
                ErrorCode::WrongForm,
                &node.place,
                format!("{what} must be a whole number"),
                "for example `50`",
            );
        }
        Some(Spanned { value: number?, place: node.place.clone() })
    }

    fn bool(&mut self, key: &str) -> bool {
        let Some(node) = self.get(key) else { return false };
        node.as_bool().unwrap_or_else(|| {
            self.problem(ErrorCode::WrongForm, &node.place, format!("`{key}` is true or false"), "remove it for false");
            false
        })
    }

    fn duration(&mut self, node: &Node) -> Option<Spanned<Duration>> {
        let duration = node.text().and_then(duration);
        if duration.is_none() {
            self.problem(
                ErrorCode::WrongForm,
                &node.place,
                "a time span is expected here",
                "write 250ms, 2s, 10m or 1h: more than 0, a day at the most",
            );
        }
        Some(Spanned { value: duration?, place: node.place.clone() })
    }
}

/// `250ms`, `2s`, `10m`, `1h`: more than zero, at most a day.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let count: u64 = text[..text.len() - unit.len()].parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    count.checked_mul(millis).filter(|ms| (1..=86_400_000).contains(ms)).map(Duration::from_millis)
}

/// The view and its variants, each of which is the view with some of it changed.
fn with_variants(node: &Node, problems: &mut Vec<Problem>) -> Option<View> {
    let view = view(node, problems);
    let before = problems.len();
    let variants = variant::variants(node, view.is_some(), problems);
    (problems.len() == before).then_some(View { variants, ..view? })
}

fn view(node: &Node, problems: &mut Vec<Problem>) -> Option<View> {
    let before = problems.len();
    let mut fields = Fields::of(node, "a view", &keys::VIEW, problems)?;
    let name = fields.required("view", "home").and_then(|n| fields.text(n)).and_then(|n| view_name(n, &mut fields));
    let route = fields.required("route", "GET /v1/home").and_then(|n| route(n, &mut fields));
    let access = fields.required("access", "user").map(|n| access(n, &mut fields));
    let deadline = fields.get("deadline").and_then(|n| fields.duration(n));
    let idempotency = fields.get("idempotency").map(|n| idempotency(n, &mut fields));
    let status = fields.get("status").and_then(|n| status(n, &mut fields));
    let headers = fields.get("headers").map(|n| headers(n, &mut fields)).unwrap_or_default();
    let invalidates = fields.get("invalidates").map(|n| fields.templates(n)).unwrap_or_default();
    let nulls = fields.get("nulls").map(|n| nulls(n, &mut fields)).unwrap_or_default();
    let params = named(node.get("params"), "`params`", problems, param);
    let body = node.get("body").and_then(|n| body(n, problems));
    let calls = named(node.get("calls"), "`calls`", problems, call::call);
    let proxy = node.get("proxy").and_then(|n| proxy::proxy(n, problems));
    let stream = node.get("stream").and_then(|n| call::stream(n, problems));
    let shape = node.get("shape").and_then(|n| shape::shape(n, problems));
    if problems.len() > before {
        return None;
    }
    Some(View {
        name: name?,
        variant: None,
        variants: Vec::new(),
        route: route?,
        access: access?,
        deadline,
        params,
        body,
        idempotency,
        calls,
        stream,
        proxy,
        status,
        headers,
        invalidates,
        nulls,
        shape,
    })
}

fn view_name(name: Spanned<String>, fields: &mut Fields<'_>) -> Option<Spanned<String>> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.value.chars().all(fits) {
        return Some(name);
    }
    let message = format!("`{}` cannot name a view", name.value);
    fields.problem(ErrorCode::Name, &name.place, message, "letters a to z, digits and `-`, as in `order-list`");
    None
}

fn idempotency(node: &Node, fields: &mut Fields<'_>) -> Place {
    if node.text() != Some("required") {
        let help = "remove it where no key is wanted";
        fields.problem(ErrorCode::UnknownValue, &node.place, "`idempotency` can only be `required`", help);
    }
    node.place.clone()
}

fn status(node: &Node, fields: &mut Fields<'_>) -> Option<Spanned<u16>> {
    let status = fields.number::<u16>(node, "`status`")?;
    if !(200..300).contains(&status.value) {
        let message = "`status` is what a success answers: 200 to 299";
        fields.problem(ErrorCode::OutOfRange, &status.place, message, "for example `status: 201`");
    }
    Some(status)
}

fn headers(node: &Node, fields: &mut Fields<'_>) -> Vec<(Spanned<String>, Text)> {
    let Some(entries) = node.entries() else {
        let message = format!("`headers` must be a map of names, not {}", node.noun());
        fields.problem(ErrorCode::WrongForm, &node.place, message, "for example `headers: { etag: order.etag }`");
        return Vec::new();
    };
    let name = |entry: &yaml::Entry| Spanned { value: entry.key.clone(), place: entry.place.clone() };
    entries.iter().filter_map(|entry| Some((name(entry), fields.expr(&entry.value)?))).collect()
}

fn nulls(node: &Node, fields: &mut Fields<'_>) -> Nulls {
    match node.text() {
        Some("keep") => Nulls::Keep,
        Some("omit") => Nulls::Omit,
        _ => {
            fields.problem(
                ErrorCode::UnknownValue,
                &node.place,
                "`nulls` is keep or omit",
                "omit: members that are null are left out",
            );
            Nulls::Keep
        }
    }
}

fn access(node: &Node, fields: &mut Fields<'_>) -> Vec<Spanned<String>> {
    if node.list().is_some_and(<[Node]>::is_empty) {
        fields.problem(ErrorCode::Unused, &node.place, "`access` admits nobody", "name a role, or `public`");
    }
    fields.texts(node)
}

/// Reads each entry of a map of named parts.
fn named<T>(
    node: Option<&Node>,
    what: &str,
    problems: &mut Vec<Problem>,
    read: fn(Spanned<String>, &Node, &mut Vec<Problem>) -> Option<T>,
) -> Vec<T> {
    let Some(node) = node else { return Vec::new() };
    let Some(entries) = node.entries() else {
        let message = format!("{what} must be a map of names, not {}", node.noun());
        problems.push(Problem::new(ErrorCode::WrongForm, &node.place, message).help("remove it where there are none"));
        return Vec::new();
    };
    let name = |key: &str, place: &Place| Spanned { value: key.to_owned(), place: place.clone() };
    entries.iter().filter_map(|e| read(name(&e.key, &e.place), &e.value, problems)).collect()
}

fn route(node: &Node, fields: &mut Fields<'_>) -> Option<Route> {
    const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let text = fields.text(node)?;
    let parts: Vec<&str> = text.value.split_whitespace().collect();
    match parts[..] {
        [method, path] if METHODS.contains(&method) && path.starts_with('/') => {
            Some(Route { method: method.into(), path: path.into(), place: text.place })
        }
        _ => {
            fields.problem(
                ErrorCode::WrongForm,
                &text.place,
                "a route is a method and a path",
                "for example `GET /v1/orders/{id}`; methods: GET POST PUT PATCH DELETE",
            );
            None
        }
    }
}

fn param(name: Spanned<String>, node: &Node, problems: &mut Vec<Problem>) -> Option<Param> {
    let mut fields = Fields::of(node, "a parameter", &keys::PARAMETER, problems)?;
    let location = fields.required("in", "query").and_then(|n| match n.text() {
        Some("path") => Some(ParamLocation::Path),
        Some("query") => Some(ParamLocation::Query),
        Some("header") => Some(ParamLocation::Header),
        _ => {
            fields.problem(
                ErrorCode::UnknownValue,
                &n.place,
                "`in` is path, query or header",
                "for example `in: query`",
            );
            None
        }
    });
    let ty = fields.required("type", "string").and_then(|n| fields.text(n));
    let default = fields.get("default").and_then(|n| fields.text(n));
    let optional = fields.bool("optional");
    let min = fields.get("min").and_then(|n| fields.number(n, "`min`")).map(|n| n.value);
    let max = fields.get("max").and_then(|n| fields.number(n, "`max`")).map(|n| n.value);
    Some(Param { name, location: location?, ty: ty?, default, optional, min, max })
}

fn body(node: &Node, problems: &mut Vec<Problem>) -> Option<Body> {
    let mut fields = Fields::of(node, "`body`", &keys::BODY, problems)?;
    let like = fields.required("like", "orders/orders.v1.CreateOrderRequest").and_then(|n| fields.text(n));
    let omit = fields.get("omit").map(|n| fields.texts(n)).unwrap_or_default();
    let pick = fields.get("pick").map(|n| fields.texts(n));
    let required = fields.get("required").map(|n| fields.texts(n)).unwrap_or_default();
    Some(Body { like: like?, omit, pick, required })
}
