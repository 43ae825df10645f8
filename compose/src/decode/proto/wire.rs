//! The protobuf wire format itself: tags, varints, chunks, groups.

use crate::tape::Span;

const MAX_DEPTH: u32 = 100;
const MAX_FIELD: u64 = (1 << 29) - 1;

/// The rest of a message: the reply up to the message's end, and how far it was read. So every offset is one into the
/// reply.
#[derive(Clone, Copy)]
pub struct Wire<'a> {
    bytes: &'a [u8],
    at: usize,
}

#[derive(Clone, Copy)]
pub struct Tag {
    pub number: u32,
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Varint,
    Fixed64,
    /// Length and bytes: a text, a message, packed scalars.
    Chunk,
    GroupStart,
    GroupEnd,
    Fixed32,
}

impl Kind {
    /// Values of this kind may lie one behind the other in a chunk.
    pub fn is_packable(self) -> bool {
        matches!(self, Kind::Varint | Kind::Fixed32 | Kind::Fixed64)
    }
}

/// Why bytes cannot be read.
#[derive(Debug, Clone, Copy)]
pub enum Flaw {
    Truncated,
    Varint,
    Tag,
    Group,
    Depth,
    Utf8,
    NotFinite,
    Timestamp,
    Duration,
    Date,
    Money,
}

impl Flaw {
    /// The bytes are right, but what they say cannot be written.
    pub fn is_of_value(self) -> bool {
        matches!(self, Flaw::NotFinite | Flaw::Timestamp | Flaw::Duration | Flaw::Date | Flaw::Money)
    }

    pub fn code(self) -> &'static str {
        match self {
            Flaw::Truncated | Flaw::Varint | Flaw::Tag | Flaw::Group => "syntax",
            Flaw::Depth => "depth",
            Flaw::Utf8 => "format",
            Flaw::NotFinite | Flaw::Timestamp | Flaw::Duration | Flaw::Date | Flaw::Money => "range",
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Flaw::Truncated => "is not valid protobuf: it ends in the middle of a field",
            Flaw::Varint => "is not valid protobuf: a number is longer than 64 bits",
            Flaw::Tag => "is not valid protobuf: no field can have this number or wire type",
            Flaw::Group => "is not valid protobuf: a group ends that did not begin",
            Flaw::Depth => "has groups nested deeper than 100 levels",
            Flaw::Utf8 => "must be UTF-8 text",
            Flaw::NotFinite => "must be a number, not NaN or infinite",
            Flaw::Timestamp => "must be a time in the years 1 to 9999",
            Flaw::Duration => "must be a duration of at most ten thousand years whose parts have one sign",
            Flaw::Date => "must be a day of the calendar in the years 1 to 9999",
            Flaw::Money => "must be an amount whose units and nanos have one sign, with nanos below a whole unit",
        }
    }
}

impl<'a> Wire<'a> {
    pub fn new(bytes: &'a [u8]) -> Wire<'a> {
        Wire { bytes, at: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next field; none at the end of the message.
    #[inline]
    pub fn tag(&mut self) -> Result<Option<Tag>, Flaw> {
        if self.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let kind = match key & 7 {
            0 => Kind::Varint,
            1 => Kind::Fixed64,
            2 => Kind::Chunk,
            3 => Kind::GroupStart,
            4 => Kind::GroupEnd,
            5 => Kind::Fixed32,
            _ => return Err(Flaw::Tag),
        };
        match key >> 3 {
            number @ 1..=MAX_FIELD => Ok(Some(Tag { number: number as u32, kind })),
            _ => Err(Flaw::Tag),
        }
    }

    #[inline]
    pub fn varint(&mut self) -> Result<u64, Flaw> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(byte.into())
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Flaw> {
        let mut value = 0;
        for (index, &byte) in self.bytes[self.at..].iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.at += index + 1;
                return if index == 9 && byte > 1 { Err(Flaw::Varint) } else { Ok(value) };
            }
        }
        Err(if self.bytes.len() - self.at < 10 { Flaw::Truncated } else { Flaw::Varint })
    }

    pub fn fixed32(&mut self) -> Result<u32, Flaw> {
        let bytes = self.bytes[self.at..].first_chunk().ok_or(Flaw::Truncated)?;
        self.at += 4;
        Ok(u32::from_le_bytes(*bytes))
    }

    pub fn fixed64(&mut self) -> Result<u64, Flaw> {
        let bytes = self.bytes[self.at..].first_chunk().ok_or(Flaw::Truncated)?;
        self.at += 8;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// A length and that many bytes, as a message of its own.
    #[inline]
    pub fn chunk(&mut self) -> Result<Wire<'a>, Flaw> {
        let len = self.varint()?;
        let at = self.at;
        if len > (self.bytes.len() - at) as u64 {
            return Err(Flaw::Truncated);
        }
        self.at += len as usize;
        Ok(Wire { bytes: &self.bytes[..self.at], at })
    }

    #[inline]
    pub fn text(&mut self) -> Result<Span, Flaw> {
        let chunk = self.chunk()?;
        let text = chunk.rest();
        if text.is_ascii() || std::str::from_utf8(text).is_ok() { Ok(chunk.span()) } else { Err(Flaw::Utf8) }
    }

    /// What is left, as it stands.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// What is left.
    pub fn span(&self) -> Span {
        Span { start: self.at as u32, len: (self.bytes.len() - self.at) as u32 }
    }

    pub fn skip(&mut self, tag: Tag) -> Result<(), Flaw> {
        match tag.kind {
            Kind::GroupStart => self.skip_group(tag.number, 1),
            kind => self.skip_value(kind),
        }
    }

    fn skip_value(&mut self, kind: Kind) -> Result<(), Flaw> {
        match kind {
            Kind::Varint => self.varint().map(drop),
            Kind::Fixed64 => self.fixed64().map(drop),
            Kind::Fixed32 => self.fixed32().map(drop),
            Kind::Chunk => self.chunk().map(drop),
            Kind::GroupStart | Kind::GroupEnd => Err(Flaw::Group),
        }
    }

    fn skip_group(&mut self, number: u32, depth: u32) -> Result<(), Flaw> {
        if depth > MAX_DEPTH {
            return Err(Flaw::Depth);
        }
        loop {
            let tag = self.tag()?.ok_or(Flaw::Truncated)?;
            match tag.kind {
                Kind::GroupEnd if tag.number == number => return Ok(()),
                Kind::GroupStart => self.skip_group(tag.number, depth + 1)?,
                kind => self.skip_value(kind)?,
            }
        }
    }
}
