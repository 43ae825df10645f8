//! The `field_mask` of a call.

use super::{Fields, keys};
use crate::definition::FieldMask;

/// The outer `None` says that a problem was found.
pub(super) fn field_mask(call: &mut Fields<'_>) -> Option<Option<FieldMask>> {
    let Some(node) = call.get("field_mask") else { return Some(None) };
    if node.entries().is_none() {
        return Some(Some(FieldMask { into: call.text(node)?, of: None }));
    }
    let mut fields = Fields::of(node, "`field_mask`", &keys::FIELD_MASK, call.problems)?;
    let into = fields.required("into", "read_mask").and_then(|n| fields.text(n));
    let of = fields.get("of").map(|n| fields.text(n));
    let of = match of {
        Some(None) => return None,
        Some(of) => of,
        None => None,
    };
    Some(Some(FieldMask { into: into?, of }))
}
