//! Whether a value may go where it is sent.

use super::{Checker, Typed};
use crate::expr::Code;
use crate::problem::{ErrorCode, Place};
use crate::schema::{Kind, Type};

impl Checker<'_> {
    /// The value as one of the wanted type, or a problem.
    pub(super) fn assign(&mut self, mut value: Typed, to: &Type, required: bool, place: &Place) -> Option<Typed> {
        if let Kind::Enum(names) = &to.kind {
            self.literal_of(names, &mut value, place)?;
        }
        if value.ty.nullable && required {
            self.problem(
                ErrorCode::Nullable,
                place,
                "this may be null, and the contract requires it",
                "write `??` behind it, or call only `when` it is there",
            );
            return None;
        }
        if !assignable(&value, &value.ty.kind, &to.kind) {
            let (has, wants) = (self.contracts.describe(&value.ty), self.contracts.describe(to));
            let help = help(&value, &to.kind);
            self.problem(ErrorCode::WrongType, place, format!("this is {has}, but the contract wants {wants}"), help);
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
        let fits = matches!(&to.kind, Kind::List(item) if item.kind == key.ty.kind);
        if !fits {
            let (has, wants) = (self.contracts.describe(&key.ty), self.contracts.describe(to));
            self.problem(
                ErrorCode::WrongType,
                place,
                format!("the keys are list<{has}>, but this takes {wants}"),
                "name a field that is a list of such keys",
            );
        }
    }
}

/// What to write where a value of one type stands and one of another is wanted.
fn help(value: &Typed, to: &Kind) -> &'static str {
    match (&value.ty.kind, to) {
        (from, Kind::List(item)) if *from == item.kind => "write `[ ... ]` around it: a list of one",
        (Kind::List(item), to) if item.kind == *to => "take one of them: `first(list) ?? ...`",
        (Kind::Record(_), Kind::Record(_)) => "give the fields one by one: `a.name: ...`, `a.size: ...`",
        (Kind::Record(_), _) => "take a field of it",
        (_, Kind::Record(_)) => "give its fields: `a.name: ...`",
        (Kind::Union(_) | Kind::List(_) | Kind::Map(_) | Kind::Money | Kind::Json | Kind::Bytes, _) => {
            "send a value of the contract's type"
        }
        (_, Kind::String) => "write `string(...)` around it",
        (_, Kind::Int32 | Kind::Int64) if matches!(value.code, Code::Int(_)) => "write a smaller number",
        (Kind::Int64 | Kind::Uint32 | Kind::Uint64, Kind::Int32) => {
            "write `int32(...)` around it: what does not fit is a failure"
        }
        (Kind::Uint64, Kind::Int64) => "write `int64(...)` around it: what does not fit is a failure",
        (Kind::String, Kind::Enum(_)) => "one of its names in quotes, or a parameter whose type is the enum",
        _ => "send a value of the contract's type",
    }
}

/// The numeric type that takes both.
pub(super) fn widened(a: &Typed, b: &Typed) -> Option<Kind> {
    let numbers = is_number(&a.ty.kind) && is_number(&b.ty.kind);
    // A literal has no type of its own, which would make a double of what stands beside it.
    if a.ty.kind == Kind::Float && is_literal(b) && assignable(b, &b.ty.kind, &Kind::Float) {
        return Some(Kind::Float);
    }
    match (&a.ty.kind, &b.ty.kind) {
        (a, b) if a == b => Some(a.clone()),
        (_, wide) if numbers && assignable(a, &a.ty.kind, wide) => Some(wide.clone()),
        (wide, _) if numbers && assignable(b, &b.ty.kind, wide) => Some(wide.clone()),
        _ if numbers => [Kind::Int64, Kind::Double]
            .into_iter()
            .find(|wide| assignable(a, &a.ty.kind, wide) && assignable(b, &b.ty.kind, wide)),
        _ => None,
    }
}

fn is_number(kind: &Kind) -> bool {
    use Kind::{Double, Float, Int32, Int64, Uint32, Uint64};
    matches!(kind, Int32 | Int64 | Uint32 | Uint64 | Float | Double)
}

pub(super) fn is_literal(value: &Typed) -> bool {
    matches!(value.code, Code::Int(_) | Code::Float(_))
}

/// Widening only: nothing is ever cut off.
pub(super) fn assignable(value: &Typed, from: &Kind, to: &Kind) -> bool {
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
        (Kind::Int32 | Kind::Int64 | Kind::Double, Kind::Float) => survives_as_float(&value.code),
        (Kind::Int64, Kind::Double) => literal.is_some(),
        // JSON carries names: whatever the one can be, the other knows.
        (Kind::Enum(names), Kind::Enum(wider)) if wider.text => {
            names.values.iter().all(|(_, name)| wider.number_of(name).is_some())
        }
        (Kind::Enum(names), Kind::String) => names.text || literal.is_none(),
        (Kind::List(a), Kind::List(b)) => a.kind == b.kind && !a.nullable,
        _ => false,
    }
}

/// Whether a literal is a float of 32 bits. A fraction is rounded to the nearest; nothing else is changed.
fn survives_as_float(code: &Code) -> bool {
    match code {
        Code::Int(i) => i128::from(*i) == (*i as f32) as i128,
        Code::Float(f) => {
            let float = *f as f32;
            let whole = || float.to_string().parse() == Ok(*f);
            float.is_finite() && (float == 0.0) == (*f == 0.0) && (f.fract() != 0.0 || whole())
        }
        _ => false,
    }
}

/// A literal as one of the wanted type, where that is a float of 32 bits.
pub(super) fn as_float(value: Typed, wanted: &Kind) -> Typed {
    match value.code {
        Code::Float(f) if *wanted == Kind::Float && survives_as_float(&value.code) => {
            let ty = Type { kind: Kind::Float, ..value.ty };
            Typed { ty, code: Code::Float((f as f32).into()), ..value }
        }
        _ => value,
    }
}
