//! The `cache` of a call.

use super::{Fields, keys};
use crate::definition::{Cache, Scope, Spanned};
use crate::problem::ErrorCode;
use crate::yaml::Node;

/// The outer `None` says that a problem was found.
pub(super) fn cache(call: &mut Fields<'_>) -> Option<Option<Cache>> {
    let Some(node) = call.get("cache") else { return Some(None) };
    let mut fields = Fields::of(node, "`cache`", &keys::CACHE, call.problems)?;
    let scope = fields.required("scope", "private").and_then(|n| scope(n, &mut fields));
    let ttl = fields.required("ttl", "30s").and_then(|n| fields.duration(n));
    let swr = fields.get("swr").and_then(|n| fields.duration(n));
    let stale_if_error = fields.get("stale_if_error").and_then(|n| fields.duration(n));
    let per_key = fields.get("per").map(|n| {
        if n.text() != Some("key") {
            let help = "remove it where the whole request is one entry";
            fields.problem(ErrorCode::UnknownValue, &n.place, "`per` can only be `key`", help);
        }
        n.place.clone()
    });
    let tags = fields.get("tags").map(|n| fields.templates(n)).unwrap_or_default();
    let unsafe_shared = fields.get("unsafe_shared").and_then(|n| fields.text(n));
    Some(Some(Cache {
        scope: scope?,
        ttl: ttl?.value,
        swr: swr.map(|d| d.value),
        stale_if_error,
        per_key,
        tags,
        unsafe_shared,
    }))
}

fn scope(node: &Node, fields: &mut Fields<'_>) -> Option<Spanned<Scope>> {
    let value = match node.text() {
        Some("private") => Scope::Private,
        Some("shared") => Scope::Shared,
        _ => {
            let help = "private: the reply answers whoever asked for it alone; shared: it answers everybody";
            fields.problem(ErrorCode::UnknownValue, &node.place, "`scope` is private or shared", help);
            return None;
        }
    };
    Some(Spanned { value, place: node.place.clone() })
}
