//! The `calls` of a view.

use super::Fields;
use super::cache::cache;
use crate::definition::{Argument, Batch, Call, Missing, OnFail, Protocol, Spanned};
use crate::problem::{ErrorCode, Place, Problem};
use crate::yaml::{Kind, Node};

const CALL_KEYS: [&str; 13] = [
    "grpc",
    "http",
    "request",
    "each",
    "batch",
    "bound",
    "missing",
    "when",
    "timeout",
    "on_fail",
    "safe",
    "idempotent",
    "cache",
];

pub(super) fn call(name: Spanned<String>, node: &Node, problems: &mut Vec<Problem>) -> Option<Call> {
    let mut fields = Fields::of(node, "a call", &CALL_KEYS, problems)?;
    fields.name(&name);
    let (protocol, operation) = match (fields.get("grpc"), fields.get("http")) {
        (Some(node), None) => (Protocol::Grpc, fields.text(node)?),
        (None, Some(node)) => (Protocol::Http, fields.text(node)?),
        _ => {
            let help = "for example `grpc: orders/orders.v1.OrderService.GetOrder` or `http: catalog/getProduct`";
            fields.problem(
                ErrorCode::MissingKey,
                &name.place,
                format!("the call `{}` needs either `grpc` or `http`", name.value),
                help,
            );
            return None;
        }
    };
    let each = fields.get("each").and_then(|n| fields.expr(n));
    let when = fields.get("when").and_then(|n| fields.expr(n));
    let timeout = fields.get("timeout").and_then(|n| fields.duration(n));
    let on_fail = fields.get("on_fail").map_or(Some(OnFail::Fail), |n| on_fail(n, &mut fields));
    let request = fields.get("request").map(|n| arguments(n, &mut fields)).unwrap_or_default();
    let (safe, idempotent) = (safe(&mut fields), fields.bool("idempotent"));
    let cache = cache(&mut fields)?;
    let batch = match fields.get("batch") {
        Some(node) => Some(batch(node, &mut fields)?),
        None => {
            for key in ["bound", "missing"] {
                if let Some(n) = fields.get(key) {
                    fields.problem(ErrorCode::Unused, &n.place, format!("`{key}` belongs to a `batch`"), "remove it");
                }
            }
            None
        }
    };
    match (&each, &batch) {
        (Some(each), None) => {
            let place = each.place.clone();
            fields.problem(
                ErrorCode::Unsupported,
                &place,
                "`each` needs a `batch`: one call per key is not run by this version",
                "for example `batch: { into: query.ids, max: 50, items: items, key: id }`",
            );
        }
        (None, Some(batch)) => {
            let place = batch.into.place.clone();
            fields.problem(
                ErrorCode::MissingKey,
                &place,
                "`batch` needs `each`: where its keys come from",
                "for example `each: orders.lines[].product_id`",
            );
        }
        _ => {}
    }
    Some(Call {
        name,
        protocol,
        operation,
        request,
        each,
        batch,
        when,
        timeout,
        on_fail: on_fail?,
        safe,
        idempotent,
        cache,
    })
}

/// `stream: { grpc: ..., request: ..., as: change }`.
pub(super) fn stream(node: &Node, problems: &mut Vec<Problem>) -> Option<Call> {
    let mut fields = Fields::of(node, "`stream`", &["grpc", "request", "as", "timeout", "safe"], problems)?;
    let operation = fields.required("grpc", "orders/orders.v1.OrderService.WatchOrders").and_then(|n| fields.text(n));
    let name = fields.required("as", "change").and_then(|n| fields.text(n));
    name.as_ref().and_then(|name| fields.name(name))?;
    let timeout = fields.get("timeout").and_then(|n| fields.duration(n));
    let request = fields.get("request").map(|n| arguments(n, &mut fields)).unwrap_or_default();
    Some(Call {
        name: name?,
        protocol: Protocol::Grpc,
        operation: operation?,
        request,
        each: None,
        batch: None,
        when: None,
        timeout,
        on_fail: OnFail::Fail,
        safe: safe(&mut fields),
        idempotent: false,
        cache: None,
    })
}

/// Where `safe: true` stands.
fn safe(fields: &mut Fields<'_>) -> Option<Place> {
    fields.bool("safe").then(|| fields.get("safe").map(|n| n.place.clone())).flatten()
}

fn on_fail(node: &Node, fields: &mut Fields<'_>) -> Option<OnFail> {
    match node.text() {
        Some("fail") => Some(OnFail::Fail),
        Some("null") => Some(OnFail::Null),
        _ => {
            fields.problem(
                ErrorCode::UnknownValue,
                &node.place,
                "`on_fail` is `fail` or `null` in this version",
                "fail: the view fails; null: the call's value is null and the answer says so",
            );
            None
        }
    }
}

fn batch(node: &Node, outer: &mut Fields<'_>) -> Option<Batch> {
    let bound = outer.get("bound").and_then(|n| outer.number::<u32>(n, "`bound`"));
    let missing = outer.get("missing").map_or(Some(Missing::Fail), |n| match n.text() {
        Some("null") => Some(Missing::Null),
        Some("fail") => Some(Missing::Fail),
        _ => {
            outer.problem(
                ErrorCode::UnknownValue,
                &n.place,
                "`missing` is `fail` or `null` in this version",
                "of a key without a result: `null` makes it null, `fail` lets the call fail",
            );
            None
        }
    });
    let mut fields = Fields::of(node, "`batch`", &["into", "max", "items", "key"], outer.problems)?;
    let into = fields.required("into", "query.ids").and_then(|n| fields.text(n));
    let max = fields.required("max", "50").and_then(|n| fields.number::<u32>(n, "`max`"));
    for (limit, message) in [(&max, "`max` must be at least 1"), (&bound, "`bound` must be at least 1")] {
        if let Some(zero) = limit.as_ref().filter(|limit| limit.value == 0) {
            fields.problem(
                ErrorCode::OutOfRange,
                &zero.place,
                message,
                "`max`: keys of one request; `bound`: keys altogether",
            );
        }
    }
    let items = fields.get("items").and_then(|n| fields.text(n));
    let key = fields.required("key", "id").and_then(|n| fields.text(n));
    Some(Batch { into: into?, max: max?, items, key: key?, bound, missing: missing? })
}

fn arguments(node: &Node, fields: &mut Fields<'_>) -> Vec<(Spanned<String>, Argument)> {
    let Some(entries) = node.entries() else {
        fields.problem(
            ErrorCode::WrongForm,
            &node.place,
            format!("a request is a map of its fields, not {}", node.noun()),
            "for example `request: { id: $params.id }`",
        );
        return Vec::new();
    };
    let name = |entry: &crate::yaml::Entry| Spanned { value: entry.key.clone(), place: entry.place.clone() };
    entries.iter().filter_map(|e| Some((name(e), argument(&e.value, fields)?))).collect()
}

fn argument(node: &Node, fields: &mut Fields<'_>) -> Option<Argument> {
    match &node.kind {
        Kind::Scalar { .. } => fields.expr(node).map(Argument::Expr),
        Kind::Map(_) => Some(Argument::Object(arguments(node, fields), node.place.clone())),
        Kind::List(items) => {
            let items = items.iter().filter_map(|i| argument(i, fields)).collect();
            Some(Argument::List(items, node.place.clone()))
        }
    }
}
