//! A checked view as plain data: which calls wait for which, how each is encoded and decoded, and how the answer is written.

mod answers;
mod cache;
mod call;
mod client_field;
mod json;
mod layout;
mod print;
mod provenance;
mod proxy;
mod timeline;

use std::sync::Arc;
use std::time::Duration;

pub use answers::Answers;
pub use cache::Cache;
pub use call::{Batch, Call, CallSet, Coverage, Each, Keys, MAX_CALLS, Need, OnFail};
pub use client_field::{ClientField, place_of};
pub use json::{Json, JsonMember};
pub(crate) use layout::{Projection, ProjectionId, body_layout, camel_case, json_layout, proto_layout};
pub(crate) use print::wrapped;
pub use provenance::{Absence, Origin, Provenance};
pub use proxy::Proxy;
pub use timeline::{Span, chain, longest_path, timeline};

use crate::definition::ParamLocation;
pub use crate::definition::{Fallback, Then};
use crate::expr::Code;
use crate::schema::{Enum, Int64, Kind, Scalar, Type};
use crate::tape::Value;

/// Everything needed to serve a view.
#[derive(Debug)]
pub struct Plan {
    pub name: String,
    /// Of a variant: its name.
    pub variant: Option<String>,
    /// The same view with less in it, for whoever asks for it by name.
    pub variants: Vec<Arc<Plan>>,
    pub method: String,
    /// With its parameters in braces: `/v1/orders/{id}`.
    pub path: String,
    /// Roles, or `public`.
    pub access: Vec<String>,
    pub deadline: Duration,
    /// The `Idempotency-Key` header is required.
    pub idempotency: bool,
    pub status: u16,
    /// Of the answer, by lower-case name; null leaves one out.
    pub headers: Vec<(String, Code)>,
    /// The tags whose entries are stale once the view has succeeded.
    pub invalidates: Vec<Vec<Piece>>,
    /// Hands the request on as it is: nothing else is planned then.
    pub proxy: Option<Proxy>,
    pub params: Vec<Param>,
    pub body: Option<Value>,
    pub calls: Vec<Call>,
    /// Makes the answer a sequence of events; its reply is the first local of the shape.
    pub stream: Option<Stream>,
    pub shape: Option<Shape>,
    /// Who asks may change the answer.
    pub personal: bool,
    /// How many names are bound at once at the most.
    pub locals: usize,
    pub answers: Answers,
    /// Where the answer's values come from, in the order of the shape.
    pub values: Vec<Provenance>,
}

/// A call of many replies.
#[derive(Debug)]
pub struct Stream {
    pub call: Call,
    /// Of a reply's event, where the source itself gives it none.
    pub event_id: Option<Code>,
}

#[derive(Debug)]
pub struct Param {
    pub name: String,
    pub location: ParamLocation,
    pub kind: Kind,
    /// Absent and without a default: a mistake of the client.
    pub required: bool,
    pub default: Code,
    pub min: Option<i64>,
    pub max: Option<i64>,
}

impl Plan {
    /// The plan of the variant with this name.
    pub fn variant(&self, name: &str) -> Option<&Arc<Plan>> {
        self.variants.iter().find(|plan| plan.variant.as_deref() == Some(name))
    }

    pub fn all_calls(&self) -> CallSet {
        (0..self.calls.len()).fold(CallSet::default(), |all, call| all.with(CallSet::one(call)))
    }

    /// The calls without which an answer can be shown: none of their failures is the view's, and nothing that must
    /// succeed waits for them.
    pub fn late(&self) -> CallSet {
        let mut required = CallSet::default();
        let mut next: Vec<&Call> = self.calls.iter().filter(|call| call.is_required() || !call.safe).collect();
        while let Some(call) = next.pop() {
            if !CallSet::one(call.index).within(required) {
                required = required.with(CallSet::one(call.index));
                next.extend(call.after.iter().map(|i| &self.calls[i]));
            }
        }
        self.all_calls().without(required)
    }

    pub fn stream_call(&self) -> Option<&Call> {
        self.stream.as_ref().map(|stream| &stream.call)
    }

    /// How many requests one answer can cost at the most.
    pub fn most_requests(&self) -> usize {
        self.calls.iter().chain(self.stream_call()).map(Call::most_requests).fold(0, usize::saturating_add)
    }
}

/// How long the calls that must succeed may take, one behind the other, and the call that ends last.
pub fn critical_path(calls: &[Call]) -> Option<(Duration, usize)> {
    let spans = timeline(calls);
    (0..calls.len()).filter(|i| calls[*i].must_answer()).filter_map(|i| Some((spans[i]?.end, i))).max()
}

#[derive(Debug)]
pub enum Request {
    Grpc {
        path: String,
        message: Encoder,
    },
    Http {
        method: String,
        path: Vec<Segment>,
        query: Vec<Query>,
        headers: Vec<Header>,
        body: Option<Json>,
    },
    /// Messages of this kind, of a subject in which every value is one part.
    Nats {
        subject: Vec<Segment>,
        message: String,
    },
}

#[derive(Debug)]
pub enum Piece {
    Text(String),
    Code(Code),
}

/// A part of a path; the items of a list are joined by commas.
#[derive(Debug)]
pub enum Segment {
    Text(String),
    Value(Code, Format),
}

/// It is not sent where it is null; the items of a list are joined by commas.
#[derive(Debug)]
pub struct Header {
    pub name: String,
    pub value: Code,
    pub format: Format,
}

#[derive(Debug)]
pub struct Query {
    pub name: String,
    pub value: QueryValue,
    /// A list is sent as repeated pairs, not joined by commas.
    pub explode: bool,
}

#[derive(Debug)]
pub enum QueryValue {
    Code(Code, Format),
    /// The keys of the batch.
    Keys,
}

/// How to write a protobuf message.
#[derive(Debug)]
pub struct Encoder {
    pub fields: Vec<FieldEncoder>,
}

#[derive(Debug)]
pub struct FieldEncoder {
    pub number: u32,
    pub scalar: Scalar,
    /// A repeated field of this kind is written packed.
    pub packed: bool,
    pub value: FieldValue,
}

/// Null is not written; of a list, every item is.
#[derive(Debug)]
pub enum FieldValue {
    Code(Code),
    /// A record (or each record of a list), bound to the local while its fields are written.
    Record {
        of: Code,
        local: usize,
        encoder: Encoder,
    },
    /// A message written out in the view: sent even where all of it is absent.
    Message(Encoder),
    Values(Vec<Code>),
    /// Of a list or a map, what is written out item by item.
    Items(Vec<FieldValue>),
    /// The keys of the batch.
    Keys,
}

/// How to write JSON, and of which type it is.
#[derive(Debug)]
pub enum Shape {
    Value {
        code: Code,
        format: Format,
        ty: Type,
    },
    Object(Vec<Member>),
    /// Null of null.
    List {
        from: Code,
        local: usize,
        keep: Option<Code>,
        sort: Vec<Sort>,
        take: Option<Code>,
        item: Box<Shape>,
        nullable: bool,
    },
    /// Null of null, else `item` with the value bound.
    Of {
        of: Code,
        local: usize,
        item: Box<Shape>,
        nullable: bool,
    },
    /// `item` with the value bound, which may be null.
    Let {
        of: Code,
        local: usize,
        item: Box<Shape>,
    },
    /// The case that is there; null where none is.
    Union {
        cases: Vec<Case>,
        nullable: bool,
    },
}

/// One of several, told apart by which value is there.
#[derive(Debug)]
pub struct Case {
    /// As the answer's `type` says it.
    pub name: String,
    pub of: Code,
    pub local: usize,
    /// An object; where `tagged`, its first member is `type`.
    pub item: Shape,
    pub tagged: bool,
}

impl Shape {
    /// Whether `null` may be all that is written.
    pub fn is_nullable(&self) -> bool {
        match self {
            Shape::Value { ty, .. } => ty.nullable || ty.kind == Kind::Json,
            Shape::Object(_) => false,
            Shape::List { nullable, .. } | Shape::Union { nullable, .. } => *nullable,
            Shape::Of { item, nullable, .. } => *nullable || item.is_nullable(),
            Shape::Let { item, .. } => item.is_nullable(),
        }
    }
}

#[derive(Debug)]
pub struct Member {
    pub name: String,
    /// `"name":` as it is written.
    pub key: String,
    pub shape: Shape,
    /// Left out where it is null.
    pub optional: bool,
    /// Left out where it is null because one of these has failed.
    pub omit: CallSet,
}

impl Member {
    pub fn may_be_absent(&self) -> bool {
        self.optional || !self.omit.is_empty()
    }
}

/// One key of a list's order. Nulls come last.
#[derive(Debug)]
pub struct Sort {
    pub by: Code,
    /// Compared as floats are, though some of the values may be integers.
    pub float: bool,
    pub descending: bool,
}

/// How a value is written where its kind does not tell.
#[derive(Debug, Clone)]
pub enum Format {
    Plain,
    /// 64-bit integers: a JSON string.
    Int64,
    /// 32 bits: as few digits as tell it apart.
    Float,
    Enum(Arc<Enum>),
    Timestamp,
    Duration,
    Money,
    List(Box<Format>),
    /// An object, its values in this format.
    Map(Box<Format>),
}

impl Format {
    pub(crate) fn of(kind: &Kind, int64: Int64) -> Format {
        match kind {
            Kind::Int64 | Kind::Uint64 if int64 == Int64::String => Format::Int64,
            Kind::Float => Format::Float,
            Kind::Enum(names) => Format::Enum(names.clone()),
            Kind::Timestamp => Format::Timestamp,
            Kind::Duration => Format::Duration,
            Kind::Money => Format::Money,
            Kind::List(item) => Format::List(Box::new(Format::of(&item.kind, int64))),
            Kind::Map(map) => Format::Map(Box::new(Format::of(&map.value.kind, int64))),
            _ => Format::Plain,
        }
    }

    /// As a JSON contract has it: its integers are numbers, however many bits they have.
    pub(crate) fn sent(kind: &Kind) -> Format {
        Format::of(kind, Int64::Number)
    }
}
