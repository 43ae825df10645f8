//! Timestamps, durations and dates.

use std::borrow::Cow;

use super::eval::Evaluated;
use super::{Fault, Number, Operator, Value};
use crate::write;

const NANOS: i128 = 1_000_000_000;
/// From the year 1 to 9999.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// What protobuf allows: ten thousand years.
const MAX_DURATION_SECONDS: i64 = 315_576_000_000;

/// Sums and differences of times, and multiples of durations.
pub(super) fn arithmetic<'a>(operator: Operator, number: Number, left: &Value<'_>, right: &Value<'_>) -> Evaluated<'a> {
    let result = match (operator, nanos(left), nanos(right)) {
        (Operator::Add, Some(left), Some(right)) => Some(left + right),
        (Operator::Subtract, Some(left), Some(right)) => Some(left - right),
        (Operator::Multiply, Some(nanos), None) => right.integer().and_then(|times| nanos.checked_mul(times)),
        (Operator::Multiply, None, Some(nanos)) => left.integer().and_then(|times| nanos.checked_mul(times)),
        _ => return Err(Fault::misfit()),
    };
    let value = result.and_then(|nanos| match number {
        Number::Timestamp => {
            let seconds = i64::try_from(nanos.div_euclid(NANOS)).ok().filter(|s| TIMESTAMPS.contains(s))?;
            Some(Value::Time { seconds, nanos: nanos.rem_euclid(NANOS) as i32 })
        }
        _ => {
            let seconds = i64::try_from(nanos / NANOS).ok().filter(|s| s.abs() <= MAX_DURATION_SECONDS)?;
            Some(Value::Time { seconds, nanos: (nanos % NANOS) as i32 })
        }
    });
    value.ok_or_else(|| Fault::new("a time is out of range"))
}

fn nanos(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Time { seconds, nanos } => Some(i128::from(*seconds) * NANOS + i128::from(*nanos)),
        _ => None,
    }
}

/// A duration as its text.
pub(super) fn seconds<'a>(of: &Value<'_>) -> Evaluated<'a> {
    let Value::Time { seconds, nanos } = of else { return Ok(Value::Null) };
    let mut out = Vec::new();
    write::duration(&mut out, *seconds, *nanos).ok_or_else(|| Fault::new("a duration is out of range"))?;
    Ok(Value::Text(Cow::Owned(String::from_utf8_lossy(&out).into_owned())))
}
