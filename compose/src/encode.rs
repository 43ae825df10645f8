//! Requests from values: protobuf wire, or a path, a query, headers and a JSON body.

mod json;
mod proto;

use std::borrow::Cow;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::expr::{Env, Fault, Value};
use crate::plan::{Format, Header, Query, QueryValue, Request, Segment};
use crate::upstream::Target;
use crate::write;

/// Everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The request, and for a batch these keys.
pub(crate) fn encode<'a>(
    request: &'a Request,
    env: &mut Env<'a>,
    keys: &[Value<'a>],
) -> Result<(Target, Bytes), Fault> {
    match request {
        Request::Grpc { message, .. } => {
            let mut out = Vec::with_capacity(64);
            proto::message(message, env, keys, &mut out)?;
            Ok((Target::Grpc, out.into()))
        }
        Request::Http { path, query, headers, body, .. } => {
            let mut path_and_query = String::with_capacity(room(path, query, keys));
            write_path(path, env, &mut path_and_query)?;
            let mut separator = '?';
            for part in query {
                append(&mut path_and_query, &mut separator, part, env, keys)?;
            }
            let headers = headers.iter().filter_map(|planned| header(planned, env).transpose());
            let headers = headers.collect::<Result<Vec<_>, Fault>>()?;
            let mut out = Vec::new();
            if let Some(body) = body {
                json::value(body, env, keys, &mut out)?;
            }
            Ok((Target::Http { path_and_query, headers }, out.into()))
        }
        Request::Nats { subject, .. } => {
            Ok((Target::Nats { subject: parts(subject, env)?, after: None }, Bytes::new()))
        }
    }
}

/// A subject: no value of it is several parts, or stands for others.
fn parts<'a>(segments: &'a [Segment], env: &mut Env<'a>) -> Result<String, Fault> {
    let mut subject = String::new();
    for part in segments {
        match part {
            Segment::Text(text) => subject.push_str(text),
            Segment::Value(code, format) => {
                let value = env.eval(code)?;
                let value = formatted(&value, format)?;
                if value.is_empty() || value.chars().any(|c| ".*>".contains(c) || c.is_whitespace() || c.is_control()) {
                    return Err(Fault::bad_request("a part of a subject is empty, or not one part"));
                }
                subject.push_str(&value);
            }
        }
    }
    Ok(subject)
}

/// Stands where the keys of a batch belong in a JSON body; no JSON text has it.
const KEYS: u8 = 0;

/// The request of a batch with room for its keys.
pub(crate) fn keyless<'a>(request: &'a Request, env: &mut Env<'a>) -> Result<(Target, Bytes), Fault> {
    let in_query = |query: &[Query]| query.iter().any(|part| matches!(part.value, QueryValue::Keys));
    match request {
        Request::Http { query, .. } if !in_query(query) => encode(request, env, &[Value::Json(&[KEYS])]),
        _ => encode(request, env, &[]),
    }
}

/// A request that `keyless` made, with these keys.
pub(crate) fn with_keys(
    request: &Request,
    (target, body): (&Target, &Bytes),
    keys: &[Value<'_>],
) -> Result<(Target, Bytes), Fault> {
    let mut target = target.clone();
    match (request, &mut target) {
        (Request::Grpc { message, .. }, _) => {
            let mut out = body.to_vec();
            proto::keys(message, keys, &mut out)?;
            Ok((target, out.into()))
        }
        (Request::Http { query, .. }, Target::Http { path_and_query, .. }) => {
            let mut separator = if path_and_query.contains('?') { '&' } else { '?' };
            for part in query.iter().filter(|part| matches!(part.value, QueryValue::Keys)) {
                append_all(path_and_query, &mut separator, part, keys, &Format::Plain)?;
            }
            let Some(room) = body.iter().position(|byte| *byte == KEYS) else { return Ok((target, body.clone())) };
            let mut out = body[..room].to_vec();
            json::keys(keys, &mut out)?;
            out.extend_from_slice(&body[room + 1..]);
            Ok((target, out.into()))
        }
        (Request::Http { .. } | Request::Nats { .. }, _) => Err(Fault::new("the request is of another protocol")),
    }
}

/// Values are escaped, and none of them can be a step up.
pub(crate) fn path<'a>(segments: &'a [Segment], env: &mut Env<'a>) -> Result<String, Fault> {
    let mut path = String::with_capacity(room(segments, &[], &[]));
    write_path(segments, env, &mut path)?;
    Ok(path)
}

fn write_path<'a>(segments: &'a [Segment], env: &mut Env<'a>, out: &mut String) -> Result<(), Fault> {
    segments.iter().try_for_each(|part| match part {
        Segment::Text(text) => {
            out.push_str(text);
            Ok(())
        }
        Segment::Value(code, format) => segment(&env.eval(code)?, format, out),
    })
}

/// What a path and a query mostly take, values of usual lengths supposed.
fn room(path: &[Segment], query: &[Query], keys: &[Value<'_>]) -> usize {
    const VALUE: usize = 24;
    let path = path.iter().map(|part| if let Segment::Text(text) = part { text.len() } else { VALUE });
    let key = |key: &Value<'_>| if let Value::Text(text) = key { text.len() + 3 } else { VALUE };
    let query = query.iter().map(|part| match part.value {
        QueryValue::Code(..) => part.name.len() + VALUE,
        QueryValue::Keys if part.explode => keys.iter().map(|of| part.name.len() + key(of)).sum(),
        QueryValue::Keys => part.name.len() + keys.iter().map(key).sum::<usize>(),
    });
    path.chain(query).sum()
}

fn text_of<'v>(value: &'v Value<'_>) -> Result<Cow<'v, str>, Fault> {
    value.text().ok_or_else(|| Fault::new("a value that is no text stands in a path, a query or a header"))
}

/// Appends a text with everything escaped but the unreserved characters, of which most texts are made.
fn escape(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')) {
        out.push_str(text);
    } else {
        out.extend(utf8_percent_encode(text, ESCAPED));
    }
}

/// One path segment, which can be neither empty nor a step up.
fn segment(value: &Value<'_>, format: &Format, out: &mut String) -> Result<(), Fault> {
    let before = out.len();
    joined(value, format, out, escape)?;
    if matches!(&out[before..], "" | "." | "..") {
        return Err(Fault::bad_request("a path segment is empty or made of dots"));
    }
    Ok(())
}

/// The value's text, or the texts of a list's items with commas between.
fn joined(
    value: &Value<'_>,
    format: &Format,
    out: &mut String,
    write: impl Fn(&str, &mut String),
) -> Result<(), Fault> {
    let Value::List(list) = value else {
        write(&formatted(value, format)?, out);
        return Ok(());
    };
    for (i, item) in list.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(&formatted(&item, format)?, out);
    }
    Ok(())
}

fn append<'a>(
    out: &mut String,
    separator: &mut char,
    part: &'a Query,
    env: &mut Env<'a>,
    keys: &[Value<'a>],
) -> Result<(), Fault> {
    match &part.value {
        QueryValue::Keys => append_all(out, separator, part, keys, &Format::Plain),
        QueryValue::Code(code, format) => match env.eval(code)? {
            Value::Null => Ok(()),
            Value::List(list) => append_all(out, separator, part, &list.iter().collect::<Vec<_>>(), format),
            value => append_all(out, separator, part, &[value], format),
        },
    }
}

fn append_all(
    out: &mut String,
    separator: &mut char,
    part: &Query,
    values: &[Value<'_>],
    format: &Format,
) -> Result<(), Fault> {
    for (i, value) in values.iter().enumerate() {
        if i == 0 || part.explode {
            out.push(*separator);
            escape(&part.name, out);
            out.push('=');
            *separator = '&';
        } else {
            out.push(',');
        }
        escape(&formatted(value, format)?, out);
    }
    Ok(())
}

fn formatted<'v>(value: &'v Value<'_>, format: &'v Format) -> Result<Cow<'v, str>, Fault> {
    match (value, format) {
        (Value::Int(i), Format::Enum(names)) => {
            match i32::try_from(*i).ok().and_then(|number| names.name_for(number)) {
                Some(name) => Ok(Cow::Borrowed(name)),
                None => Err(Fault::new(format!("a value of `{}` is not one of its names", names.name))),
            }
        }
        (value, Format::List(item)) => formatted(value, item),
        (Value::Float(f), Format::Float) => {
            let mut out = Vec::new();
            write::float32(&mut out, *f as f32).ok_or_else(|| Fault::new("a number is not finite"))?;
            Ok(Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
        }
        (Value::Time { seconds, nanos }, Format::Duration) => {
            let mut out = Vec::new();
            write::duration(&mut out, *seconds, *nanos).ok_or_else(|| Fault::new("a duration is out of range"))?;
            Ok(Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
        }
        (value, _) => text_of(value),
    }
}

fn header<'a>(header: &'a Header, env: &mut Env<'a>) -> Result<Option<(String, String)>, Fault> {
    let (name, value) = (&header.name, env.eval(&header.value)?);
    if value.is_null() {
        return Ok(None);
    }
    let mut text = String::new();
    joined(&value, &header.format, &mut text, |item, text| text.push_str(item))?;
    if !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(Fault::bad_request(format!("the value of the header `{name}` is not printable ASCII")));
    }
    Ok(Some((name.clone(), text)))
}
