//! Values to the JSON text of a request's body.

use crate::expr::{Code, Env, Fault, List, Value};
use crate::plan::{Format, Json, JsonMember};
use crate::{render, write};

pub(super) fn value<'a>(json: &'a Json, env: &mut Env<'a>, keys: &[Value<'a>], out: &mut Vec<u8>) -> Result<(), Fault> {
    match json {
        Json::Value(code, format) => plain(&env.eval(code)?, format, out),
        Json::Object(members) => object(members, env, keys, out),
        Json::List(items) => list(items, out, |item, out| value(item, env, keys, out)),
        Json::Keys => list(keys, out, |key, out| plain(key, &Format::Plain, out)),
        Json::Record { of, local, object } => match env.eval(of)? {
            Value::Null => plain(&Value::Null, &Format::Plain, out),
            record => {
                env.bind(*local, record);
                value(object, env, keys, out)
            }
        },
        Json::Each { of, local, item } => match env.eval(of)? {
            Value::List(of) => list(of.iter(), out, |bound, out| {
                env.bind(*local, bound);
                value(item, env, keys, out)
            }),
            _ => plain(&Value::Null, &Format::Plain, out),
        },
        Json::Map { of, local, key, value } => match env.eval(of)? {
            Value::List(entries) => map(entries, *local, (key, value), env, keys, out),
            _ => plain(&Value::Null, &Format::Plain, out),
        },
        Json::Union { of, local, cases } => match env.eval(of)? {
            Value::Null => plain(&Value::Null, &Format::Plain, out),
            record => {
                env.bind(*local, record);
                union(cases, env, keys, out)
            }
        },
    }
}

/// The keys of a batch, as they stand within their list.
pub(super) fn keys(keys: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Fault> {
    for (i, key) in keys.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        plain(key, &Format::Plain, out)?;
    }
    Ok(())
}

fn map<'a>(
    entries: List<'a>,
    local: usize,
    (key, item): (&'a Code, &'a Json),
    env: &mut Env<'a>,
    keys: &[Value<'a>],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.push(b'{');
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        env.bind(local, entry);
        write::string(out, &env.eval(key)?.text().unwrap_or_default());
        out.push(b':');
        value(item, env, keys, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// A null one is written and taken back.
fn union<'a>(cases: &'a [Json], env: &mut Env<'a>, keys: &[Value<'a>], out: &mut Vec<u8>) -> Result<(), Fault> {
    let before = out.len();
    for case in cases {
        value(case, env, keys, out)?;
        if out[before..] != *b"null" {
            return Ok(());
        }
        out.truncate(before);
    }
    Err(Fault::new("an object of a case that the contract does not know cannot be sent"))
}

fn object<'a>(
    members: &'a [JsonMember],
    env: &mut Env<'a>,
    keys: &[Value<'a>],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.push(b'{');
    let start = out.len();
    for member in members {
        let before = out.len();
        if before > start {
            out.push(b',');
        }
        out.extend_from_slice(member.key.as_bytes());
        let at = out.len();
        value(&member.value, env, keys, out)?;
        if member.optional && out[at..] == *b"null" {
            out.truncate(before);
        }
    }
    out.push(b'}');
    Ok(())
}

fn list<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    out.push(b'[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, out)?;
    }
    out.push(b']');
    Ok(())
}

/// A name that we do not know ourselves is nothing to tell another service.
fn plain(value: &Value<'_>, format: &Format, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (value, format) {
        (Value::Int(number), Format::Enum(names))
            if i32::try_from(*number).ok().and_then(|number| names.name_for(number)).is_none() =>
        {
            Err(Fault::new(format!("a value of `{}` is not one of its names", names.name)))
        }
        (Value::List(items), Format::List(item)) => list(items.iter(), out, |value, out| plain(&value, item, out)),
        _ => render::value(value, format, out),
    }
}
