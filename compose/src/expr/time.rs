//! Timestamps, durations and dates.

use time::OffsetDateTime;

use super::eval::Evaluated;
use super::pattern::{Moment, Pattern};
use super::{Fault, Number, Operator, Value, text};
use crate::decode::literal;
use crate::tape::Cell;
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
    Ok(Value::Text(out.into()))
}

pub(super) fn timestamp<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    read(values, literal::timestamp, "a text is not a timestamp of RFC 3339")
}

pub(super) fn duration<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    read(values, literal::duration, "a text is not a duration, such as `1.5s`")
}

pub(super) fn date_of_text<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    read(values, literal::date, "a text is not a date, such as `2026-01-31`")
}

fn read<'a>(values: &[Value<'a>], parse: fn(&[u8]) -> Option<Cell>, otherwise: &str) -> Evaluated<'a> {
    let [text] = values else { return Err(Fault::misfit()) };
    match parse(text::of(text)?.as_bytes()) {
        Some(Cell::Time { seconds, nanos }) => Ok(Value::Time { seconds, nanos }),
        Some(Cell::Date { year, month, day }) => Ok(Value::Date { year, month, day }),
        _ => Err(Fault::new(otherwise)),
    }
}

pub(super) fn date_of_timestamp<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [timestamp, offset @ ..] = values else { return Err(Fault::misfit()) };
    let Moment { year, month, day, .. } = Moment::of(timestamp, offset.first())?;
    Ok(Value::Date { year, month, day })
}

/// Appends a date or a timestamp as the pattern says.
pub(super) fn format(
    value: &Value<'_>,
    pattern: &Pattern,
    offset: Option<&Value<'_>>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    pattern.write(&Moment::of(value, offset)?, out);
    Ok(())
}

impl Moment {
    fn of(value: &Value<'_>, offset: Option<&Value<'_>>) -> Result<Moment, Fault> {
        let out_of_range = || Fault::new("a time is out of range");
        match value {
            Value::Date { year, month, day } => Ok(Moment::of_date(*year, *month, *day)),
            Value::Time { seconds, nanos } => {
                let offset = offset.map_or(Ok(0), offset_of)?;
                let local = seconds.checked_add(offset).filter(|local| TIMESTAMPS.contains(local));
                let local = OffsetDateTime::from_unix_timestamp(local.ok_or_else(out_of_range)?);
                let local = local.map_err(|_| out_of_range())?;
                let (year, month, day) = local.to_calendar_date();
                let (hour, minute, second) = local.to_hms();
                let millisecond = u16::try_from(nanos / 1_000_000).map_err(|_| out_of_range())?;
                Ok(Moment { hour, minute, second, millisecond, ..Moment::of_date(year, month.into(), day) })
            }
            _ => Err(Fault::misfit()),
        }
    }

    fn of_date(year: i32, month: u8, day: u8) -> Moment {
        Moment { year, month, day, ..Moment::default() }
    }
}

/// Seconds east of UTC.
fn offset_of(value: &Value<'_>) -> Result<i64, Fault> {
    literal::offset(text::of(value)?.as_bytes()).ok_or_else(|| Fault::new("an offset is `Z`, or such as `+06:00`"))
}

/// What is wrong with a literal offset.
pub(crate) fn wrong_offset(offset: &str) -> Option<String> {
    literal::offset(offset.as_bytes()).is_none().then(|| "this is not an offset".to_owned())
}

/// What is wrong with a literal pattern, for dates or for timestamps.
pub(crate) fn wrong_pattern(pattern: &str, of_date: bool) -> Option<String> {
    let wrong = Pattern::read(pattern).err();
    let mut unquoted = pattern.split('\'').step_by(2).flat_map(str::chars);
    let time = unquoted.find(|c| of_date && matches!(c, 'H' | 'm' | 's' | 'S'));
    wrong.or_else(|| time.map(|c| format!("a date has no time, so that its pattern has no `{c}`")))
}
