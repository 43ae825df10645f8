//! Arithmetic: exact, or a failure. Floating point rounds as IEEE 754 does, but never to infinity.

use std::ops::RangeInclusive;

use super::decimal::{self, Decimal};
use super::eval::Evaluated;
use super::{Fault, Operator, Value, money, text, time};
use crate::decode::literal;
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
        Number::Decimal => Decimal::of(left)?.calculate(operator, Decimal::of(right)?).map(Value::from),
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

/// As the nearest float of 32 bits; services may send more digits than it has.
pub(super) fn nearest_float(value: Value<'_>) -> Value<'_> {
    match value.number() {
        Some(number) => Value::Float((number as f32).into()),
        None => value,
    }
}

/// A float of 32 bits as its text.
pub(super) fn single(value: Value<'_>) -> Result<Value<'_>, Fault> {
    let Value::Float(f) = value else { return Ok(value) };
    let mut out = Vec::new();
    write::float32(&mut out, f as f32).ok_or_else(|| Fault::new("a number is not finite"))?;
    Ok(Value::Text(out.into()))
}

impl Number {
    /// The sum of nothing; no currency has a nothing of its own.
    pub(super) fn nothing<'a>(self) -> Value<'a> {
        match self {
            Number::Money => Value::Null,
            Number::Timestamp | Number::Duration => Value::Time { seconds: 0, nanos: 0 },
            Number::Int32 | Number::Int64 | Number::Uint32 | Number::Uint64 => Value::Int(0),
            Number::Float | Number::Double => Value::Int(0),
            Number::Decimal => Decimal::ZERO.into(),
        }
    }
}

pub(super) fn of_text<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [text] = values else { return Err(Fault::misfit()) };
    let text = text::of(text)?;
    let number = Some(&*text).filter(|text| literal::is_number(text.as_bytes())).and_then(|text| text.parse().ok());
    number.map_or_else(|| Err(Fault::new("a text is not a number")), finite)
}

pub(super) fn of_integer<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [integer] = values else { return Err(Fault::misfit()) };
    integer.number().map(Value::Float).ok_or_else(Fault::misfit)
}

pub(super) fn int32<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    narrowed(values, i32::MIN.into()..=i32::MAX.into(), "an integer does not fit into int32")
}

pub(super) fn int64<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    narrowed(values, i64::MIN.into()..=i64::MAX.into(), "an integer does not fit into int64")
}

fn narrowed<'a>(values: &[Value<'a>], range: RangeInclusive<i128>, otherwise: &'static str) -> Evaluated<'a> {
    let [integer] = values else { return Err(Fault::misfit()) };
    let integer = integer.integer().ok_or_else(Fault::misfit)?;
    if range.contains(&integer) { Ok(Value::of_integer(integer)) } else { Err(Fault::new(otherwise)) }
}

/// Of the text that the number is written as, so that what is seen is what is rounded.
pub(super) fn round<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [number, digits @ ..] = values else { return Err(Fault::misfit()) };
    let digits = decimal::digits(digits.first())?;
    let number = number.number().map_or_else(|| number.clone(), Value::Float);
    let text = text::of(&number)?;
    let rounded: Option<f64> = match Decimal::parse(&text) {
        Some(decimal) => decimal.rounded(digits).to_string().parse().ok(),
        // Too great to have decimals, or too near to zero to be told from it.
        None => text.parse().ok().map(|number: f64| if number.abs() < 1.0 { 0.0 } else { number }),
    };
    rounded.map_or_else(|| Err(Fault::misfit()), finite)
}
