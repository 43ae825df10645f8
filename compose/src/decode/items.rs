//! A reply with a list of results, taken apart: each result as a reply that holds nothing else.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::proto::{Kind, Wire};
use super::scan::{Flaw, Scan};
use crate::tape::{JsonRead, Layout, ProtoRead};
use crate::write;

/// The items of one list of a reply.
pub(crate) struct Items<'l> {
    frame: Frame<'l>,
    /// Where each lies, without what is around it.
    places: Vec<Range<usize>>,
}

/// What is around an item that is alone.
enum Frame<'l> {
    /// The reply is the list.
    List,
    Member(&'l str),
    Field(u32),
}

impl<'l> Items<'l> {
    /// Of a reply that fits its layout; none where its items cannot be told apart. `slot` is the list's.
    pub fn of(layout: &'l Layout, slot: Option<u16>, reply: &[u8]) -> Option<Items<'l>> {
        match layout {
            Layout::Proto(message) => {
                let field = message.fields.iter().find(|field| Some(field.slot) == slot && field.repeated)?;
                let ProtoRead::Message(_) = field.read else { return None };
                Some(Items { frame: Frame::Field(field.number), places: fields(field.number, reply)? })
            }
            Layout::Json(value) => {
                let name = match (&value.read, slot) {
                    (JsonRead::List(_), None) => None,
                    (JsonRead::Object(object), Some(slot)) => {
                        Some(object.members.iter().find(|member| member.slot == slot)?.name.as_str())
                    }
                    _ => return None,
                };
                let frame = name.map_or(Frame::List, Frame::Member);
                Some(Items { frame, places: elements(name, reply).ok()? })
            }
        }
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The reply with this item alone.
    pub fn alone(&self, reply: &[u8], item: usize) -> Bytes {
        let item = self.places.get(item).and_then(|place| reply.get(place.clone())).unwrap_or_default();
        let mut out = Vec::with_capacity(item.len() + 32);
        match self.frame {
            Frame::List => {
                out.push(b'[');
                out.extend_from_slice(item);
                out.push(b']');
            }
            Frame::Member(name) => {
                out.push(b'{');
                write::string(&mut out, name);
                out.extend_from_slice(b":[");
                out.extend_from_slice(item);
                out.extend_from_slice(b"]}");
            }
            Frame::Field(number) => {
                encode_key(number, WireType::LengthDelimited, &mut out);
                encode_varint(item.len() as u64, &mut out);
                out.extend_from_slice(item);
            }
        }
        out.into()
    }
}

fn fields(number: u32, reply: &[u8]) -> Option<Vec<Range<usize>>> {
    let (mut wire, mut places) = (Wire::new(reply), Vec::new());
    while let Some(tag) = wire.tag().ok()? {
        if tag.number == number && tag.kind == Kind::Chunk {
            let span = wire.chunk().ok()?.span();
            let start = span.start as usize;
            places.push(start..start + span.len as usize);
        } else {
            wire.skip(tag).ok()?;
        }
    }
    Some(places)
}

/// Of the list with this name the last one counts, as in decoding.
fn elements(name: Option<&str>, reply: &[u8]) -> Result<Vec<Range<usize>>, Flaw> {
    let mut scan = Scan::new(reply);
    let Some(wanted) = name else { return list(&mut scan) };
    let mut places = Vec::new();
    if scan.peek()? != b'{' {
        return Err(Flaw::Value);
    }
    let mut more = scan.open(b'}')?;
    while more {
        let name = scan.name()?;
        let inside = &reply[name.span.start as usize..][..name.span.len as usize];
        let text = std::str::from_utf8(inside).map_err(|_| Flaw::Utf8)?;
        let text = if name.escaped { write::unescape(text) } else { Cow::Borrowed(text) };
        if text == wanted {
            places = list(&mut scan)?;
        } else {
            scan.skip()?;
        }
        more = scan.more(b'}')?;
    }
    Ok(places)
}

fn list(scan: &mut Scan<'_>) -> Result<Vec<Range<usize>>, Flaw> {
    let mut places = Vec::new();
    if scan.peek()? != b'[' {
        // Null is a list of nothing.
        scan.skip()?;
        return Ok(places);
    }
    let mut more = scan.open(b']')?;
    while more {
        let start = scan.at;
        scan.skip()?;
        places.push(start..scan.at);
        more = scan.more(b']')?;
    }
    Ok(places)
}
