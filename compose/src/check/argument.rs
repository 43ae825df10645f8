//! What the parameters of functions take, and in which form a value reaches the function.

use super::assign::as_float;
use super::expression::{comparable, is_ordered};
use super::function::written;
use super::{Checker, Typed};
use crate::expr::{Code, MAX_DIGITS, Takes, wrong_offset, wrong_pattern};
use crate::schema::{Kind, Type};

/// Whether the parameter takes the value; `first` is the call's first argument.
pub(super) fn fits(takes: Takes, value: &Typed, first: &Typed) -> bool {
    use Kind::{
        Bytes, Date, Decimal, Double, Duration, Enum, Float, Int32, Int64, Money, String, Timestamp, Uint32, Uint64,
    };
    let kind = &value.ty.kind;
    if value.code == Code::Null {
        return false;
    }
    match takes {
        Takes::Any => true,
        Takes::Bytes => *kind == Bytes,
        Takes::Call => false,
        Takes::Condition => *kind == Kind::Bool,
        Takes::Count | Takes::Digits | Takes::Integer => matches!(kind, Int32 | Int64 | Uint32 | Uint64),
        Takes::Day => *kind == Date,
        Takes::Decimal => *kind == Decimal,
        Takes::Instant => *kind == Timestamp,
        Takes::List(of) => match kind {
            Kind::List(item) => {
                fits(*of, &Typed { ty: (**item).clone(), code: Code::Local(0), ..value.clone() }, first)
            }
            _ => false,
        },
        Takes::Money => *kind == Money,
        Takes::Number => matches!(kind, Int32 | Int64 | Uint32 | Uint64 | Float | Double),
        Takes::Offset | Takes::Separator => *kind == String,
        Takes::Ordered => is_ordered(kind) || *kind == Money,
        Takes::Pattern => matches!(value.code, Code::Text(_)),
        Takes::Same => match &first.ty.kind {
            Kind::List(item) => {
                comparable(&item.kind, kind) || (matches!((&item.kind, &value.code), (Enum(_), Code::Text(_))))
            }
            of => comparable(of, kind),
        },
        Takes::Scalar => {
            matches!(kind, Kind::Bool | Int32 | Int64 | Uint32 | Uint64 | Float | Double)
                || matches!(kind, String | Bytes | Enum(_) | Timestamp | Duration | Date | Decimal)
        }
        Takes::Sized => matches!(kind, String | Kind::List(_) | Kind::Map(_)),
        Takes::Summand => {
            matches!(kind, Int32 | Int64 | Uint32 | Uint64 | Float | Double | Decimal | Money | Duration)
        }
        Takes::Text => matches!(kind, String | Enum(_)),
    }
}

/// What is wrong with a literal that the parameter takes by its type alone, and what to write instead.
pub(super) fn wrong_literal(takes: Takes, value: &Typed, first: &Typed) -> Option<(String, &'static str)> {
    match (takes, &value.code) {
        (Takes::Count, Code::Int(n)) if *n < 0 => {
            Some(("a number of characters is not negative".to_owned(), "count from 0"))
        }
        (Takes::Digits, Code::Int(n)) if !(0..=i64::from(MAX_DIGITS)).contains(n) => {
            Some((format!("a number is rounded to 0 to {MAX_DIGITS} decimals"), "for example `round(x, 2)`"))
        }
        (Takes::Separator, Code::Text(text)) if text.is_empty() => {
            Some(("an empty text is found everywhere".to_owned(), "write at least one character"))
        }
        (Takes::Offset, Code::Text(text)) => {
            Some((wrong_offset(text)?, "`Z`, or hours and minutes east of UTC such as `+06:00`"))
        }
        (Takes::Pattern, Code::Text(text)) => Some((
            wrong_pattern(text, first.ty.kind == Kind::Date)?,
            "known: yyyy MM M dd d, and of timestamps HH H mm ss SSS; other letters stand in single quotes",
        )),
        _ => None,
    }
}

impl Checker<'_> {
    /// The value as the function reads it; where floats of 32 bits are compared, as such.
    pub(super) fn handed_over(&mut self, takes: Takes, value: Typed, as_floats: bool) -> Code {
        match (takes, value.ty.kind.clone()) {
            (Takes::Text | Takes::Scalar, _) | (Takes::Number, Kind::Float) => written(value),
            (Takes::List(of), Kind::List(item)) => {
                // Where nothing changes the list stays where it is.
                let local = self.scope.len();
                let entry = Typed::new(*item, Code::Local(local));
                match self.handed_over(*of, entry.clone(), as_floats) {
                    same if same == entry.code => value.code,
                    changed => {
                        self.locals = self.locals.max(local + 1);
                        Code::Each { lists: vec![(value.code, local)], item: Box::new(changed) }
                    }
                }
            }
            (Takes::Decimal | Takes::Ordered | Takes::Same | Takes::Summand, Kind::Decimal) => as_number(value.code),
            (Takes::Ordered | Takes::Same, Kind::Float) if as_floats => Code::Narrowed(Box::new(value.code)),
            _ => value.code,
        }
    }
}

/// A decimal that can be computed with.
pub(super) fn as_number(code: Code) -> Code {
    match code {
        Code::Decimal(_) => code,
        code => Code::Decimal(Box::new(code)),
    }
}

/// The value in the form that is compared and sorted.
pub(super) fn sortable(value: Typed) -> Typed {
    match value.ty {
        Type { kind: Kind::Decimal, .. } => Typed { code: as_number(value.code.clone()), ..value },
        _ => value,
    }
}

/// Both in the form in which they are compared: a float of 32 bits is its literal, whatever its reply has.
pub(super) fn alike(left: Typed, right: Typed) -> (Typed, Typed) {
    let (l, r) = (left.ty.kind.clone(), right.ty.kind.clone());
    let (left, right) = (as_float(left, &r), as_float(right, &l));
    let floats = left.ty.kind == Kind::Float && right.ty.kind == Kind::Float;
    let narrowed = |value: Typed| match floats {
        true => Typed { code: Code::Narrowed(Box::new(value.code)), ..value },
        false => sortable(value),
    };
    (narrowed(left), narrowed(right))
}
