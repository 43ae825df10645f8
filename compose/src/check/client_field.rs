//! Notes which fields of a request the client's values are sent as.

use super::{Checker, Typed};
use crate::inputs::InputPlace;
use crate::plan::{ClientField, camel_case};

/// Fields of one request that are noted.
const MAX_CLIENT_FIELDS: usize = 500;

impl Checker<'_> {
    /// What is checked meanwhile is sent as this field of the one around it, or as its items (`[]`).
    pub(super) fn sent_as<T>(&mut self, field: &str, check: impl FnOnce(&mut Self) -> T) -> T {
        self.sending.push(field.to_owned());
        let checked = check(self);
        self.sending.pop();
        checked
    }

    pub(super) fn note_client_field(&mut self, value: &Typed) {
        if !value.is_of_client() || self.client_fields.len() == MAX_CLIENT_FIELDS {
            return;
        }
        let mut origins = Vec::new();
        self.origins(&value.code, &mut origins);
        let [origin] = origins.as_slice() else { return };
        if let Some(from) = place(&origin.path) {
            let field = self.sending.join(".").replace(".[", "[");
            self.client_fields.push(ClientField::new(&field, from, &value.ty.kind));
        }
    }
}

/// `$body.lines[].unit_price` as the pointer `/lines/*/unitPrice`; none of what is no single part of a request.
fn place(path: &str) -> Option<InputPlace> {
    if path.contains("...") || path.contains('(') {
        return None;
    }
    if let Some(param) = path.strip_prefix("$params.") {
        let name = param.split(['.', '[']).next()?;
        return Some(InputPlace::Parameter(name.to_owned()));
    }
    let steps = path.strip_prefix("$body")?.replace("[]", ".*");
    Some(InputPlace::Pointer(camel_case(&steps.replace('.', "/"))))
}
