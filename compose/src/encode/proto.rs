//! Values to protobuf wire.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::expr::{Env, Fault, Money, Value, utf8};
use crate::plan::{Encoder, FieldEncoder, FieldValue};
use crate::schema::Scalar;

/// Padded or not, as protobuf's JSON may be; of either alphabet once `-` and `_` are replaced.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const GROUP: u32 = 3;
const GROUP_END: u32 = 4;
const FIXED32: u32 = 5;

pub(super) fn message<'a>(
    encoder: &'a Encoder,
    env: &mut Env<'a>,
    keys: &[Value<'a>],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    encoder.fields.iter().try_for_each(|f| field(f, env, keys, out))
}

/// The keys of a batch, behind the rest of its message.
pub(super) fn keys(encoder: &Encoder, keys: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut fields = encoder.fields.iter().filter(|field| matches!(field.value, FieldValue::Keys));
    fields.try_for_each(|field| scalars(field, keys, out))
}

fn field<'a>(field: &'a FieldEncoder, env: &mut Env<'a>, keys: &[Value<'a>], out: &mut Vec<u8>) -> Result<(), Fault> {
    field_value(field, &field.value, env, keys, out)
}

fn field_value<'a>(
    field: &'a FieldEncoder,
    value: &'a FieldValue,
    env: &mut Env<'a>,
    keys: &[Value<'a>],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    match value {
        FieldValue::Items(items) => items.iter().try_for_each(|item| field_value(field, item, env, keys, out)),
        FieldValue::Code(code) => match env.eval(code)? {
            Value::Null => Ok(()),
            Value::List(list) => scalars(field, &list.iter().collect::<Vec<_>>(), out),
            value => scalar(field, &value, out),
        },
        FieldValue::Values(codes) => {
            let values = codes.iter().map(|c| env.eval(c)).collect::<Result<Vec<_>, Fault>>()?;
            scalars(field, &values, out)
        }
        FieldValue::Keys => scalars(field, keys, out),
        FieldValue::Message(inner) => nested(field, inner, env, keys, out),
        FieldValue::Record { of, local, encoder } => {
            let records = match env.eval(of)? {
                Value::Null => return Ok(()),
                Value::List(list) => list.iter().collect(),
                value => vec![value],
            };
            for record in records {
                env.bind(*local, record);
                nested(field, encoder, env, keys, out)?;
            }
            Ok(())
        }
    }
}

/// A message within its length, or as a group between two tags.
fn nested<'a>(
    field: &FieldEncoder,
    encoder: &'a Encoder,
    env: &mut Env<'a>,
    keys: &[Value<'a>],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    if let Scalar::Group(number) = field.scalar {
        key(number, GROUP, out);
        message(encoder, env, keys, out)?;
        key(number, GROUP_END, out);
        return Ok(());
    }
    let mut bytes = Vec::new();
    message(encoder, env, keys, &mut bytes)?;
    length_delimited(field.number, &bytes, out);
    Ok(())
}

fn scalars(field: &FieldEncoder, values: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Fault> {
    if !field.packed {
        return values.iter().try_for_each(|v| scalar(field, v, out));
    }
    if values.is_empty() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    values.iter().try_for_each(|v| payload(&field.scalar, v, &mut bytes))?;
    length_delimited(field.number, &bytes, out);
    Ok(())
}

fn scalar(field: &FieldEncoder, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match wire_type(&field.scalar) {
        LENGTH => {
            if let (Scalar::String, Value::Text(text)) = (&field.scalar, value) {
                length_delimited(field.number, text, out);
                return Ok(());
            }
            let mut bytes = Vec::new();
            payload(&field.scalar, value, &mut bytes)?;
            length_delimited(field.number, &bytes, out);
            Ok(())
        }
        wire_type => {
            key(field.number, wire_type, out);
            payload(&field.scalar, value, out)
        }
    }
}

fn wire_type(scalar: &Scalar) -> u32 {
    match scalar {
        Scalar::Double | Scalar::Fixed64 | Scalar::Sfixed64 => FIXED64,
        Scalar::Float | Scalar::Fixed32 | Scalar::Sfixed32 => FIXED32,
        Scalar::String | Scalar::Bytes | Scalar::Message | Scalar::Json(_) | Scalar::Wrapper(_) => LENGTH,
        _ => VARINT,
    }
}

/// The value without its key and, where it has one, without its length.
fn payload(scalar: &Scalar, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match scalar {
        Scalar::Bool => out.push(u8::from(matches!(value, Value::Bool(true)))),
        Scalar::Int32 | Scalar::Enum => varint(i64::from(narrow::<i32>(value)?) as u64, out),
        Scalar::Int64 => varint(narrow::<i64>(value)? as u64, out),
        Scalar::Uint32 => varint(narrow::<u32>(value)?.into(), out),
        Scalar::Uint64 => varint(narrow::<u64>(value)?, out),
        Scalar::Sint32 => {
            let n = narrow::<i32>(value)?;
            varint(u64::from(((n << 1) ^ (n >> 31)) as u32), out);
        }
        Scalar::Sint64 => {
            let n = narrow::<i64>(value)?;
            varint(((n << 1) ^ (n >> 63)) as u64, out);
        }
        Scalar::Fixed32 => out.extend_from_slice(&narrow::<u32>(value)?.to_le_bytes()),
        Scalar::Fixed64 => out.extend_from_slice(&narrow::<u64>(value)?.to_le_bytes()),
        Scalar::Sfixed32 => out.extend_from_slice(&narrow::<i32>(value)?.to_le_bytes()),
        Scalar::Sfixed64 => out.extend_from_slice(&narrow::<i64>(value)?.to_le_bytes()),
        Scalar::Double => out.extend_from_slice(&float(value)?.to_le_bytes()),
        Scalar::Float => out.extend_from_slice(&float32(value)?.to_le_bytes()),
        Scalar::String => out.extend_from_slice(value.text().ok_or_else(misfit)?.as_bytes()),
        Scalar::Bytes => bytes(value, out)?,
        Scalar::Message => well_known(value, out)?,
        Scalar::Json(message) => foreign(message, value, out)?,
        Scalar::Group(_) => return Err(misfit()),
        Scalar::Wrapper(inner) => {
            let field = FieldEncoder { number: 1, scalar: (**inner).clone(), packed: false, value: FieldValue::Keys };
            self::scalar(&field, value, out)?;
        }
    }
    Ok(())
}

/// JSON as the message that it is the text of.
fn foreign(message: &MessageDescriptor, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let text = match value {
        Value::Json(text) => *text,
        // Of a list, an item is sent even so.
        Value::Null => b"null",
        _ => return Err(misfit()),
    };
    let mut json = serde_json::Deserializer::from_slice(text);
    let message = DynamicMessage::deserialize(message.clone(), &mut json)
        .map_err(|_| Fault::bad_request("a value is not JSON of the type that its place takes"))?;
    out.extend_from_slice(&message.encode_to_vec());
    Ok(())
}

/// Timestamps, durations, dates and money.
fn well_known(value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut int = |number, n: i64| {
        if n != 0 {
            key(number, VARINT, out);
            varint(n as u64, out);
        }
    };
    match value {
        Value::Time { seconds, nanos } => {
            int(1, *seconds);
            int(2, (*nanos).into());
        }
        Value::Date { year, month, day } => {
            int(1, (*year).into());
            int(2, (*month).into());
            int(3, (*day).into());
        }
        Value::Record(_) | Value::Money(_) => {
            let money = Money::of(value)?;
            int(2, money.units);
            int(3, money.nanos.into());
            length_delimited(1, &money.currency, out);
        }
        _ => return Err(misfit()),
    }
    Ok(())
}

fn narrow<T: TryFrom<i64> + TryFrom<u64>>(value: &Value<'_>) -> Result<T, Fault> {
    let number = match value {
        Value::Int(i) => T::try_from(*i).ok(),
        Value::Uint(u) => T::try_from(*u).ok(),
        _ => return Err(misfit()),
    };
    number.ok_or_else(|| Fault::bad_request("an integer does not fit the field it is sent in"))
}

fn float(value: &Value<'_>) -> Result<f64, Fault> {
    match value {
        Value::Float(f) => Ok(*f),
        Value::Int(i) => Ok(*i as f64),
        Value::Uint(u) => Ok(*u as f64),
        Value::Number(t) => utf8(t).parse().ok().filter(|f: &f64| f.is_finite()).ok_or_else(too_large),
        _ => Err(misfit()),
    }
}

fn float32(value: &Value<'_>) -> Result<f32, Fault> {
    let wide = float(value)?;
    let narrow = wide as f32;
    if narrow.is_finite() || !wide.is_finite() { Ok(narrow) } else { Err(too_large()) }
}

fn too_large() -> Fault {
    Fault::bad_request("a number does not fit the field it is sent in")
}

fn bytes(value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match value {
        Value::Bytes(b) => out.extend_from_slice(b),
        other => {
            let text = other.text().ok_or_else(misfit)?;
            let decoded = BASE64.decode(text.replace('-', "+").replace('_', "/"));
            out.extend_from_slice(&decoded.map_err(|_| Fault::bad_request("a byte string is not base64"))?);
        }
    }
    Ok(())
}

/// The checker lets no such value through.
fn misfit() -> Fault {
    Fault::new("a value does not fit the field it is sent in")
}

fn key(number: u32, wire_type: u32, out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | u64::from(wire_type), out);
}

fn length_delimited(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    key(number, LENGTH, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
