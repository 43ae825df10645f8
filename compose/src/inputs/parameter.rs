//! What a client gave for one parameter.

use std::cmp::Ordering;

use super::{InputError, InputPlace};
use crate::decode::literal;
use crate::expr::{Code, Decimal, List, Value, utf8};
use crate::plan::Param;
use crate::schema::Kind;
use crate::tape::Cell;

/// The texts that were given for the parameter, as a value of its type and within its bounds.
pub(super) fn bind<'g>(param: &Param, mut given: impl Iterator<Item = &'g str>) -> Result<Value<'static>, InputError> {
    if let Kind::List(item) = &param.kind {
        return list(param, &item.kind, given.collect());
    }
    let (text, second) = (given.next(), given.next());
    match (text, &param.default) {
        (Some(_), _) if second.is_some() => Err(mistake(param, "duplicate", "is given more than once".into())),
        (Some(text), _) => value(param, text),
        (None, _) if param.required => Err(mistake(param, "missing", "is required".into())),
        (None, Code::Int(i)) => Ok(Value::Int(*i)),
        (None, Code::Float(f)) => Ok(Value::Float(*f)),
        (None, Code::Bool(b)) => Ok(Value::Bool(*b)),
        (None, Code::Text(text)) => value(param, text),
        (None, _) => Ok(Value::Null),
    }
}

/// Each item was given by itself; none is an empty list.
fn list(param: &Param, item: &Kind, given: Vec<&str>) -> Result<Value<'static>, InputError> {
    let count = i64::try_from(given.len()).unwrap_or(i64::MAX);
    let items = |bound: i64| if bound == 1 { "time" } else { "times" };
    match (param.min, param.max) {
        _ if given.is_empty() && param.required => return Err(mistake(param, "missing", "is required".into())),
        (Some(min), _) if count < min && !given.is_empty() => {
            return Err(mistake(param, "range", format!("must be given at least {min} {}", items(min))));
        }
        (_, Some(max)) if count > max => {
            return Err(mistake(param, "range", format!("must be given at most {max} {}", items(max))));
        }
        _ => {}
    }
    let values = given.iter().map(|text| of_text(item, text)).collect::<Result<Vec<_>, String>>();
    let values = values.map_err(|must| mistake(param, "type", format!("each {must}")))?;
    Ok(Value::List(List::Values(values.into())))
}

fn mistake(param: &Param, code: &'static str, message: String) -> InputError {
    InputError { at: InputPlace::Parameter(param.name.clone()), code, message }
}

/// One text as a value of the parameter's type and within its bounds.
pub(crate) fn value(param: &Param, text: &str) -> Result<Value<'static>, InputError> {
    let value = of_text(&param.kind, text).map_err(|message| mistake(param, "type", message))?;
    let unit = if matches!(param.kind, Kind::String) { " characters" } else { "" };
    let is = |wanted: Ordering, bound: i64| size_against(&value, bound) == Some(wanted);
    match (param.min, param.max) {
        (Some(min), _) if is(Ordering::Less, min) => {
            Err(mistake(param, "range", format!("must be at least {min}{unit}")))
        }
        (_, Some(max)) if is(Ordering::Greater, max) => {
            Err(mistake(param, "range", format!("must be at most {max}{unit}")))
        }
        _ => Ok(value),
    }
}

/// A number, or the length of a text, against a bound.
fn size_against(value: &Value<'_>, bound: i64) -> Option<Ordering> {
    match value {
        Value::Int(i) => Some(i.cmp(&bound)),
        Value::Uint(u) => Some(i128::from(*u).cmp(&bound.into())),
        Value::Float(f) => f.partial_cmp(&(bound as f64)),
        Value::Text(t) => Some((utf8(t).chars().count() as i128).cmp(&bound.into())),
        _ => None,
    }
}

/// A parameter's text as a value of its kind, or what it must be.
pub(crate) fn of_text(kind: &Kind, text: &str) -> Result<Value<'static>, String> {
    fn integer<T: std::str::FromStr + TryInto<i64>>(text: &str, what: &str) -> Result<Value<'static>, String> {
        let parsed = text.parse::<T>().ok().and_then(|n| n.try_into().ok());
        parsed.map(Value::Int).ok_or_else(|| format!("must be {what}"))
    }
    match kind {
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| "must be true or false".into()),
        Kind::Int32 => integer::<i32>(text, "a whole number of 32 bits"),
        Kind::Int64 => integer::<i64>(text, "a whole number of 64 bits"),
        Kind::Uint32 => integer::<u32>(text, "a whole number of 32 bits that is not negative"),
        Kind::Uint64 => {
            text.parse().map(Value::Uint).map_err(|_| "must be a whole number of 64 bits that is not negative".into())
        }
        Kind::Float | Kind::Double => match text.parse::<f64>() {
            Ok(f) if f.is_finite() => Ok(Value::Float(f)),
            _ => Err("must be a number".into()),
        },
        Kind::Timestamp => cell(literal::timestamp(text.as_bytes()), "a time like 2026-01-31T12:00:00Z"),
        Kind::Date => cell(literal::date(text.as_bytes()), "a date like 2026-01-31"),
        Kind::Decimal => match Decimal::parse(text) {
            Some(decimal) => Ok(decimal.into()),
            None => Err("must be a decimal number like 12.50".into()),
        },
        Kind::Enum(names) => match names.number_of(text) {
            Some(number) => Ok(Value::Int(number.into())),
            None => {
                let all = names.values.iter().map(|(_, n)| n.as_str()).collect::<Vec<_>>().join(", ");
                Err(format!("must be one of {all}"))
            }
        },
        _ => Ok(Value::of_string(text.to_owned())),
    }
}

fn cell(cell: Option<Cell>, what: &str) -> Result<Value<'static>, String> {
    match cell {
        Some(Cell::Time { seconds, nanos }) => Ok(Value::Time { seconds, nanos }),
        Some(Cell::Date { year, month, day }) => Ok(Value::Date { year, month, day }),
        _ => Err(format!("must be {what}")),
    }
}
