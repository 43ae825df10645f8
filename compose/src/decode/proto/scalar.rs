//! Everything but records: one value from the wire into its cell.

use super::wire::{Flaw, Kind, Wire};
use crate::tape::{Cell, ProtoRead, Span};
use crate::write;

/// The wire type of a value.
pub fn kind_of(read: &ProtoRead) -> Kind {
    match read {
        ProtoRead::Double | ProtoRead::Fixed64 | ProtoRead::Sfixed64 => Kind::Fixed64,
        ProtoRead::Float | ProtoRead::Fixed32 | ProtoRead::Sfixed32 => Kind::Fixed32,
        ProtoRead::Int32 | ProtoRead::Int64 | ProtoRead::Uint32 | ProtoRead::Uint64 => Kind::Varint,
        ProtoRead::Sint32 | ProtoRead::Sint64 | ProtoRead::Bool => Kind::Varint,
        ProtoRead::String | ProtoRead::Bytes | ProtoRead::Message(_) => Kind::Chunk,
        ProtoRead::Entry(_) | ProtoRead::Money(_) | ProtoRead::Json(_) => Kind::Chunk,
        ProtoRead::Timestamp | ProtoRead::Duration | ProtoRead::Date | ProtoRead::Wrapper(_) => Kind::Chunk,
        ProtoRead::Group(..) => Kind::GroupStart,
        ProtoRead::Unread(read) => kind_of(read),
    }
}

/// Reads anything but a record. Also a value that cannot be written is stored before its flaw is told, since a later
/// one may take its place.
///
/// It stores the cell itself: one handed back through the stack is loaded before the
/// stores of its parts are done, which took two fifths of all the time.
#[inline]
pub fn scalar(read: &ProtoRead, wire: &mut Wire<'_>, cell: &mut Cell) -> Result<(), Flaw> {
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
        ProtoRead::Float => return float(f32::from_bits(wire.fixed32()?).into(), cell),
        ProtoRead::Double => return float(f64::from_bits(wire.fixed64()?), cell),
        ProtoRead::Timestamp | ProtoRead::Duration => {
            *cell = time(*cell, wire.chunk()?)?;
            return flaw(read, *cell).map_or(Ok(()), Err);
        }
        ProtoRead::Date => {
            *cell = date(*cell, wire.chunk()?)?;
            return flaw(read, *cell).map_or(Ok(()), Err);
        }
        ProtoRead::Wrapper(inner) => return wrapped(inner, wire.chunk()?, cell),
        ProtoRead::Message(_) | ProtoRead::Entry(_) | ProtoRead::Money(_) | ProtoRead::Json(_) => {
            wire.chunk().map(drop)?;
        }
        ProtoRead::Group(..) | ProtoRead::Unread(_) => {}
    }
    Ok(())
}

/// Why a value that was read cannot be written.
pub fn flaw(read: &ProtoRead, cell: Cell) -> Option<Flaw> {
    match (read, cell) {
        (ProtoRead::Float | ProtoRead::Double, Cell::Float(value)) if !value.is_finite() => Some(Flaw::NotFinite),
        (ProtoRead::Timestamp, Cell::Time { seconds, nanos }) if !write::is_timestamp(seconds, nanos) => {
            Some(Flaw::Timestamp)
        }
        (ProtoRead::Duration, Cell::Time { seconds, nanos }) if !write::is_duration(seconds, nanos) => {
            Some(Flaw::Duration)
        }
        (ProtoRead::Date, Cell::Date { year, month, day }) if !write::is_date(year, month, day) => Some(Flaw::Date),
        (ProtoRead::Wrapper(inner), cell) => flaw(inner, cell),
        _ => None,
    }
}

#[inline]
fn float(value: f64, cell: &mut Cell) -> Result<(), Flaw> {
    *cell = Cell::Float(value);
    if value.is_finite() { Ok(()) } else { Err(Flaw::NotFinite) }
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
    // No month and no day is 255.
    let small = |value: u64| u8::try_from(value as i32).unwrap_or(u8::MAX);
    while let Some(tag) = part.tag()? {
        match (tag.number, tag.kind) {
            (1, Kind::Varint) => year = part.varint()? as i32,
            (2, Kind::Varint) => month = small(part.varint()?),
            (3, Kind::Varint) => day = small(part.varint()?),
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
            scalar(inner, &mut part, cell).or_else(|flaw| if flaw.is_of_value() { Ok(()) } else { Err(flaw) })?;
        } else {
            part.skip(tag)?;
        }
    }
    flaw(inner, *cell).map_or(Ok(()), Err)
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
