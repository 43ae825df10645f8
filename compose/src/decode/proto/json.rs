//! Messages that are passed through as protobuf's own JSON: `Any`, `Struct`, `Value`, `ListValue`.

use std::io;

use bytes::Bytes;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage, Value};
use serde::Serialize;
use serde_json::ser::Formatter;

use crate::decode::Violation;
use crate::tape::{Cell, Span};
use crate::write;

/// Messages within messages, those within an `Any` included: as many as the wire may nest.
const MAX_DEPTH: u32 = 100;

const ANY: &str = "google.protobuf.Any";

/// A message whose parts have been collected.
pub struct Foreign<'l> {
    pub message: &'l MessageDescriptor,
    pub place: usize,
    pub pointer: String,
    /// Parts one behind the other are one message.
    pub wire: Vec<u8>,
}

/// The reply with the JSON texts behind it, to which the cells point. A `Value` of null is null.
pub fn converted(messages: Vec<Foreign<'_>>, cells: &mut [Cell], bytes: Bytes) -> Result<Bytes, Box<Violation>> {
    if messages.is_empty() {
        return Ok(bytes);
    }
    let mut all = bytes.to_vec();
    for (index, foreign) in (0..).zip(messages) {
        if cells[foreign.place] != Cell::Int(index) {
            continue;
        }
        let refused = |(code, message): (&'static str, &str)| {
            Box::new(Violation { pointer: foreign.pointer.clone(), code, message: message.to_owned() })
        };
        let text = text(foreign.message, &foreign.wire).map_err(refused)?;
        if text == b"null" {
            cells[foreign.place] = Cell::Null;
            continue;
        }
        let span = u32::try_from(all.len() + text.len()).is_ok();
        let span = span.then_some(Span { start: all.len() as u32, len: text.len() as u32 });
        let span = span.ok_or_else(|| refused(("size", "has too many values to be decoded")))?;
        cells[foreign.place] = Cell::Json(span);
        all.extend_from_slice(&text);
    }
    Ok(all.into())
}

type Refused = (&'static str, &'static str);

const MALFORMED: Refused = ("syntax", "is not a valid message of its type");
const UNKNOWN_TYPE: Refused = ("type", "holds a message of a type that the contract does not have");
const TOO_DEEP: Refused = ("depth", "is nested deeper than 100 levels");
const UNWRITABLE: Refused = ("range", "holds a value that JSON has no text for");

fn text(message: &MessageDescriptor, wire: &[u8]) -> Result<Vec<u8>, Refused> {
    let decoded = DynamicMessage::decode(message.clone(), wire).map_err(|_| MALFORMED)?;
    if message.full_name() == ANY {
        if decoded.fields().next().is_none() {
            return Ok(b"{}".to_vec());
        }
        payload(&decoded, 0)?;
    }
    let mut json = serde_json::Serializer::with_formatter(Vec::new(), Numbers);
    decoded.serialize(&mut json).map_err(|_| UNWRITABLE)?;
    Ok(json.into_inner())
}

/// Floats as everywhere else in an answer: `1`, not `1.0`.
struct Numbers;

impl Formatter for Numbers {
    fn write_f32<W: ?Sized + io::Write>(&mut self, out: &mut W, value: f32) -> io::Result<()> {
        let mut text = Vec::new();
        write::float32(&mut text, value).ok_or(io::ErrorKind::InvalidData)?;
        out.write_all(&text)
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        let mut text = Vec::new();
        write::float(&mut text, value).ok_or(io::ErrorKind::InvalidData)?;
        out.write_all(&text)
    }
}

/// Bounds how deep messages lie within messages: the wire's own limit begins anew in every `Any`.
fn bounded(message: &DynamicMessage, depth: u32) -> Result<(), Refused> {
    if depth > MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    if message.descriptor().full_name() == ANY {
        return payload(message, depth);
    }
    message.fields().try_for_each(|(_, value)| within(value, depth + 1))
}

fn within(value: &Value, depth: u32) -> Result<(), Refused> {
    match value {
        Value::Message(message) => bounded(message, depth),
        Value::List(items) => items.iter().try_for_each(|item| within(item, depth)),
        Value::Map(entries) => entries.values().try_for_each(|value| within(value, depth)),
        _ => Ok(()),
    }
}

/// What an `Any` holds.
fn payload(any: &DynamicMessage, depth: u32) -> Result<(), Refused> {
    let (url, wire) = (any.get_field_by_number(1), any.get_field_by_number(2));
    let (Some(Value::String(url)), Some(Value::Bytes(wire))) = (url.as_deref(), wire.as_deref()) else {
        return Err(MALFORMED);
    };
    let name = url.rsplit_once('/').map_or(url.as_str(), |(_, name)| name);
    let message = any.descriptor().parent_pool().get_message_by_name(name).ok_or(UNKNOWN_TYPE)?;
    let held = DynamicMessage::decode(message, wire.as_ref()).map_err(|_| MALFORMED)?;
    bounded(&held, depth + 1)
}
