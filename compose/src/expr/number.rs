//! Arithmetic: exact, or a failure. Floating point rounds as IEEE 754 does, but never to infinity.

use std::borrow::Cow;

use super::decimal::Decimal;
use super::eval::Evaluated;
use super::{Fault, Operator, Value, money, time};
use crate::write;

/// What an operation computes with, which is its result's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Float,
    Double,
    Decimal,
    Money,
    Timestamp,
    Duration,
}

/// Null of null.
pub(super) fn arithmetic<'a>(operator: Operator, number: Number, left: &Value<'a>, right: &Value<'a>) -> Evaluated<'a> {
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    match number {
        Number::Int32 => integer(operator, left, right, i32::MIN.into(), i32::MAX.into()),
        Number::Int64 => integer(operator, left, right, i64::MIN.into(), i64::MAX.into()),
        Number::Uint32 => integer(operator, left, right, 0, u32::MAX.into()),
        Number::Uint64 => integer(operator, left, right, 0, u64::MAX.into()),
        Number::Float => float(operator, left, right).and_then(|f| finite((f as f32).into())),
        Number::Double => float(operator, left, right).and_then(finite),
        Number::Decimal => Decimal::of(left)?.calculate(operator, Decimal::of(right)?).map(Value::Decimal),
        Number::Money => money::arithmetic(operator, left, right),
        Number::Timestamp | Number::Duration => time::arithmetic(operator, number, left, right),
    }
}

fn integer<'a>(operator: Operator, left: &Value<'_>, right: &Value<'_>, min: i128, max: i128) -> Evaluated<'a> {
    let (Some(left), Some(right)) = (left.integer(), right.integer()) else { return Err(Fault::misfit()) };
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide if right == 0 => return Err(Fault::new("an integer is divided by zero")),
        Operator::Divide => left.checked_div(right),
    };
    let fitting = result.filter(|result| (min..=max).contains(result));
    fitting.map(Value::of_integer).ok_or_else(|| Fault::new("the result of an integer operation does not fit its type"))
}

fn float(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> Result<f64, Fault> {
    let (Some(left), Some(right)) = (left.number(), right.number()) else { return Err(Fault::misfit()) };
    Ok(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide if right == 0.0 => return Err(Fault::new("a number is divided by zero")),
        Operator::Divide => left / right,
    })
}

fn finite<'a>(result: f64) -> Evaluated<'a> {
    if result.is_finite() {
        Ok(Value::Float(result))
    } else {
        Err(Fault::new("the result of an operation is no finite number"))
    }
}

/// A float of 32 bits as its text.
pub(super) fn single(value: Value<'_>) -> Result<Value<'_>, Fault> {
    let Value::Float(f) = value else { return Ok(value) };
    let mut out = Vec::new();
    write::float32(&mut out, f as f32).ok_or_else(|| Fault::new("a number is not finite"))?;
    Ok(Value::Text(Cow::Owned(String::from_utf8_lossy(&out).into_owned())))
}
