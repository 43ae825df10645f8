//! Protobuf wire format into cells.
//!
//! As the official parsers do it: the last value of a field wins, the parts of a split message merge, a repeated
//! scalar may come packed or not, a known field of another wire type counts as unknown, and unknown ones are skipped.
//! Of a oneof, a later member clears an earlier one.

mod wire;

use super::{MAX_CELLS, Path, Violation, map};
use crate::tape::{self, Cell, Message, MessageField, ProtoRead, Span};
use wire::{Flaw, Kind, Tag, Wire};

type Fault = Box<Violation>;

pub fn cells(layout: &Message, bytes: &[u8]) -> Result<Vec<Cell>, Violation> {
    let capacity = layout.blank.len() + (bytes.len() / 6).clamp(16, 1 << 14);
    let mut decoder = Decoder { cells: Vec::with_capacity(capacity), maps: Vec::new(), incomplete: false };
    decoder.cells.push(Cell::Record(1));
    decoder.cells.extend_from_slice(&layout.blank);
    decoder.message(layout, 1, Wire::new(bytes), &Path::Root).map_err(|fault| *fault)?;
    if decoder.incomplete {
        decoder.check_required(layout, 1, &Path::Root).map_err(|fault| *fault)?;
    }
    for place in decoder.maps {
        let map = decoder.cells[place];
        decoder.cells[place] = map::sorted(&mut decoder.cells, bytes, map);
    }
    Ok(decoder.cells)
}

struct Decoder {
    cells: Vec<Cell>,
    /// The cells of maps with more than one entry.
    maps: Vec<usize>,
    /// Some part of a message lacked a required field; another part may have brought it.
    incomplete: bool,
}

impl Decoder {
    /// Reads one part of a message into its record.
    fn message(&mut self, layout: &Message, record: usize, mut wire: Wire<'_>, path: &Path<'_>) -> Result<(), Fault> {
        let mut expected = 0;
        while let Some(tag) = wire.tag().map_err(|flaw| broken(flaw, path))? {
            expected = find(&layout.fields, expected, tag.number);
            match layout.fields.get(expected) {
                Some(field) if field.number == tag.number => self.field(field, record, tag, &mut wire, path)?,
                _ => wire.skip(tag).map_err(|flaw| broken(flaw, path))?,
            }
        }
        self.incomplete |=
            layout.fields.iter().any(|f| f.required && self.cells[record + usize::from(f.slot)] == Cell::Null);
        Ok(())
    }

    fn field(
        &mut self,
        field: &MessageField,
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
            self.value(&field.read, slot, wire, &path)?;
        } else if tag.kind == own {
            let (index, place) = self.append(slot, &path)?;
            if index == 1 && matches!(field.read, ProtoRead::Entry(_)) {
                self.maps.push(slot);
            }
            self.value(&field.read, place, wire, &Path::Item(&path, index))?;
        } else if tag.kind == Kind::Chunk && field.repeated {
            let mut packed = wire.chunk().map_err(|flaw| broken(flaw, &path))?;
            while !packed.is_empty() {
                let (index, place) = self.append(slot, &path)?;
                let done = scalar(&field.read, &mut packed, &mut self.cells[place]);
                done.map_err(|flaw| broken(flaw, &Path::Item(&path, index)))?;
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
    fn value(&mut self, read: &ProtoRead, place: usize, wire: &mut Wire<'_>, path: &Path<'_>) -> Result<(), Fault> {
        if let ProtoRead::Message(layout) | ProtoRead::Entry(layout) = read {
            let part = wire.chunk().map_err(|flaw| broken(flaw, path))?;
            let record = match self.cells[place] {
                Cell::Record(record) => record,
                _ => self.open(&layout.blank, path)?,
            };
            self.cells[place] = Cell::Record(record);
            self.message(layout, record as usize, part, path)?;
            if let (ProtoRead::Entry(_), [_, value]) = (read, layout.fields.as_slice()) {
                self.complete(value, record as usize, path)?;
            }
            return Ok(());
        }
        if let ProtoRead::Unread(_) = read {
            let unread = Tag { number: 0, kind: kind_of(read) };
            return wire.skip(unread).map_err(|flaw| broken(flaw, path));
        }
        scalar(read, wire, &mut self.cells[place]).map_err(|flaw| broken(flaw, path))
    }

    /// The value that an entry of a map lacks is the empty message.
    fn complete(&mut self, value: &MessageField, record: usize, path: &Path<'_>) -> Result<(), Fault> {
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
                (ProtoRead::Message(inner) | ProtoRead::Entry(inner), Cell::Record(at)) => {
                    self.check_required(inner, at as usize, &path)?
                }
                (ProtoRead::Message(inner) | ProtoRead::Entry(inner), Cell::List { head, len, .. }) => {
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

fn kind_of(read: &ProtoRead) -> Kind {
    match read {
        ProtoRead::Double | ProtoRead::Fixed64 | ProtoRead::Sfixed64 => Kind::Fixed64,
        ProtoRead::Float | ProtoRead::Fixed32 | ProtoRead::Sfixed32 => Kind::Fixed32,
        ProtoRead::Int32 | ProtoRead::Int64 | ProtoRead::Uint32 | ProtoRead::Uint64 => Kind::Varint,
        ProtoRead::Sint32 | ProtoRead::Sint64 | ProtoRead::Bool => Kind::Varint,
        ProtoRead::String | ProtoRead::Bytes | ProtoRead::Message(_) => Kind::Chunk,
        ProtoRead::Unread(read) => kind_of(read),
        ProtoRead::Entry(_) | ProtoRead::Time | ProtoRead::Date | ProtoRead::Wrapper(_) => Kind::Chunk,
    }
}

/// Reads anything but a record. It stores the cell itself: one handed back through the stack is loaded before the
/// stores of its parts are done, which took two fifths of all the time.
#[inline]
fn scalar(read: &ProtoRead, wire: &mut Wire<'_>, cell: &mut Cell) -> Result<(), Flaw> {
    match read {
        ProtoRead::String => *cell = Cell::Text(wire.text()?),
        ProtoRead::Bytes => *cell = Cell::Bytes(wire.chunk()?.span()),
        ProtoRead::Int32 => *cell = Cell::Int((wire.varint()? as i32).into()),
        ProtoRead::Int64 => *cell = Cell::Int(wire.varint()? as i64),
        ProtoRead::Uint32 => *cell = Cell::Int((wire.varint()? as u32).into()),
        ProtoRead::Uint64 => *cell = unsigned(wire.varint()?),
        ProtoRead::Sint32 => *cell = Cell::Int(zigzag(wire.varint()? as u32 as u64)),
        ProtoRead::Sint64 => *cell = Cell::Int(zigzag(wire.varint()?)),
        ProtoRead::Bool => *cell = Cell::Bool(wire.varint()? != 0),
        ProtoRead::Fixed32 => *cell = Cell::Int(wire.fixed32()?.into()),
        ProtoRead::Sfixed32 => *cell = Cell::Int((wire.fixed32()? as i32).into()),
        ProtoRead::Fixed64 => *cell = unsigned(wire.fixed64()?),
        ProtoRead::Sfixed64 => *cell = Cell::Int(wire.fixed64()? as i64),
        ProtoRead::Float => *cell = Cell::Float(f32::from_bits(wire.fixed32()?).into()),
        ProtoRead::Double => *cell = Cell::Float(f64::from_bits(wire.fixed64()?)),
        ProtoRead::Time => *cell = time(*cell, wire.chunk()?)?,
        ProtoRead::Date => *cell = date(*cell, wire.chunk()?)?,
        ProtoRead::Wrapper(inner) => wrapped(inner, wire.chunk()?, cell)?,
        ProtoRead::Message(_) | ProtoRead::Entry(_) | ProtoRead::Unread(_) => wire.chunk().map(drop)?,
    }
    Ok(())
}

fn unsigned(value: u64) -> Cell {
    i64::try_from(value).map_or(Cell::Uint(value), Cell::Int)
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn time(held: Cell, mut part: Wire<'_>) -> Result<Cell, Flaw> {
    let (mut seconds, mut nanos) = match held {
        Cell::Time { seconds, nanos } => (seconds, nanos),
        _ => (0, 0),
    };
    while let Some(tag) = part.tag()? {
        match (tag.number, tag.kind) {
            (1, Kind::Varint) => seconds = part.varint()? as i64,
            (2, Kind::Varint) => nanos = part.varint()? as i32,
            _ => part.skip(tag)?,
        }
    }
    Ok(Cell::Time { seconds, nanos })
}

fn date(held: Cell, mut part: Wire<'_>) -> Result<Cell, Flaw> {
    let (mut year, mut month, mut day) = match held {
        Cell::Date { year, month, day } => (year, month, day),
        _ => (0, 0, 0),
    };
    let small = |value: u64| u8::try_from(value).map_err(|_| Flaw::Date);
    while let Some(tag) = part.tag()? {
        match (tag.number, tag.kind) {
            (1, Kind::Varint) => year = part.varint()? as i32,
            (2, Kind::Varint) => month = small(part.varint()?)?,
            (3, Kind::Varint) => day = small(part.varint()?)?,
            _ => part.skip(tag)?,
        }
    }
    Ok(Cell::Date { year, month, day })
}

fn wrapped(inner: &ProtoRead, mut part: Wire<'_>, cell: &mut Cell) -> Result<(), Flaw> {
    let own = kind_of(inner);
    if *cell == Cell::Null {
        *cell = default(inner);
    }
    while let Some(tag) = part.tag()? {
        if tag.number == 1 && tag.kind == own {
            scalar(inner, &mut part, cell)?;
        } else {
            part.skip(tag)?;
        }
    }
    Ok(())
}

/// What a scalar is that was left out.
fn default(read: &ProtoRead) -> Cell {
    let nothing = Span { start: 0, len: 0 };
    match read {
        ProtoRead::String => Cell::Text(nothing),
        ProtoRead::Bytes => Cell::Bytes(nothing),
        ProtoRead::Bool => Cell::Bool(false),
        ProtoRead::Float | ProtoRead::Double => Cell::Float(0.0),
        _ => Cell::Int(0),
    }
}

#[cold]
fn broken(flaw: Flaw, path: &Path<'_>) -> Fault {
    let (code, message) = match flaw {
        Flaw::Truncated => ("syntax", "is not valid protobuf: it ends in the middle of a field"),
        Flaw::Varint => ("syntax", "is not valid protobuf: a number is longer than 64 bits"),
        Flaw::Tag => ("syntax", "is not valid protobuf: no field can have this number or wire type"),
        Flaw::Group => ("syntax", "is not valid protobuf: a group ends that did not begin"),
        Flaw::Depth => ("depth", "has groups nested deeper than 100 levels"),
        Flaw::Utf8 => ("format", "must be UTF-8 text"),
        Flaw::Date => ("range", "must be a date with a month up to 12 and a day up to 31"),
    };
    Violation::new(path, code, message).into()
}
