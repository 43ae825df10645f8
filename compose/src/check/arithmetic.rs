//! Types of `+ - * /`: the wider operand's, where one type takes both.

use super::argument::sortable;
use super::assign::{as_float, widened};
use super::expression::merged;
use super::{Checker, Typed};
use crate::expr::{Code, Expr, Number, Operator, Whose};
use crate::inputs::Inputs;
use crate::problem::{ErrorCode, Place};
use crate::schema::{Kind, Type};

impl Checker<'_> {
    pub(super) fn arithmetic(
        &mut self,
        operator: Operator,
        (a, b): (&Expr, &Expr),
        place: &Place,
        here: &Place,
    ) -> Option<Typed> {
        let (left, right) = (self.expr(a, place), self.expr(b, place));
        let (left, right) = (left?, right?);
        let (l, r) = (left.ty.kind.clone(), right.ty.kind.clone());
        let (left, right) = (as_float(left, &r), as_float(right, &l));
        let Some(number) = number(operator, &left, &right) else {
            let (l, r) = (self.contracts.describe(&left.ty), self.contracts.describe(&right.ty));
            let message = format!("`{}` does not take {l} and {r}", operator.symbol());
            self.problem(ErrorCode::WrongType, here, message, help(operator, &left.ty.kind, &right.ty.kind));
            return None;
        };
        let zero = matches!(right.code, Code::Int(0)) || matches!(right.code, Code::Float(f) if f == 0.0);
        if operator == Operator::Divide && zero {
            self.problem(
                ErrorCode::OutOfRange,
                &self.at(b, place),
                "nothing can be divided by zero",
                "divide by something else",
            );
            return None;
        }
        self.computed(operator, number, left, right, here)
    }

    /// `-x` is `x * -1`.
    pub(super) fn negated(&mut self, of: &Expr, place: &Place, here: &Place) -> Option<Typed> {
        let value = self.expr(of, place)?;
        let minus_one = Typed::new(Type::required(Kind::Int32), Code::Int(-1));
        match number(Operator::Multiply, &value, &minus_one) {
            Some(number) => self.computed(Operator::Multiply, number, value, minus_one, here),
            None => {
                let has = self.contracts.describe(&value.ty);
                self.problem(
                    ErrorCode::WrongType,
                    here,
                    format!("`-` does not take {has}"),
                    "only what has a sign can be negated",
                );
                None
            }
        }
    }

    fn computed(
        &mut self,
        operator: Operator,
        number: Number,
        left: Typed,
        right: Typed,
        here: &Place,
    ) -> Option<Typed> {
        let ty = Type { kind: kind_of(number), nullable: left.ty.nullable || right.ty.nullable };
        let whole = merged(&left, &right, ty, Code::Null);
        // Only the divisor can be wrong.
        let of_client = right.is_of_client() || (left.is_of_client() && operator != Operator::Divide);
        let side = |value: Typed| Box::new(answered(sortable(value)));
        let code = Code::Arithmetic { operator, number, left: side(left), right: side(right) };
        self.fallible(Typed { code, ..whole }, of_client, here)
    }

    /// What may have no value says whose fault that is: the client's where one of the operands is of the client alone.
    /// What nobody is to blame for is known now.
    pub(super) fn fallible(&mut self, value: Typed, of_client: bool, here: &Place) -> Option<Typed> {
        let code = match value.reads.iter().next() {
            Some(call) if !of_client => Code::Blame { whose: Whose::Call(call), of: Box::new(value.code) },
            _ if value.from_client => Code::Blame { whose: Whose::Client, of: Box::new(value.code) },
            _ => match value.code.constant(&Inputs::none()) {
                None => value.code,
                Some(Ok(code)) => code.unwrap_or(value.code),
                Some(Err(fault)) => {
                    self.problem(
                        ErrorCode::AlwaysFails,
                        here,
                        fault.0.message,
                        "it fails for every request: write another value",
                    );
                    return None;
                }
            },
        };
        Some(Typed { code, ..value })
    }
}

/// An operand that may have no value by itself blames the call that it is from.
pub(super) fn answered(value: Typed) -> Code {
    match (value.reads.iter().next(), value.code) {
        (Some(call), of @ (Code::Decimal(_) | Code::Each { .. })) => {
            Code::Blame { whose: Whose::Call(call), of: Box::new(of) }
        }
        (_, code) => code,
    }
}

/// With what the operator computes; None where it does not take these.
fn number(operator: Operator, left: &Typed, right: &Typed) -> Option<Number> {
    use Kind::{Decimal, Duration, Int32, Int64, Money, Timestamp, Uint32, Uint64};
    use Operator::{Add, Divide, Multiply, Subtract};
    if left.code == Code::Null || right.code == Code::Null {
        return None;
    }
    match (&left.ty.kind, operator, &right.ty.kind) {
        (Decimal, Add | Subtract | Multiply, Decimal | Int32 | Int64 | Uint32 | Uint64)
        | (Int32 | Int64 | Uint32 | Uint64, Add | Subtract | Multiply, Decimal) => Some(Number::Decimal),
        (Money, Add | Subtract, Money)
        | (Money, Multiply, Int32 | Int64 | Uint32 | Uint64)
        | (Int32 | Int64 | Uint32 | Uint64, Multiply, Money) => Some(Number::Money),
        (Timestamp, Add | Subtract, Duration) | (Duration, Add, Timestamp) => Some(Number::Timestamp),
        (Timestamp, Subtract, Timestamp)
        | (Duration, Add | Subtract, Duration)
        | (Duration, Multiply, Int32 | Int64 | Uint32 | Uint64)
        | (Int32 | Int64 | Uint32 | Uint64, Multiply, Duration) => Some(Number::Duration),
        (_, Add | Subtract | Multiply | Divide, _) => {
            let plain = |kind: &Kind| !matches!(kind, Decimal | Duration | Money | Timestamp);
            widened(left, right).filter(plain).as_ref().and_then(number_of)
        }
    }
}

pub(super) fn number_of(kind: &Kind) -> Option<Number> {
    Some(match kind {
        Kind::Int32 => Number::Int32,
        Kind::Int64 => Number::Int64,
        Kind::Uint32 => Number::Uint32,
        Kind::Uint64 => Number::Uint64,
        Kind::Float => Number::Float,
        Kind::Double => Number::Double,
        Kind::Decimal => Number::Decimal,
        Kind::Money => Number::Money,
        Kind::Timestamp => Number::Timestamp,
        Kind::Duration => Number::Duration,
        _ => return None,
    })
}

fn kind_of(number: Number) -> Kind {
    match number {
        Number::Int32 => Kind::Int32,
        Number::Int64 => Kind::Int64,
        Number::Uint32 => Kind::Uint32,
        Number::Uint64 => Kind::Uint64,
        Number::Float => Kind::Float,
        Number::Double => Kind::Double,
        Number::Decimal => Kind::Decimal,
        Number::Money => Kind::Money,
        Number::Timestamp => Kind::Timestamp,
        Number::Duration => Kind::Duration,
    }
}

fn help(operator: Operator, left: &Kind, right: &Kind) -> &'static str {
    use Kind::{Decimal, Double, Duration, Float, Int64, Money, String, Timestamp, Uint64};
    match (left, right) {
        (String, _) | (_, String) if operator == Operator::Add => "texts are joined by `concat(a, b)`",
        (String, _) | (_, String) => "a text becomes a number by `number(text)`",
        (Money, _) | (_, Money) => "money is added to money of its currency, or multiplied by an integer",
        (Decimal, _) | (_, Decimal) => "decimals take `+`, `-` and `*` with decimals and integers, and stay exact",
        (Timestamp | Duration, _) | (_, Timestamp | Duration) => {
            "a duration is added to a timestamp or a duration; timestamps are subtracted from each other"
        }
        (Int64 | Uint64, Int64 | Uint64 | Float | Double) | (Float | Double, Int64 | Uint64) => {
            "no type takes both exactly; `number(a)` makes the nearest double of an integer"
        }
        _ => "both sides are numbers",
    }
}
