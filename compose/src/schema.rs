//! What the services promise: one type model, read from protobuf descriptors and OpenAPI documents.

mod openapi;
mod proto;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost_reflect::MessageDescriptor;

pub use proto::descriptors;

/// Every source's operations, and the records they speak of.
#[derive(Debug, Default)]
pub struct Contracts {
    pub sources: BTreeMap<String, Source>,
    /// Records refer to each other by index, since messages may be recursive.
    pub records: Vec<Record>,
}

#[derive(Debug, Default)]
pub struct Source {
    /// By `package.Service.Method` or by operationId.
    pub operations: BTreeMap<String, Operation>,
    /// Named messages and enums, for `like:` and typed parameters.
    pub types: BTreeMap<String, Type>,
    /// gRPC methods of one request and many replies, by name; an operation's response is one of them.
    pub streams: BTreeMap<String, Operation>,
    /// Used where a call names no timeout.
    pub timeout: Option<Duration>,
    /// It has an HTTP address.
    pub http: bool,
    /// It has an address of NATS.
    pub nats: bool,
    /// It is told who asks with every call.
    pub identity: bool,
}

impl Source {
    pub(crate) fn offers(&self, operation: &str) -> bool {
        self.operations.contains_key(operation) || self.streams.contains_key(operation)
    }
}

#[derive(Debug, Clone)]
pub struct Operation {
    pub name: String,
    pub protocol: Protocol,
    pub response: Type,
    /// Repeating it does no harm: GET, HEAD, PUT, DELETE or proto `idempotency_level`.
    pub idempotent: bool,
    /// It changes nothing: GET, HEAD or `NO_SIDE_EFFECTS`.
    pub safe: bool,
}

#[derive(Debug, Clone)]
pub enum Protocol {
    /// `path` is `/package.Service/Method`.
    Grpc {
        path: String,
        input: RecordId,
    },
    Http {
        method: String,
        path: String,
        parameters: Vec<Parameter>,
        body: Option<Body>,
    },
}

#[derive(Debug, Clone)]
pub struct Parameter {
    pub name: String,
    pub location: Location,
    pub required: bool,
    pub ty: Type,
    /// A list is sent as repeated `name=value` pairs, not as `name=a,b`.
    pub explode: bool,
    pub limits: Limits,
}

/// What a contract says of a number, of the length of a text or of a list, beyond its type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub default: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    Path,
    Query,
    Header,
}

#[derive(Debug, Clone)]
pub struct Body {
    pub ty: Type,
    pub required: bool,
    /// What its `content-type` says: JSON of some kind.
    pub media_type: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub usize);

/// A message or an object schema.
#[derive(Debug, Clone)]
pub struct Record {
    pub name: String,
    pub fields: Vec<Field>,
    /// Its oneofs: groups of its own fields, of which at most one is set.
    pub unions: Vec<Arc<Union>>,
}

#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub ty: Type,
    /// In a request: it must be given.
    pub required: bool,
    /// In an answer: its absence breaks the contract. A protobuf field whose absence means its default is never promised.
    pub promised: bool,
    pub direction: Direction,
    /// How its 64-bit integers stand in an answer, where the contract says so.
    pub int64: Option<Int64>,
    pub wire: Wire,
}

/// How a 64-bit integer is written. JavaScript's numbers are exact up to 2^53 only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Int64 {
    #[default]
    String,
    Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Both,
    /// Answered, never sent: OpenAPI's `readOnly`.
    Answered,
    /// Sent, never answered: OpenAPI's `writeOnly`.
    Sent,
}

/// How a field travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wire {
    /// A member of a JSON object, by the field's name.
    Json,
    Proto {
        number: u32,
        scalar: Scalar,
        repeated: Repeated,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    No,
    Packed,
    Expanded,
}

/// The encoding of one protobuf value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    Double,
    Float,
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
    Enum,
    /// A record, or a well-known message that the type names (timestamp, duration, date, money).
    Message,
    /// A record between two tags of this number, as proto2 and editions have it.
    Group(u32),
    /// A message that travels as protobuf and is read and written as JSON.
    Json(MessageDescriptor),
    /// A well-known wrapper: a message whose field 1 is the value. google.type.Decimal travels like this too.
    Wrapper(Box<Scalar>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    pub kind: Kind,
    pub nullable: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Float,
    Double,
    String,
    Bytes,
    Enum(Arc<Enum>),
    Timestamp,
    Duration,
    Date,
    Decimal,
    Money,
    List(Box<Type>),
    /// Its entries, sorted by key; no two have the same. Absent: none.
    Map(Arc<Map>),
    Record(RecordId),
    /// Exactly one of its cases; none is null. It lies where the record `Union::within` lies.
    Union(Arc<Union>),
    /// Passed through, never looked into.
    Json,
    /// A part of a contract that views cannot read, with the reason.
    Opaque(&'static str),
}

#[derive(Debug, PartialEq)]
pub struct Map {
    /// A record of two fields, `key` and `value`; of every entry both are decoded, into slots 0 and 1.
    pub entry: RecordId,
    /// A string, an integer or a bool.
    pub key: Kind,
    pub value: Type,
}

#[derive(Debug, PartialEq)]
pub struct Union {
    pub name: String,
    /// The record that has the cases as nullable fields: of a protobuf oneof its owner, else a record of its own.
    pub within: RecordId,
    /// Each with its name and its index among the record's fields.
    pub cases: Vec<(String, usize)>,
    /// Of JSON: the member of every case's object that names the case.
    pub tag: Option<String>,
}

/// A closed list of names. Protobuf values travel as numbers, JSON ones as texts.
#[derive(Debug, PartialEq)]
pub struct Enum {
    pub name: String,
    /// Sorted by number; names without the type's prefix. JSON enums number their names 0, 1, 2 ...
    pub values: Vec<(i32, String)>,
    pub text: bool,
}

impl Type {
    pub fn required(kind: Kind) -> Type {
        Type { kind, nullable: false }
    }

    pub fn optional(kind: Kind) -> Type {
        Type { kind, nullable: true }
    }

    /// It is written as it stands: scalars, money, json, and lists and maps of these.
    pub(crate) fn is_leaf(&self) -> bool {
        match &self.kind {
            Kind::Record(_) | Kind::Union(_) | Kind::Opaque(_) => false,
            Kind::List(item) => item.is_leaf(),
            Kind::Map(map) => map.value.is_leaf(),
            _ => true,
        }
    }
}

impl Map {
    /// The record of an entry.
    pub fn entry(name: String, key: Kind, value: Type, wires: [Wire; 2]) -> Record {
        let fields = [("key", Type::required(key)), ("value", value)].into_iter().zip(wires);
        let field = |((name, ty), wire): ((&str, Type), Wire)| Field {
            name: name.to_owned(),
            ty,
            required: false,
            promised: false,
            direction: Direction::Both,
            int64: None,
            wire,
        };
        Record { name, fields: fields.map(field).collect(), unions: Vec::new() }
    }
}

impl Record {
    /// Two fields of one oneof.
    pub fn excludes(&self, a: usize, b: usize) -> bool {
        let has = |union: &Union, field| union.cases.iter().any(|(_, case)| *case == field);
        a != b && self.unions.iter().any(|union| has(union, a) && has(union, b))
    }
}

impl Enum {
    /// The name of a number; an unknown one is "UNRECOGNIZED".
    pub fn name_of(&self, number: i32) -> &str {
        self.name_for(number).unwrap_or("UNRECOGNIZED")
    }

    /// The name of a number that has one.
    pub fn name_for(&self, number: i32) -> Option<&str> {
        let at = self.values.binary_search_by_key(&number, |(n, _)| *n).ok()?;
        Some(&self.values[at].1)
    }

    pub fn number_of(&self, name: &str) -> Option<i32> {
        self.values.iter().find(|(_, n)| n == name).map(|(number, _)| *number)
    }
}

impl Contracts {
    pub fn record(&self, id: RecordId) -> &Record {
        &self.records[id.0]
    }

    /// The type of a map's values in JSON, where a google.protobuf.Value may be null.
    pub(crate) fn map_value(&self, map: &Map) -> Type {
        let wire = self.record(map.entry).fields.get(1).map(|value| &value.wire);
        let is_value = matches!(wire, Some(Wire::Proto { scalar: Scalar::Json(message), .. })
            if message.full_name() == "google.protobuf.Value");
        Type { nullable: map.value.nullable || is_value, ..map.value.clone() }
    }

    /// The type's name as an author would write or read it.
    pub fn describe(&self, ty: &Type) -> String {
        let name = match &ty.kind {
            Kind::Bool => "bool".into(),
            Kind::Int32 => "int32".into(),
            Kind::Int64 => "int64".into(),
            Kind::Uint32 => "uint32".into(),
            Kind::Uint64 => "uint64".into(),
            Kind::Float => "float".into(),
            Kind::Double => "double".into(),
            Kind::String => "string".into(),
            Kind::Bytes => "bytes".into(),
            Kind::Enum(e) => e.name.clone(),
            Kind::Timestamp => "timestamp".into(),
            Kind::Duration => "duration".into(),
            Kind::Date => "date".into(),
            Kind::Decimal => "decimal".into(),
            Kind::Money => "money".into(),
            Kind::List(item) => format!("list<{}>", self.describe(item)),
            Kind::Map(map) => {
                format!("map<{}, {}>", self.describe(&Type::required(map.key.clone())), self.describe(&map.value))
            }
            Kind::Union(union) => union.name.clone(),
            Kind::Record(id) => self.record(*id).name.clone(),
            Kind::Json => "json".into(),
            Kind::Opaque(reason) => (*reason).into(),
        };
        if ty.nullable { name + "?" } else { name }
    }
}
