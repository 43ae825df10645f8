//! Whether a value may go where it is sent.

use super::{Checker, Typed};
use crate::expr::Code;
use crate::problem::Place;
use crate::schema::{Kind, Type};

impl Checker<'_> {
    /// The value as one of the wanted type, or a problem.
    pub(super) fn assign(&mut self, mut value: Typed, to: &Type, required: bool, place: &Place) -> Option<Typed> {
        if let Kind::Enum(names) = &to.kind {
            self.literal_of(names, &mut value, place)?;
        }
        if value.ty.nullable && required {
            self.problem(
                place,
                "this may be null, and the contract requires it",
                "write `??` behind it, or call only `when` it is there",
            );
            return None;
        }
        if !assignable(&value, &value.ty.kind, &to.kind) {
            let (has, wants) = (self.contracts.describe(&value.ty), self.contracts.describe(to));
            let help = match (&value.ty.kind, &to.kind) {
                (_, Kind::String) => "write `string(...)` around it",
                _ => "send a value of the contract's type",
            };
            self.problem(place, format!("this is {has}, but the contract wants {wants}"), help);
            return None;
        }
        if let (Kind::Enum(names), Kind::String) = (value.ty.kind.clone(), &to.kind) {
            value.code = Code::EnumName { of: Box::new(value.code), names };
            value.ty.kind = Kind::String;
        }
        Some(value)
    }

    /// The keys of a batch as a list of the wanted type.
    pub(super) fn key_fits(&mut self, key: &Typed, to: &Type, place: &Place) {
        let item = match &to.kind {
            Kind::List(item) => &item.kind,
            // A parameter that takes "a,b" without saying that it is a list.
            Kind::String => &key.ty.kind,
            other => other,
        };
        if *item != key.ty.kind {
            let (has, wants) = (self.contracts.describe(&key.ty), self.contracts.describe(to));
            self.problem(place, format!("the keys are {has}, but this takes {wants}"), "both are of one type");
        }
    }
}

/// Widening only: nothing is ever cut off.
fn assignable(value: &Typed, from: &Kind, to: &Kind) -> bool {
    let literal = match value.code {
        Code::Int(i) => Some(i),
        _ => None,
    };
    match (from, to) {
        _ if value.code == Code::Null => true,
        (a, b) if a == b => true,
        (Kind::Int32 | Kind::Int64, Kind::Uint32) => literal.is_some_and(|i| u32::try_from(i).is_ok()),
        (Kind::Int32 | Kind::Int64, Kind::Uint64) => literal.is_some_and(|i| i >= 0),
        (Kind::Int32 | Kind::Uint32, Kind::Int64 | Kind::Double)
        | (Kind::Uint32, Kind::Uint64)
        | (Kind::Float, Kind::Double) => true,
        (Kind::Enum(names), Kind::String) => names.text || literal.is_none(),
        (Kind::List(a), Kind::List(b)) => a.kind == b.kind,
        _ => false,
    }
}
