//! What a condition that holds says about null, so that a call behind `when: a != null` may use `a`.

use crate::expr::{AuthField, Code, Comparison};

/// The values that are not null where the condition is true.
pub(super) fn present(condition: &Code) -> Vec<Code> {
    match condition {
        Code::And(a, b) => [present(a), present(b)].concat(),
        Code::Compare(Comparison::NotEqual, value, null) if **null == Code::Null => with_owners(value),
        Code::Compare(Comparison::NotEqual, null, value) if **null == Code::Null => with_owners(value),
        Code::Coalesce(value, otherwise) if **otherwise == Code::Bool(false) => with_owners(value),
        Code::Auth(AuthField::Authenticated) => {
            [AuthField::Sub, AuthField::Role, AuthField::Kind, AuthField::Scopes].map(Code::Auth).into()
        }
        _ => Vec::new(),
    }
}

/// A field is there only where its record is.
fn with_owners(value: &Code) -> Vec<Code> {
    let mut found = vec![value.clone()];
    while let Some(Code::Slot { of, .. }) = found.last() {
        let of = (**of).clone();
        found.push(of);
    }
    found
}
