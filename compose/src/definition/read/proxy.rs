//! The `proxy` of a view.

use super::{Fields, keys};
use crate::definition::{Proxy, Spanned};
use crate::problem::{ErrorCode, Problem};
use crate::yaml::Node;

pub(super) fn proxy(node: &Node, problems: &mut Vec<Problem>) -> Option<Proxy> {
    let mut fields = Fields::of(node, "`proxy`", &keys::PROXY, problems)?;
    let source = fields.required("source", "profiles").and_then(|n| fields.text(n));
    let to = fields.required("to", "\"/avatars/${$auth.sub}\"").and_then(|n| fields.template(n));
    let max_body = fields.get("max_body").and_then(|n| size(n, &mut fields));
    let types = fields.get("types").map(|n| fields.texts(n)).unwrap_or_default();
    for ty in types.iter().filter(|ty| !is_media_type(&ty.value)) {
        let message = format!("`{}` is not a media type", ty.value);
        fields.problem(ErrorCode::WrongForm, &ty.place, message, "for example `image/png`, or `image/*`");
    }
    let websocket = fields.bool("websocket").then(|| fields.get("websocket").map(|n| n.place.clone())).flatten();
    let max_message = fields.get("max_message").and_then(|n| size(n, &mut fields));
    let place = node.place.clone();
    Some(Proxy { place, source: source?, to: to?, max_body, types, websocket, max_message })
}

const MAX_BYTES: u64 = 1_000_000_000;

/// `500KB`, `8MB`: powers of a thousand.
fn size(node: &Node, fields: &mut Fields<'_>) -> Option<Spanned<u64>> {
    let parsed = node.text().and_then(|text| {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let count: u64 = text[..text.len() - unit.len()].parse().ok()?;
        let bytes = match unit {
            "B" => 1,
            "KB" => 1_000,
            "MB" => 1_000_000,
            _ => return None,
        };
        count.checked_mul(bytes).filter(|bytes| (1..=MAX_BYTES).contains(bytes))
    });
    if parsed.is_none() {
        fields.problem(
            ErrorCode::WrongForm,
            &node.place,
            "a size is expected here",
            "write 500KB or 8MB; 1000MB at the most",
        );
    }
    Some(Spanned { value: parsed?, place: node.place.clone() })
}

fn is_media_type(text: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c));
    text.split_once('/').is_some_and(|(kind, detail)| is_name(kind) && (detail == "*" || is_name(detail)))
}
