//! The fields of one reply that a view uses: an index of offsets into the reply's own bytes, filled in one pass.
//!
//! A record is a run of cells, one per used field, in the order of its layout. A list is a chain of nodes, so that
//! a message split over several places in the wire can still grow. Nothing that is not used is stored.

use bytes::Bytes;
use prost_reflect::MessageDescriptor;

/// One used value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    Null,
    Bool(bool),
    /// Any integer up to i64::MAX, signed or not.
    Int(i64),
    /// An integer above i64::MAX.
    Uint(u64),
    Float(f64),
    /// UTF-8 text.
    Text(Span),
    /// The inside of a valid JSON string, with its escapes.
    Escaped(Span),
    /// A valid JSON number token.
    Number(Span),
    /// A valid JSON value.
    Json(Span),
    Bytes(Span),
    /// A timestamp since the Unix epoch, or a duration.
    Time {
        seconds: i64,
        nanos: i32,
    },
    Date {
        year: i32,
        month: u8,
        day: u8,
    },
    /// The index of the record's first cell.
    Record(u32),
    /// Indices of the first and the last node; both 0 where `len` is 0. A node is a `Link` and, behind it, the value.
    List {
        head: u32,
        tail: u32,
        len: u32,
    },
    /// The index of the next node; 0 ends the chain.
    Link(u32),
}

impl Cell {
    fn span(&mut self) -> Option<&mut Span> {
        match self {
            Cell::Text(span) | Cell::Escaped(span) | Cell::Number(span) | Cell::Json(span) | Cell::Bytes(span) => {
                Some(span)
            }
            _ => None,
        }
    }
}

/// A slice of the reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    pub start: u32,
    pub len: u32,
}

#[derive(Debug, Clone)]
pub struct Tape {
    pub bytes: Bytes,
    /// Cell 0 is the reply itself.
    pub cells: Vec<Cell>,
}

/// A reply as large as this is let go where less than a fourth of it is used.
const LARGE: usize = 64 << 10;

impl Tape {
    /// The same values. Those of a large reply of which little is used move into bytes of their own, so that they hold no
    /// more memory than they need.
    pub fn compact(mut self) -> Tape {
        let used: usize = match self.bytes.len() {
            0..LARGE => return self,
            _ => self.cells.iter_mut().filter_map(Cell::span).map(|span| span.len as usize).sum(),
        };
        if used >= self.bytes.len() / 4 {
            return self;
        }
        let mut bytes = Vec::with_capacity(used);
        for span in self.cells.iter_mut().filter_map(Cell::span) {
            let start = bytes.len();
            bytes.extend_from_slice(&self.bytes[span.start as usize..][..span.len as usize]);
            span.start = start as u32;
        }
        self.cells.shrink_to_fit();
        Tape { bytes: bytes.into(), cells: self.cells }
    }

    pub fn slice(&self, span: Span) -> &[u8] {
        &self.bytes[span.start as usize..][..span.len as usize]
    }

    /// The text of a span that decoding found to be UTF-8.
    pub fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.slice(span)).unwrap_or_default()
    }

    /// The values of a list, in order.
    pub fn items(&self, head: u32, len: u32) -> impl Iterator<Item = Cell> + '_ {
        items(&self.cells, head, len)
    }
}

/// The values of the list that begins with the node `head`.
pub(crate) fn items(cells: &[Cell], head: u32, len: u32) -> impl Iterator<Item = Cell> + '_ {
    let mut at = head;
    (0..len).map_while(move |_| {
        let value = *cells.get(at as usize + 1)?;
        if let Cell::Link(next) = cells[at as usize] {
            at = next;
        }
        Some(value)
    })
}

/// How to decode a reply: which fields go to which slots.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    Proto(Message),
    Json(Value),
}

/// The used fields of a protobuf message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The cells of a message without any field, one per slot: defaults, `Null`, or an empty list.
    pub blank: Vec<Cell>,
    /// Sorted by number.
    pub fields: Vec<MessageField>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MessageField {
    pub number: u32,
    /// For messages about contract violations.
    pub name: String,
    pub slot: u16,
    pub repeated: bool,
    /// Its absence breaks the contract.
    pub required: bool,
    pub read: ProtoRead,
    /// The slots of the other members of its oneof.
    pub clears: Vec<u16>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ProtoRead {
    Double,
    Float,
    /// int32 and enum: a varint cut to 32 bits.
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Message(Box<Message>),
    /// An entry of a map: the fields `key` and `value`, in slots 0 and 1.
    Entry(Box<Message>),
    /// A message between two tags of this number.
    Group(u32, Box<Message>),
    /// google.type.Money, into a record of three cells.
    Money(Box<Message>),
    /// google.protobuf.Timestamp, into `Cell::Time`.
    Timestamp,
    /// google.protobuf.Duration, into `Cell::Time`.
    Duration,
    /// google.type.Date, into `Cell::Date`.
    Date,
    /// A message whose field 1 is the value; an absent field 1 is that type's default.
    Wrapper(Box<ProtoRead>),
    /// A message as protobuf's JSON, into `Cell::Json`, or `Cell::Null` where that is null.
    Json(MessageDescriptor),
    /// Not used, but clears what it excludes.
    Unread(Box<ProtoRead>),
}

/// The used members of a JSON value.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// `null` is a legal value.
    pub nullable: bool,
    pub read: JsonRead,
}

#[derive(Debug, Clone, PartialEq)]
pub enum JsonRead {
    Bool,
    /// An integer in these bounds, into `Cell::Int` (or `Cell::Uint` above i64::MAX); also as a string, as protobuf's JSON writes 64 bits.
    Integer {
        min: i64,
        max: u64,
    },
    /// A number that 64 bits of floating point can hold, into `Cell::Number`.
    Number,
    /// The same of 32 bits.
    Float,
    /// Any string, into `Cell::Escaped`, or `Cell::Text` where it has no escapes.
    String,
    /// Base64, into `Cell::Escaped` or `Cell::Text` as it stands.
    Bytes,
    /// RFC 3339, into `Cell::Time`.
    Timestamp,
    /// `1.5s`, into `Cell::Time`.
    Duration,
    /// `2026-11-21`, into `Cell::Date`.
    Date,
    /// A decimal number that can be computed with as a string, into `Cell::Text` (or `Cell::Escaped`) as it stands.
    Decimal,
    /// One of these names, into `Cell::Int` with its number; in a reply, an unknown name is -1.
    Enum(std::sync::Arc<crate::schema::Enum>),
    /// `{amount, currency}`, into `Cell::Record` of three cells: currency, units, nanos, as a google.type.Money would be.
    Money,
    Object(Object),
    List(Box<Value>),
    /// An object of any members, into a list of records of two cells, sorted by key; the key is read as a string.
    Map {
        key: Box<JsonRead>,
        value: Box<Value>,
    },
    /// An object that names which of several it is, into `Cell::Record` with a cell for each used case.
    Union(Tagged),
    /// Anything, into `Cell::Json`.
    Any,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Tagged {
    /// The member that names the case.
    pub tag: String,
    /// One null per slot.
    pub blank: Vec<Cell>,
    pub cases: Vec<Case>,
    /// A case of another name is a violation.
    pub closed: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub name: String,
    /// None of a case that is not used.
    pub used: Option<(u16, Value)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The cells of an object without any member, one per slot.
    pub blank: Vec<Cell>,
    pub members: Vec<Member>,
    /// Members of which only one may be there, by their indices; of a client's body only.
    pub exclusive: Vec<Vec<usize>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub name: String,
    pub slot: u16,
    pub required: bool,
    pub value: Value,
}
