//! Outcome to JSON: one pass over the shape, into one buffer.

mod order;

use crate::expr::{Code, Env, Fault, List, Money, MoneyPart, Node, Value};
use crate::plan::{Format, Shape};
use crate::write;

/// A view may write the same text for every item of a list: how large its answer is, the services decide.
const MAX_ANSWER: usize = 64 << 20;

/// Appends the shape's JSON text.
pub(crate) fn render<'a>(shape: &'a Shape, env: &mut Env<'a>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match shape {
        Shape::Value { code, format, .. } => {
            computed(code, format, env, out)?;
            bounded(out)
        }
        Shape::Object(members) => {
            out.push(b'{');
            let start = out.len();
            for member in members {
                let before = out.len();
                if before > start {
                    out.push(b',');
                }
                out.extend_from_slice(member.key.as_bytes());
                let value = out.len();
                match &member.shape {
                    // What most members are.
                    Shape::Value { code: Code::Slot { of, slot }, format, .. } => {
                        field(env.record(of)?, *slot, format, out)?;
                        bounded(out)?;
                    }
                    shape => render(shape, env, out)?,
                }
                if member.may_be_absent() && &out[value..] == b"null" && (member.optional || env.omits(member.omit)) {
                    out.truncate(before);
                }
            }
            out.push(b'}');
            Ok(())
        }
        Shape::Of { of, local, item, .. } => match env.eval(of)? {
            Value::Null => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            value => {
                env.bind(*local, value);
                render(item, env, out)
            }
        },
        Shape::Let { of, local, item } => {
            let value = env.eval(of)?;
            env.bind(*local, value);
            render(item, env, out)
        }
        Shape::Union { cases, .. } => {
            for case in cases {
                let value = env.eval(&case.of)?;
                if !value.is_null() {
                    env.bind(case.local, value);
                    return render(&case.item, env, out);
                }
            }
            out.extend_from_slice(b"null");
            Ok(())
        }
        Shape::List { .. } => list(shape, env, out),
    }
}

/// Texts are written where they belong at once, whether they are copied or computed.
fn computed<'a>(code: &'a Code, format: &Format, env: &mut Env<'a>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match code {
        Code::Blame { whose, of } => computed(of, format, env, out).map_err(|fault| fault.blamed_on(*whose)),
        Code::FormatDate(formatted) if formatted.pattern.is_plain() => {
            in_quotes(out, |out| env.format_date(formatted, out))
        }
        Code::Slot { of, slot } => field(env.record(of)?, *slot, format, out),
        Code::MoneyPart { of, part } => match (env.money(of)?, part) {
            (None, _) => value(&Value::Null, format, out),
            (Some(money), MoneyPart::Currency) => {
                write::quoted(out, &money.currency);
                Ok(())
            }
            (Some(money), MoneyPart::Amount) => {
                out.push(b'"');
                money.write(out)?;
                out.push(b'"');
                Ok(())
            }
        },
        code => value(&env.eval(code)?, format, out),
    }
}

/// Null of no record.
#[inline]
fn field(of: Option<Node<'_>>, slot: u16, format: &Format, out: &mut Vec<u8>) -> Result<(), Fault> {
    let Some(node) = of else { return value(&Value::Null, format, out) };
    match node.text(slot) {
        Some(text) => {
            write::quoted(out, text);
            Ok(())
        }
        None => value(&node.slot(slot), format, out),
    }
}

fn bounded(out: &[u8]) -> Result<(), Fault> {
    if out.len() > MAX_ANSWER { Err(Fault::new("the answer is larger than 64 MiB")) } else { Ok(()) }
}

/// Null where nothing is written.
fn in_quotes(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<Option<()>, Fault>) -> Result<(), Fault> {
    let before = out.len();
    out.push(b'"');
    match write(out)? {
        Some(()) => out.push(b'"'),
        None => {
            out.truncate(before);
            out.extend_from_slice(b"null");
        }
    }
    Ok(())
}

fn list<'a>(shape: &'a Shape, env: &mut Env<'a>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let Shape::List { from, local, keep, sort, take, item, .. } = shape else { return Ok(()) };
    let Value::List(list) = env.eval(from)? else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    let mut left = match take.as_ref().map(|take| env.eval(take)).transpose()? {
        Some(Value::Int(n)) => usize::try_from(n).unwrap_or(0),
        Some(Value::Uint(n)) => usize::try_from(n).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    out.push(b'[');
    let start = out.len();
    let mut write = |value: Value<'a>, env: &mut Env<'a>| {
        let end = out.len();
        if end > start {
            out.push(b',');
        }
        env.bind(*local, value);
        let written = kept(render(item, env, out))?.is_some();
        if !written {
            out.truncate(end);
        }
        Ok(written)
    };
    if sort.is_empty() {
        for value in list.iter() {
            if left == 0 {
                break;
            }
            env.spend(1)?;
            if order::keeps(keep.as_ref(), *local, &value, env)? && write(value, env)? {
                left -= 1;
            }
        }
    } else {
        for value in order::sorted(list, *local, keep.as_ref(), sort, env)? {
            if left == 0 {
                break;
            }
            left -= usize::from(write(value, env)?);
        }
    }
    out.push(b']');
    Ok(())
}

/// None of what a key without a result leaves out.
fn kept<T>(result: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.drops_item => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Appends one value as JSON.
pub(crate) fn value(value: &Value<'_>, format: &Format, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (value, format) {
        (Value::Null, _) => out.extend_from_slice(b"null"),
        (Value::Bool(b), _) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        (Value::Text(t), _) => write::quoted(out, t),
        (Value::Escaped(t), _) => {
            out.push(b'"');
            out.extend_from_slice(t);
            out.push(b'"');
        }
        (Value::Number(t) | Value::Json(t), _) => out.extend_from_slice(t),
        (Value::Int(i), Format::Enum(names)) => write::string(out, names.name_of(*i as i32)),
        (Value::Int(_) | Value::Uint(_), Format::Int64) => return quoted(value, format, out),
        (Value::Int(i), _) => write::int(out, *i),
        (Value::Uint(u), _) => write::uint(out, *u),
        (Value::Float(f), Format::Float) => write::float32(out, *f as f32).ok_or_else(not_a_number)?,
        (Value::Float(f), _) => write::float(out, *f).ok_or_else(not_a_number)?,
        (Value::Bytes(_) | Value::Decimal(_) | Value::Time { .. } | Value::Date { .. }, _) => {
            return quoted(value, format, out);
        }
        (Value::Record(_) | Value::Money(_), Format::Money) => {
            let money = Money::of(value)?;
            out.extend_from_slice(br#"{"amount":""#);
            money.write(out)?;
            out.extend_from_slice(br#"","currency":"#);
            write::quoted(out, &money.currency);
            out.push(b'}');
        }
        (Value::Record(_) | Value::Money(_), _) => return Err(Fault::new("a record is written by its fields only")),
        (Value::List(list), Format::Map(of)) => map(list, of, out)?,
        (Value::List(list), format) => {
            let item = if let Format::List(item) = format { item } else { format };
            out.push(b'[');
            for (i, entry) in list.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                self::value(&entry, item, out)?;
            }
            out.push(b']');
        }
    }
    Ok(())
}

/// Appends the entries of a map as an object.
fn map(entries: &List<'_>, format: &Format, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.push(b'{');
    for (i, entry) in entries.iter().enumerate() {
        let Value::Record(entry) = entry else { continue };
        if i > 0 {
            out.push(b',');
        }
        match entry.slot(0) {
            Value::Escaped(key) => value(&Value::Escaped(key), &Format::Plain, out)?,
            key => write::string(out, &key.text().unwrap_or_default()),
        }
        out.push(b':');
        value(&entry.slot(1), format, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends a value that JSON has no type for, as a string.
fn quoted(value: &Value<'_>, format: &Format, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.push(b'"');
    match value {
        Value::Int(i) => write::int(out, *i),
        Value::Uint(u) => write::uint(out, *u),
        Value::Bytes(b) => write::base64(out, b),
        Value::Decimal(decimal) => out.extend_from_slice(decimal.to_string().as_bytes()),
        Value::Time { seconds, nanos } if matches!(format, Format::Duration) => {
            write::duration(out, *seconds, *nanos).ok_or_else(out_of_range)?;
        }
        Value::Time { seconds, nanos } => write::timestamp(out, *seconds, *nanos).ok_or_else(out_of_range)?,
        Value::Date { year, month, day } => write::date(out, *year, *month, *day).ok_or_else(out_of_range)?,
        _ => {}
    }
    out.push(b'"');
    Ok(())
}

fn not_a_number() -> Fault {
    Fault::new("JSON has no NaN and no infinity")
}

fn out_of_range() -> Fault {
    Fault::new("a time is out of range")
}
