//! Files of protobuf editions 2023 and 2024 in the terms of proto2, which is what descriptor pools know.
//!
//! A set is rewritten on the wire, where what is appended wins: nothing that this file does not know gets lost.

use prost::DecodeError;
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};
use prost_reflect::DescriptorPool;

const EDITIONS: [i32; 2] = [1000, 1001];

const IMPLICIT: i32 = 2;
const LEGACY_REQUIRED: i32 = 3;
const EXPANDED: i32 = 2;
const DELIMITED: i32 = 2;

const REQUIRED: u64 = 2;
const REPEATED: i32 = 3;
const TYPE_GROUP: u64 = 10;
const TYPE_MESSAGE: i32 = 11;
/// string, group, message and bytes.
const NOT_PACKABLE: [i32; 4] = [9, 10, 11, 12];

/// What `protoc --include_imports --descriptor_set_out` writes, of any syntax.
pub fn descriptors(set: &[u8]) -> Result<DescriptorPool, String> {
    let rewritten = rewrite(set, |part, out| match part {
        Part { number: 1, payload: Some(file), .. } => {
            length_delimited(1, &self::file(file)?, out);
            Ok(true)
        }
        _ => Ok(false),
    });
    let rewritten = rewritten.map_err(|wrong| wrong.0)?;
    DescriptorPool::decode(rewritten.as_slice()).map_err(|error| error.to_string())
}

struct Wrong(String);

impl From<DecodeError> for Wrong {
    fn from(error: DecodeError) -> Wrong {
        Wrong(error.to_string())
    }
}

/// google.protobuf.FeatureSet, as far as it decides about the wire.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FeatureSet {
    #[prost(int32, optional, tag = "1")]
    pub presence: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    repeated: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    message: Option<i32>,
}

impl FeatureSet {
    pub fn is_implicit(&self) -> bool {
        self.presence == Some(IMPLICIT)
    }

    /// These, where the options say nothing else in the field `tag`.
    fn with(&self, options: &[u8], tag: u32) -> Result<FeatureSet, DecodeError> {
        let mut features = self.clone();
        let mut rest = options;
        while let Some(part) = Part::next(&mut rest)? {
            if let Part { number, payload: Some(own), .. } = part
                && number == tag
            {
                features.merge(own)?;
            }
        }
        Ok(features)
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct File {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(bytes = "vec", tag = "8")]
    options: Vec<u8>,
    #[prost(string, optional, tag = "12")]
    syntax: Option<String>,
    #[prost(int32, optional, tag = "14")]
    edition: Option<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Descriptor {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    nested: Vec<Descriptor>,
    #[prost(bytes = "vec", tag = "7")]
    options: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MessageOptions {
    #[prost(bool, tag = "7")]
    map_entry: bool,
}

impl Descriptor {
    fn is_map_entry(&self) -> bool {
        MessageOptions::decode(self.options.as_slice()).is_ok_and(|options| options.map_entry)
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Field {
    #[prost(int32, tag = "4")]
    label: i32,
    #[prost(int32, tag = "5")]
    ty: i32,
    #[prost(string, tag = "6")]
    type_name: String,
    #[prost(bytes = "vec", tag = "8")]
    options: Vec<u8>,
}

fn file(bytes: &[u8]) -> Result<Vec<u8>, Wrong> {
    let file = File::decode(bytes)?;
    if file.syntax.as_deref() != Some("editions") {
        return Ok(bytes.to_vec());
    }
    let edition = file.edition.unwrap_or_default();
    if !EDITIONS.contains(&edition) {
        let name = file.name.unwrap_or_default();
        return Err(Wrong(format!("{name} is of the protobuf edition {edition}; 2023 and 2024 are known")));
    }
    let features = FeatureSet::default().with(&file.options, 50)?;
    rewrite(bytes, |part, out| match part {
        // Without a syntax, a file is proto2.
        Part { number: 12 | 14, .. } => Ok(true),
        Part { number: 4, payload: Some(inner), .. } => {
            length_delimited(4, &message(inner, &features)?, out);
            Ok(true)
        }
        Part { number: 7, payload: Some(extension), .. } => {
            length_delimited(7, &field(extension, &features, &[])?, out);
            Ok(true)
        }
        _ => Ok(false),
    })
}

fn message(bytes: &[u8], outer: &FeatureSet) -> Result<Vec<u8>, Wrong> {
    let descriptor = Descriptor::decode(bytes)?;
    if descriptor.is_map_entry() {
        return Ok(bytes.to_vec());
    }
    let features = outer.with(&descriptor.options, 12)?;
    let maps = descriptor.nested.iter().filter(|nested| nested.is_map_entry());
    let maps: Vec<&str> = maps.map(|nested| nested.name.as_str()).collect();
    rewrite(bytes, |part, out| match part {
        Part { number: number @ (2 | 6), payload: Some(inner), .. } => {
            length_delimited(*number, &field(inner, &features, &maps)?, out);
            Ok(true)
        }
        Part { number: 3, payload: Some(inner), .. } => {
            length_delimited(3, &message(inner, &features)?, out);
            Ok(true)
        }
        _ => Ok(false),
    })
}

/// The field with what its features mean in proto2; implicit presence, which proto2 lacks, stays a feature.
fn field(bytes: &[u8], outer: &FeatureSet, maps: &[&str]) -> Result<Vec<u8>, Wrong> {
    let field = Field::decode(bytes)?;
    let features = outer.with(&field.options, 21)?;
    let mut out = rewrite(bytes, |part, _| Ok(part.number == 8))?;
    if features.presence == Some(LEGACY_REQUIRED) && field.label != REPEATED {
        number(4, REQUIRED, &mut out);
    }
    let is_map = field.type_name.rsplit_once('.').is_some_and(|(_, name)| maps.contains(&name));
    if features.message == Some(DELIMITED) && field.ty == TYPE_MESSAGE && !is_map {
        number(5, TYPE_GROUP, &mut out);
    }
    let mut options = field.options.clone();
    if field.label == REPEATED && !NOT_PACKABLE.contains(&field.ty) {
        number(2, u64::from(features.repeated != Some(EXPANDED)), &mut options);
    }
    length_delimited(21, &features.encode_to_vec(), &mut options);
    length_delimited(8, &options, &mut out);
    Ok(out)
}

/// One field of a message on the wire.
struct Part<'a> {
    number: u32,
    /// With its key, and its length where it has one.
    whole: &'a [u8],
    /// Of what has a length.
    payload: Option<&'a [u8]>,
}

impl<'a> Part<'a> {
    fn next(rest: &mut &'a [u8]) -> Result<Option<Part<'a>>, DecodeError> {
        if rest.is_empty() {
            return Ok(None);
        }
        let start = *rest;
        let (number, wire) = decode_key(rest)?;
        let value = *rest;
        skip_field(wire, number, rest, DecodeContext::default())?;
        let whole = &start[..start.len() - rest.len()];
        let value = &value[..value.len() - rest.len()];
        let payload = match wire {
            WireType::LengthDelimited => {
                let mut payload = value;
                decode_varint(&mut payload)?;
                Some(payload)
            }
            _ => None,
        };
        Ok(Some(Part { number, whole, payload }))
    }
}

/// A copy of a message in which `change` wrote some fields itself: those of which it says so.
fn rewrite(message: &[u8], change: impl Fn(&Part<'_>, &mut Vec<u8>) -> Result<bool, Wrong>) -> Result<Vec<u8>, Wrong> {
    let mut out = Vec::with_capacity(message.len());
    let mut rest = message;
    while let Some(part) = Part::next(&mut rest)? {
        if !change(&part, &mut out)? {
            out.extend_from_slice(part.whole);
        }
    }
    Ok(out)
}

fn number(tag: u32, value: u64, out: &mut Vec<u8>) {
    encode_key(tag, WireType::Varint, out);
    encode_varint(value, out);
}

fn length_delimited(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
