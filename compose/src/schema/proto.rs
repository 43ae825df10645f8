//! Reads protobuf descriptors.
//!
//! Every message of the pool gets its id before any is read, so that recursion needs no care.
//! What has no fields to speak of (`Any`, `Struct`) is passed through as JSON.

mod editions;

use std::collections::HashMap;
use std::sync::Arc;

use prost::encoding::WireType;
use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind as Proto, MessageDescriptor, MethodDescriptor,
};

use editions::FeatureSet;
pub use editions::descriptors;

use super::{
    Contracts, Direction, Enum, Field, Int64, Kind, Map, Operation, Protocol, Record, RecordId, Repeated, Scalar, Type,
    Union, Wire,
};

impl Contracts {
    /// Adds every method that takes one request, every message and every enum of a descriptor pool.
    pub fn add_proto(&mut self, source: &str, pool: &DescriptorPool) {
        let reader = Reader::new(pool, self.records.len());
        self.records.extend(pool.all_messages().map(|m| reader.record(&m)));
        let (streams, unary): (Vec<_>, Vec<_>) = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .filter(|m| !m.is_client_streaming())
            .partition(MethodDescriptor::is_server_streaming);

        let entry = self.sources.entry(source.to_owned()).or_default();
        entry.operations.extend(unary.iter().map(|m| (m.full_name().to_owned(), reader.operation(m))));
        entry.streams.extend(streams.iter().map(|m| (m.full_name().to_owned(), reader.operation(m))));
        let own = |package: &str| package != "google.protobuf";
        let records = pool.all_messages().filter(|m| own(m.package_name()) && !m.is_map_entry());
        entry.types.extend(records.map(|m| (m.full_name().to_owned(), Type::required(reader.message(&m).kind))));
        let enums = pool.all_enums().filter(|e| own(e.package_name()));
        entry.types.extend(enums.map(|e| (e.full_name().to_owned(), Type::required(reader.enumeration(&e)))));
    }
}

/// Ids and enums by full name.
struct Reader {
    records: HashMap<String, RecordId>,
    enums: HashMap<String, Arc<Enum>>,
}

/// The type of one value of a field, and how it travels.
struct Value {
    kind: Kind,
    scalar: Scalar,
}

/// The options of a field that matter here, by their published numbers: whether the pool declares them does not matter.
#[derive(Clone, PartialEq, prost::Message)]
struct Options {
    #[prost(bool, optional, tag = "2")]
    packed: Option<bool>,
    #[prost(int32, tag = "6")]
    js_type: i32,
    #[prost(message, optional, tag = "21")]
    features: Option<FeatureSet>,
    /// google.api.field_behavior
    #[prost(int32, repeated, packed = "false", tag = "1052")]
    behavior: Vec<i32>,
    /// buf.validate.field
    #[prost(message, optional, tag = "1159")]
    rules: Option<Rules>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Rules {
    #[prost(bool, tag = "25")]
    required: bool,
}

impl Options {
    const JS_STRING: i32 = 1;
    const JS_NUMBER: i32 = 2;
    const REQUIRED: i32 = 2;
    const OUTPUT_ONLY: i32 = 3;
    const INPUT_ONLY: i32 = 4;

    fn of(field: &FieldDescriptor) -> Options {
        field.options().transcode_to().unwrap_or_default()
    }

    fn says(&self, behavior: i32) -> bool {
        self.behavior.contains(&behavior)
    }

    /// A pool compiled in this process settles `is_packed` before it reads the option, so the option comes first.
    fn packs(&self, field: &FieldDescriptor) -> bool {
        let packable = field.kind().wire_type() != WireType::LengthDelimited;
        packable && self.packed.unwrap_or(field.is_packed())
    }

    fn int64(&self) -> Option<Int64> {
        match self.js_type {
            Options::JS_STRING => Some(Int64::String),
            Options::JS_NUMBER => Some(Int64::Number),
            _ => None,
        }
    }

    fn has_presence(&self, field: &FieldDescriptor) -> bool {
        let is_implicit = self.features.as_ref().is_some_and(FeatureSet::is_implicit);
        let is_plain = !matches!(field.kind(), Proto::Message(_)) && field.containing_oneof().is_none();
        field.supports_presence() && !(is_implicit && is_plain)
    }

    fn required(&self) -> bool {
        self.says(Options::REQUIRED) || self.rules.as_ref().is_some_and(|r| r.required)
    }
}

impl Reader {
    /// Ids count from `first`, in the order of the pool.
    fn new(pool: &DescriptorPool, first: usize) -> Reader {
        let ids = pool.all_messages().enumerate().map(|(i, m)| (m.full_name().to_owned(), RecordId(first + i)));
        let enums = pool.all_enums().map(|e| (e.full_name().to_owned(), Arc::new(read_enum(&e))));
        Reader { records: ids.collect(), enums: enums.collect() }
    }

    fn operation(&self, method: &MethodDescriptor) -> Operation {
        let proto = method.method_descriptor_proto();
        let level = proto.options.as_ref().map_or(IdempotencyLevel::IdempotencyUnknown, |o| o.idempotency_level());
        Operation {
            name: method.full_name().to_owned(),
            protocol: Protocol::Grpc {
                path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
                input: self.id(&method.input()),
            },
            response: Type::required(Kind::Record(self.id(&method.output()))),
            idempotent: level != IdempotencyLevel::IdempotencyUnknown,
            safe: level == IdempotencyLevel::NoSideEffects,
        }
    }

    fn record(&self, message: &MessageDescriptor) -> Record {
        let name = message.full_name().to_owned();
        if message.is_map_entry() {
            let (key, value) =
                (self.value(&message.map_entry_key_field()), self.value(&message.map_entry_value_field()));
            let wire = |number, scalar| Wire::Proto { number, scalar, repeated: Repeated::No };
            let wires = [wire(1, key.scalar), wire(2, value.scalar)];
            return Map::entry(name, key.kind, Type::required(value.kind), wires);
        }
        let fields: Vec<FieldDescriptor> = message.fields().collect();
        let unions = message.oneofs().filter(|oneof| !oneof.is_synthetic()).map(|oneof| {
            let cases = fields.iter().enumerate().filter(|(_, f)| f.containing_oneof().as_ref() == Some(&oneof));
            Arc::new(Union {
                name: oneof.name().to_owned(),
                within: self.id(message),
                cases: cases.map(|(i, f)| (f.name().to_owned(), i)).collect(),
                tag: None,
            })
        });
        let unions = unions.collect();
        Record { name, fields: fields.iter().map(|f| self.field(f)).collect(), unions }
    }

    fn field(&self, field: &FieldDescriptor) -> Field {
        let options = Options::of(field);
        let required = field.is_required() || options.required();
        let alternative = field.containing_oneof().is_some_and(|o| !o.is_synthetic());
        let has_presence = options.has_presence(field);
        let promised = required && has_presence && !alternative && !options.says(Options::INPUT_ONLY);
        let value = self.value(field);
        let repeated = match field.cardinality() {
            Cardinality::Repeated if options.packs(field) => Repeated::Packed,
            Cardinality::Repeated => Repeated::Expanded,
            _ => Repeated::No,
        };
        let kind = match value.kind {
            whole @ (Kind::Opaque(_) | Kind::Map(_)) => whole,
            item if repeated != Repeated::No => Kind::List(Box::new(Type::required(item))),
            kind => kind,
        };
        Field {
            name: field.name().to_owned(),
            ty: Type { kind, nullable: has_presence && !promised },
            required: required && !alternative && !options.says(Options::OUTPUT_ONLY),
            promised,
            direction: Direction::Both,
            int64: options.int64(),
            wire: Wire::Proto { number: field.number(), scalar: value.scalar, repeated },
        }
    }

    fn value(&self, field: &FieldDescriptor) -> Value {
        let (kind, scalar) = match field.kind() {
            Proto::Double => (Kind::Double, Scalar::Double),
            Proto::Float => (Kind::Float, Scalar::Float),
            Proto::Int32 => (Kind::Int32, Scalar::Int32),
            Proto::Int64 => (Kind::Int64, Scalar::Int64),
            Proto::Uint32 => (Kind::Uint32, Scalar::Uint32),
            Proto::Uint64 => (Kind::Uint64, Scalar::Uint64),
            Proto::Sint32 => (Kind::Int32, Scalar::Sint32),
            Proto::Sint64 => (Kind::Int64, Scalar::Sint64),
            Proto::Fixed32 => (Kind::Uint32, Scalar::Fixed32),
            Proto::Fixed64 => (Kind::Uint64, Scalar::Fixed64),
            Proto::Sfixed32 => (Kind::Int32, Scalar::Sfixed32),
            Proto::Sfixed64 => (Kind::Int64, Scalar::Sfixed64),
            Proto::Bool => (Kind::Bool, Scalar::Bool),
            Proto::String => (Kind::String, Scalar::String),
            Proto::Bytes => (Kind::Bytes, Scalar::Bytes),
            Proto::Enum(e) => (self.enumeration(&e), Scalar::Enum),
            Proto::Message(m) if field.is_group() => (Kind::Record(self.id(&m)), Scalar::Group(field.number())),
            Proto::Message(m) => return self.message(&m),
        };
        Value { kind, scalar }
    }

    fn message(&self, message: &MessageDescriptor) -> Value {
        if message.is_map_entry() {
            let value = Type::required(self.value(&message.map_entry_value_field()).kind);
            let key = self.value(&message.map_entry_key_field()).kind;
            let map = Map { entry: self.id(message), key, value };
            return Value { kind: Kind::Map(Arc::new(map)), scalar: Scalar::Message };
        }
        let wrapper = |kind, scalar| Value { kind, scalar: Scalar::Wrapper(Box::new(scalar)) };
        let kind = match message.full_name() {
            "google.protobuf.DoubleValue" => return wrapper(Kind::Double, Scalar::Double),
            "google.protobuf.FloatValue" => return wrapper(Kind::Float, Scalar::Float),
            "google.protobuf.Int64Value" => return wrapper(Kind::Int64, Scalar::Int64),
            "google.protobuf.UInt64Value" => return wrapper(Kind::Uint64, Scalar::Uint64),
            "google.protobuf.Int32Value" => return wrapper(Kind::Int32, Scalar::Int32),
            "google.protobuf.UInt32Value" => return wrapper(Kind::Uint32, Scalar::Uint32),
            "google.protobuf.BoolValue" => return wrapper(Kind::Bool, Scalar::Bool),
            "google.protobuf.StringValue" => return wrapper(Kind::String, Scalar::String),
            "google.protobuf.BytesValue" => return wrapper(Kind::Bytes, Scalar::Bytes),
            "google.type.Decimal" => return wrapper(Kind::Decimal, Scalar::String),
            "google.protobuf.Timestamp" => Kind::Timestamp,
            "google.protobuf.Duration" => Kind::Duration,
            "google.type.Date" => Kind::Date,
            "google.protobuf.Any"
            | "google.protobuf.Struct"
            | "google.protobuf.Value"
            | "google.protobuf.ListValue" => {
                return Value { kind: Kind::Json, scalar: Scalar::Json(message.clone()) };
            }
            _ if is_money(message) => Kind::Money,
            _ => Kind::Record(self.id(message)),
        };
        Value { kind, scalar: Scalar::Message }
    }

    fn enumeration(&self, descriptor: &EnumDescriptor) -> Kind {
        Kind::Enum(self.enums[descriptor.full_name()].clone())
    }

    fn id(&self, message: &MessageDescriptor) -> RecordId {
        self.records[message.full_name()]
    }
}

/// google.type.Money, or a copy of it in the upstream's own package.
fn is_money(message: &MessageDescriptor) -> bool {
    let is = |number, name, kind| {
        message.get_field(number).is_some_and(|f| f.name() == name && f.kind() == kind && !f.is_list())
    };
    message.fields().len() == 3
        && is(1, "currency_code", Proto::String)
        && is(2, "units", Proto::Int64)
        && is(3, "nanos", Proto::Int32)
}

fn read_enum(descriptor: &EnumDescriptor) -> Enum {
    let declared = &descriptor.enum_descriptor_proto().value;
    let stripped: Option<Vec<&str>> = declared.iter().map(|v| without_prefix(v.name(), descriptor.name())).collect();
    let names = stripped.unwrap_or_else(|| declared.iter().map(|v| v.name()).collect());
    let mut values: Vec<(i32, String)> =
        declared.iter().map(|v| v.number()).zip(names.into_iter().map(str::to_owned)).collect();
    values.sort_by_key(|(number, _)| *number);
    values.dedup_by_key(|(number, _)| *number);
    Enum { name: descriptor.full_name().to_owned(), values, text: false }
}

/// `SHIPPED` of `ORDER_STATUS_SHIPPED` and `OrderStatus`; underscores within the prefix do not count, since styles differ.
fn without_prefix<'a>(value: &'a str, enumeration: &str) -> Option<&'a str> {
    let mut rest = value;
    for wanted in enumeration.chars().filter(|c| *c != '_') {
        rest = rest.trim_start_matches('_');
        let found = rest.chars().next().filter(|c| c.eq_ignore_ascii_case(&wanted))?;
        rest = &rest[found.len_utf8()..];
    }
    let rest = rest.strip_prefix('_')?;
    rest.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(rest)
}
