//! The `calls` of a view.

use super::cache::cache;
use super::field_mask::field_mask;
use super::on_fail::on_fail;
use super::{Fields, keys};
use crate::definition::{Argument, Batch, Call, Each, Missing, OnFail, Protocol, Spanned};
use crate::problem::{ErrorCode, Place, Problem};
use crate::yaml::{Kind, Node};

pub(super) fn call(name: Spanned<String>, node: &Node, problems: &mut Vec<Problem>) -> Option<Call> {
    let mut fields = Fields::of(node, "a call", &keys::CALL, problems)?;
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
    let when = fields.get("when").and_then(|n| fields.expr(n));
    let after = fields.get("after").map(|n| fields.texts(n)).unwrap_or_default();
    let timeout = fields.get("timeout").and_then(|n| fields.duration(n));
    let hedge = fields.get("hedge").and_then(|n| fields.duration(n));
    let on_fail = fields.get("on_fail").map_or(Some(OnFail::default()), |n| on_fail(n, &mut fields));
    let request = fields.get("request").map(|n| arguments(n, &mut fields)).unwrap_or_default();
    let (safe, idempotent) = (safe(&mut fields), fields.bool("idempotent"));
    let (cache, field_mask) = (cache(&mut fields)?, field_mask(&mut fields)?);
    let each = each(&mut fields)?;
    Some(Call {
        name,
        protocol,
        operation,
        subject: None,
        event_id: None,
        request,
        each,
        when,
        after,
        timeout,
        hedge,
        on_fail: on_fail?,
        safe,
        idempotent,
        cache,
        field_mask,
    })
}

/// `stream: { grpc: ..., request: ..., as: change }`, or `{ nats: ..., message: ..., as: change }`.
pub(super) fn stream(node: &Node, problems: &mut Vec<Problem>) -> Option<Call> {
    let mut fields = Fields::of(node, "`stream`", &keys::STREAM, problems)?;
    let subject = fields.get("nats").map(|n| fields.template(n));
    let (protocol, operation) = if subject.is_some() {
        only_of_rpcs(&mut fields);
        (Protocol::Nats, fields.required("message", "orders/orders.v1.OrderChange").and_then(|n| fields.text(n)))
    } else {
        if let Some(message) = fields.get("message") {
            let help = "remove it: the contract of a method says what its replies are";
            fields.problem(ErrorCode::Unused, &message.place, "`message` is for `nats`", help);
        }
        let example = "orders/orders.v1.OrderService.WatchOrders";
        (Protocol::Grpc, fields.required("grpc", example).and_then(|n| fields.text(n)))
    };
    let name = fields.required("as", "change").and_then(|n| fields.text(n));
    name.as_ref().and_then(|name| fields.name(name))?;
    let timeout = fields.get("timeout").and_then(|n| fields.duration(n));
    let request = fields.get("request").map(|n| arguments(n, &mut fields)).unwrap_or_default();
    let event_id = fields.get("id").and_then(|n| fields.expr(n));
    // A problem with it was told.
    let subject = if protocol == Protocol::Nats { Some(subject.flatten()?) } else { None };
    Some(Call {
        name: name?,
        protocol,
        operation: operation?,
        subject,
        event_id,
        request,
        each: None,
        when: None,
        after: Vec::new(),
        timeout,
        hedge: None,
        on_fail: OnFail::default(),
        safe: safe(&mut fields),
        idempotent: false,
        cache: None,
        field_mask: None,
    })
}

fn only_of_rpcs(fields: &mut Fields<'_>) {
    for key in ["grpc", "request", "id", "safe"] {
        if let Some(node) = fields.get(key) {
            let message = format!("`{key}` means nothing beside `nats`: nobody is asked, and messages have ids");
            fields.problem(ErrorCode::Conflict, &node.place, message, "remove it");
        }
    }
}

/// Where `safe: true` stands.
fn safe(fields: &mut Fields<'_>) -> Option<Place> {
    fields.bool("safe").then(|| fields.get("safe").map(|n| n.place.clone())).flatten()
}

/// The outer `None` says that a problem was found.
fn each(fields: &mut Fields<'_>) -> Option<Option<Each>> {
    let Some(keys) = fields.get("each") else {
        for key in ["batch", "bound", "missing"] {
            if let Some(node) = fields.get(key) {
                let help = "for example `each: orders.lines[].product_id`";
                let message = format!("`{key}` needs `each`: where its keys come from");
                fields.problem(ErrorCode::MissingKey, &node.place, message, help);
            }
        }
        let misplaced = fields.get("batch").is_none_or(|node| batch(node, fields).is_some());
        return misplaced.then_some(None);
    };
    let keys = fields.expr(keys);
    let bound = fields.get("bound").and_then(|n| fields.number::<u32>(n, "`bound`"));
    at_least_one(&bound, "`bound`", "how many keys there can be altogether", fields);
    let missing = fields.get("missing").map_or(Some(Missing::Fail), |n| match n.text() {
        Some("null") => Some(Missing::Null),
        Some("drop") => Some(Missing::Drop),
        Some("fail") => Some(Missing::Fail),
        _ => {
            let help = "of a key without a result: `null` makes it null, `drop` leaves out the item that looks it up, \
                        `fail` lets the call fail";
            fields.problem(ErrorCode::UnknownValue, &n.place, "`missing` is `fail`, `null` or `drop`", help);
            None
        }
    });
    let batch = match fields.get("batch") {
        Some(node) => Some(batch(node, fields)?),
        None => None,
    };
    Some(Some(Each { keys: keys?, bound, missing: missing?, batch }))
}

fn batch(node: &Node, outer: &mut Fields<'_>) -> Option<Batch> {
    let mut fields = Fields::of(node, "`batch`", &keys::BATCH, outer.problems)?;
    let into = fields.required("into", "query.ids").and_then(|n| fields.text(n));
    let max = fields.required("max", "50").and_then(|n| fields.number::<u32>(n, "`max`"));
    at_least_one(&max, "`max`", "how many keys one request takes", &mut fields);
    let items = fields.get("items").and_then(|n| fields.text(n));
    let key = fields.required("key", "id").and_then(|n| fields.text(n));
    Some(Batch { into: into?, max: max?, items, key: key? })
}

fn at_least_one(limit: &Option<Spanned<u32>>, what: &str, help: &str, fields: &mut Fields<'_>) {
    if let Some(zero) = limit.as_ref().filter(|limit| limit.value == 0) {
        fields.problem(ErrorCode::OutOfRange, &zero.place, format!("{what} must be at least 1"), help);
    }
}

fn arguments(node: &Node, fields: &mut Fields<'_>) -> Vec<(Spanned<String>, Argument)> {
    if node.entries().is_none() {
        fields.problem(
            ErrorCode::WrongForm,
            &node.place,
            format!("a request is a map of its fields, not {}", node.noun()),
            "for example `request: { id: $params.id }`",
        );
        return Vec::new();
    }
    let name = |entry: &crate::yaml::Entry| Spanned { value: entry.key.clone(), place: entry.place.clone() };
    node.members().filter_map(|e| Some((name(e), argument(&e.value, fields)?))).collect()
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
