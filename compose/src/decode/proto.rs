//! Protobuf wire format into cells.
//!
//! As the official parsers do it: the last value of a field wins, the parts of a split message merge, a repeated
//! scalar may come packed or not, a known field of another wire type counts as unknown, and unknown ones are skipped.
//! Of a oneof, a later member clears an earlier one.

mod json;
mod scalar;
mod wire;

use bytes::Bytes;
use prost_reflect::MessageDescriptor;

use super::{MAX_CELLS, Path, Violation, map};
use crate::tape::{self, Cell, Message, MessageField, ProtoRead, Tape};
use crate::write;
use json::Foreign;
use scalar::{flaw, kind_of, scalar};
use wire::{Flaw, Tag};
pub(super) use wire::{Kind, Wire};

/// Bytes of messages that become JSON; while they are converted, each takes some 200.
const MAX_FOREIGN: usize = 1 << 20;
/// Values that cannot be written and may still be replaced.
const MAX_DOUBTS: usize = 64;

type Fault = Box<Violation>;

pub fn tape(layout: &Message, bytes: Bytes) -> Result<Tape, Violation> {
    let capacity = layout.blank.len() + (bytes.len() / 2).clamp(16, 1 << 9).max((bytes.len() / 6).min(1 << 12));
    let cells = Vec::with_capacity(capacity);
    let mut decoder = Decoder {
        cells,
        maps: Vec::new(),
        foreign: Vec::new(),
        foreign_bytes: 0,
        doubts: Vec::new(),
        incomplete: false,
    };
    decoder.cells.push(Cell::Record(1));
    decoder.cells.extend_from_slice(&layout.blank);
    decoder.message(layout, 1, &mut Wire::new(&bytes), None, &Path::Root).map_err(|fault| *fault)?;
    decoder.finish(layout, bytes).map_err(|fault| *fault)
}

struct Decoder<'l> {
    cells: Vec<Cell>,
    /// Messages that become JSON; each one's cell holds its index here.
    foreign: Vec<Foreign<'l>>,
    foreign_bytes: usize,
    doubts: Vec<Doubt<'l>>,
    /// The cells of maps with more than one entry.
    maps: Vec<usize>,
    /// Some part of a message lacked a required field; another part may have brought it.
    incomplete: bool,
}

/// A value that cannot be written, unless a later part of its message replaces it.
struct Doubt<'l> {
    place: usize,
    read: &'l ProtoRead,
    pointer: String,
}

impl<'l> Decoder<'l> {
    /// What can only be said once every part of every message is there.
    fn finish(mut self, layout: &Message, bytes: Bytes) -> Result<Tape, Fault> {
        if self.incomplete {
            self.check_required(layout, 1, &Path::Root)?;
        }
        for Doubt { place, read, pointer } in &self.doubts {
            if let Some(flaw) = self.flaw(read, *place) {
                return Err(
                    Violation { pointer: pointer.clone(), code: flaw.code(), message: flaw.message().into() }.into()
                );
            }
        }
        for place in self.maps {
            let map = self.cells[place];
            self.cells[place] = map::sorted(&mut self.cells, &bytes, map);
        }
        let bytes = json::converted(self.foreign, &mut self.cells, bytes)?;
        Ok(Tape { bytes, cells: self.cells })
    }

    /// Reads one part of a message into its record: to the end of the wire, or of the group.
    fn message(
        &mut self,
        layout: &'l Message,
        record: usize,
        wire: &mut Wire<'_>,
        group: Option<u32>,
        path: &Path<'_>,
    ) -> Result<(), Fault> {
        let mut expected = 0;
        loop {
            let Some(tag) = wire.tag().map_err(|flaw| broken(flaw, path))? else {
                match group {
                    None => break,
                    Some(_) => return Err(broken(Flaw::Truncated, path)),
                }
            };
            if tag.kind == Kind::GroupEnd && Some(tag.number) == group {
                break;
            }
            expected = find(&layout.fields, expected, tag.number);
            match layout.fields.get(expected) {
                Some(field) if field.number == tag.number => self.field(field, record, tag, wire, path)?,
                _ => wire.skip(tag).map_err(|flaw| broken(flaw, path))?,
            }
        }
        self.incomplete |=
            layout.fields.iter().any(|f| f.required && self.cells[record + usize::from(f.slot)] == Cell::Null);
        Ok(())
    }

    fn field(
        &mut self,
        field: &'l MessageField,
        record: usize,
        tag: Tag,
        wire: &mut Wire<'_>,
        path: &Path<'_>,
    ) -> Result<(), Fault> {
        let slot = record + usize::from(field.slot);
        let path = Path::Member(path, &field.name);
        let own = kind_of(&field.read);
        if tag.kind == own && !field.repeated {
            for other in &field.clears {
                self.cells[record + usize::from(*other)] = Cell::Null;
            }
            match &field.read {
                // What most fields are.
                ProtoRead::String => self.cells[slot] = Cell::Text(wire.text().map_err(|flaw| broken(flaw, &path))?),
                ProtoRead::Int32 => {
                    let value = wire.varint().map_err(|flaw| broken(flaw, &path))?;
                    self.cells[slot] = Cell::Int((value as i32).into());
                }
                ProtoRead::Unread(_) => wire.skip(tag).map_err(|flaw| broken(flaw, &path))?,
                read => self.value(read, slot, wire, &path)?,
            }
        } else if tag.kind == own {
            let (index, place) = self.append(slot, &path)?;
            if index == 1 && matches!(field.read, ProtoRead::Entry(_)) {
                self.maps.push(slot);
            }
            self.value(&field.read, place, wire, &Path::Item(&path, index))?;
        } else if tag.kind == Kind::Chunk && field.repeated && own.is_packable() {
            let mut packed = wire.chunk().map_err(|flaw| broken(flaw, &path))?;
            while !packed.is_empty() {
                let (index, place) = self.append(slot, &path)?;
                self.scalar(&field.read, place, &mut packed, &Path::Item(&path, index))?;
            }
        } else {
            wire.skip(tag).map_err(|flaw| broken(flaw, &path))?;
        }
        Ok(())
    }

    /// Adds a node to the list in `slot`: its index in the list, and the place of its value.
    fn append(&mut self, slot: usize, path: &Path<'_>) -> Result<(u32, usize), Fault> {
        let node = self.open(&[Cell::Link(0), Cell::Null], path)?;
        let (head, index) = match self.cells[slot] {
            Cell::List { head, tail, len } if len > 0 => {
                self.cells[tail as usize] = Cell::Link(node);
                (head, len)
            }
            _ => (node, 0),
        };
        self.cells[slot] = Cell::List { head, tail: node, len: index + 1 };
        Ok((index, node as usize + 1))
    }

    fn open(&mut self, blank: &[Cell], path: &Path<'_>) -> Result<u32, Fault> {
        let at = self.cells.len();
        if at + blank.len() > MAX_CELLS {
            return Err(Violation::new(path, "size", "has too many values to be decoded").into());
        }
        self.cells.extend_from_slice(blank);
        Ok(at as u32)
    }

    /// Reads a value of the field's own wire type into its cell, where an earlier part of the message may have left one.
    fn value(&mut self, read: &'l ProtoRead, place: usize, wire: &mut Wire<'_>, path: &Path<'_>) -> Result<(), Fault> {
        let layout = match read {
            ProtoRead::Message(layout) | ProtoRead::Entry(layout) | ProtoRead::Money(layout) => layout,
            ProtoRead::Group(number, layout) => {
                let record = self.record(layout, place, path)?;
                return self.message(layout, record, wire, Some(*number), path);
            }
            ProtoRead::Json(message) => return self.foreign(message, place, wire, path),
            _ => return self.scalar(read, place, wire, path),
        };
        let mut part = wire.chunk().map_err(|flaw| broken(flaw, path))?;
        let record = self.record(layout, place, path)?;
        self.message(layout, record, &mut part, None, path)?;
        match (read, layout.fields.as_slice()) {
            (ProtoRead::Entry(_), [_, value]) => self.complete(value, record, path),
            (ProtoRead::Money(_), _) if self.flaw(read, place).is_some() => self.doubt(read, place, path, Flaw::Money),
            _ => Ok(()),
        }
    }

    fn scalar(&mut self, read: &'l ProtoRead, place: usize, wire: &mut Wire<'_>, path: &Path<'_>) -> Result<(), Fault> {
        match scalar(read, wire, &mut self.cells[place]) {
            Ok(()) => Ok(()),
            Err(flaw) if flaw.is_of_value() => self.doubt(read, place, path, flaw),
            Err(flaw) => Err(broken(flaw, path)),
        }
    }

    /// The record in a cell; a new one where there is none yet.
    fn record(&mut self, layout: &Message, place: usize, path: &Path<'_>) -> Result<usize, Fault> {
        let record = match self.cells[place] {
            Cell::Record(record) => record,
            _ => self.open(&layout.blank, path)?,
        };
        self.cells[place] = Cell::Record(record);
        Ok(record as usize)
    }

    #[cold]
    fn doubt(&mut self, read: &'l ProtoRead, place: usize, path: &Path<'_>, flaw: Flaw) -> Result<(), Fault> {
        if self.doubts.len() == MAX_DOUBTS {
            return Err(broken(flaw, path));
        }
        self.doubts.push(Doubt { place, read, pointer: path.to_string() });
        Ok(())
    }

    fn flaw(&self, read: &ProtoRead, place: usize) -> Option<Flaw> {
        let (ProtoRead::Money(_), Cell::Record(at)) = (read, self.cells[place]) else {
            return flaw(read, self.cells[place]);
        };
        match (self.cells[at as usize + 1], self.cells[at as usize + 2]) {
            (Cell::Int(units), Cell::Int(nanos)) if write::is_amount(units, nanos as i32) => None,
            _ => Some(Flaw::Money),
        }
    }

    /// Keeps one part of a message that becomes JSON.
    fn foreign(
        &mut self,
        message: &'l MessageDescriptor,
        place: usize,
        wire: &mut Wire<'_>,
        path: &Path<'_>,
    ) -> Result<(), Fault> {
        let part = wire.chunk().map_err(|flaw| broken(flaw, path))?;
        self.foreign_bytes += part.rest().len();
        if self.foreign_bytes > MAX_FOREIGN {
            return Err(Violation::new(path, "size", "has more than 1 MiB that is passed on as JSON").into());
        }
        if let Cell::Int(index) = self.cells[place] {
            self.foreign[index as usize].wire.extend_from_slice(part.rest());
        } else {
            self.cells[place] = Cell::Int(self.foreign.len() as i64);
            self.foreign.push(Foreign { message, place, pointer: path.to_string(), wire: part.rest().to_vec() });
        }
        Ok(())
    }

    /// The value that an entry of a map lacks is the empty message.
    fn complete(&mut self, value: &'l MessageField, record: usize, path: &Path<'_>) -> Result<(), Fault> {
        let place = record + usize::from(value.slot);
        match self.cells[place] {
            Cell::Null => self.value(&value.read, place, &mut Wire::new(&[0]), &Path::Member(path, &value.name)),
            _ => Ok(()),
        }
    }

    /// Names the first required field that no part of its message brought.
    #[cold]
    fn check_required(&self, layout: &Message, record: usize, path: &Path<'_>) -> Result<(), Fault> {
        for field in &layout.fields {
            let path = Path::Member(path, &field.name);
            let cell = self.cells[record + usize::from(field.slot)];
            match (&field.read, cell) {
                (_, Cell::Null) if field.required => return Err(Violation::new(&path, "missing", "is required").into()),
                (
                    ProtoRead::Message(inner) | ProtoRead::Entry(inner) | ProtoRead::Group(_, inner),
                    Cell::Record(at),
                ) => self.check_required(inner, at as usize, &path)?,
                (
                    ProtoRead::Message(inner) | ProtoRead::Entry(inner) | ProtoRead::Group(_, inner),
                    Cell::List { head, len, .. },
                ) => {
                    for (index, item) in tape::items(&self.cells, head, len).enumerate() {
                        if let Cell::Record(at) = item {
                            self.check_required(inner, at as usize, &Path::Item(&path, index as u32))?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The index of `number`, or where it would be. Fields mostly come in the order of their numbers, so the search goes
/// on from the last one found.
#[inline]
fn find(fields: &[MessageField], from: usize, number: u32) -> usize {
    match fields.get(from) {
        Some(field) if field.number == number => from,
        Some(field) if field.number < number => {
            from + 1 + fields[from + 1..].iter().take_while(|field| field.number < number).count()
        }
        _ => fields.partition_point(|field| field.number < number),
    }
}

#[cold]
fn broken(flaw: Flaw, path: &Path<'_>) -> Fault {
    Violation::new(path, flaw.code(), flaw.message()).into()
}
