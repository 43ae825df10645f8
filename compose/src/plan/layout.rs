//! Which fields of which records are used, and the decoding tables that follow.

use crate::schema::{Contracts, Field, Kind, Record, RecordId, Repeated, Scalar, Type, Union, Wire};
use crate::tape::{
    Case, Cell, JsonRead, Layout, Member, Message, MessageField, Object, ProtoRead, Span, Tagged, Value,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProjectionId(pub usize);

/// The used fields of one record at one place of a reply; a field's slot is its position here.
#[derive(Debug)]
pub(crate) struct Projection {
    pub record: RecordId,
    /// Index into the record's fields, and the projection of the record within, if there is one.
    pub fields: Vec<(usize, Option<ProjectionId>)>,
    /// Of a union: a case that the contract does not name has nowhere to go.
    pub closed: bool,
}

impl Projection {
    fn position(&self, field: usize) -> Option<usize> {
        self.fields.iter().position(|(used, _)| *used == field)
    }

    fn slot(&self, field: usize) -> Option<u16> {
        self.position(field).and_then(|slot| u16::try_from(slot).ok())
    }

    /// The slots of the used fields that are in a oneof with this one.
    fn siblings(&self, field: usize, record: &Record) -> Vec<u16> {
        let union = record.unions.iter().find(|union| union.cases.iter().any(|(_, case)| *case == field));
        let others = union.iter().flat_map(|union| &union.cases).filter(|(_, case)| *case != field);
        others.filter_map(|(_, case)| self.slot(*case)).collect()
    }
}

/// The decoding table of a protobuf reply.
pub(crate) fn proto_layout(projection: ProjectionId, projections: &[Projection], contracts: &Contracts) -> Layout {
    Layout::Proto(Tables { projections, contracts, casing: Casing::AsIs }.message(projection))
}

/// The decoding table of a JSON reply of this type.
pub(crate) fn json_layout(
    ty: &Type,
    projection: Option<ProjectionId>,
    projections: &[Projection],
    contracts: &Contracts,
) -> Layout {
    Layout::Json(Tables { projections, contracts, casing: Casing::AsIs }.value(ty, projection))
}

/// The decoding table of a client's JSON body; names are in camelCase whatever the contract's are.
pub(crate) fn body_layout(
    projection: ProjectionId,
    required: &[String],
    projections: &[Projection],
    contracts: &Contracts,
) -> Value {
    let tables = Tables { projections, contracts, casing: Casing::Camel };
    let mut object = tables.object(projection);
    for member in object.members.iter_mut().filter(|member| required.contains(&member.name)) {
        member.required = true;
        member.value.nullable = false;
    }
    Value { nullable: false, read: JsonRead::Object(object) }
}

#[derive(Clone, Copy, PartialEq)]
enum Casing {
    AsIs,
    Camel,
}

struct Tables<'a> {
    projections: &'a [Projection],
    contracts: &'a Contracts,
    casing: Casing,
}

impl Tables<'_> {
    /// The used fields with their slots.
    fn used(&self, id: ProjectionId) -> impl Iterator<Item = (u16, &Field, Option<ProjectionId>)> {
        let projection = &self.projections[id.0];
        let record = self.contracts.record(projection.record);
        projection.fields.iter().enumerate().map(|(slot, (field, inner))| {
            // The checker refuses a record of which more fields are used than a slot can number.
            (u16::try_from(slot).unwrap_or(u16::MAX), &record.fields[*field], *inner)
        })
    }

    fn message(&self, id: ProjectionId) -> Message {
        let blank = self.used(id).map(|(_, field, _)| blank(&field.ty)).collect();
        let projection = &self.projections[id.0];
        let record = self.contracts.record(projection.record);
        let read = |(field, inner): &(usize, _)| {
            let Field { name, ty, promised, wire, .. } = &record.fields[*field];
            let Wire::Proto { number, scalar, repeated } = wire else { return None };
            Some(MessageField {
                number: *number,
                name: name.clone(),
                slot: projection.slot(*field).unwrap_or_default(),
                repeated: *repeated != Repeated::No,
                required: *promised,
                read: self.proto_read(scalar, item_kind(ty), *inner),
                clears: projection.siblings(*field, record),
            })
        };
        let mut fields: Vec<MessageField> = projection.fields.iter().filter_map(read).collect();
        let unread = |field: usize| {
            let member = read(&(field, None))?;
            let read = ProtoRead::Unread(Box::new(member.read));
            Some(MessageField { read, ..member }).filter(|m| !m.clears.is_empty())
        };
        let members = record.unions.iter().flat_map(|union| union.cases.iter().map(|(_, field)| *field));
        fields.extend(members.filter(|field| projection.slot(*field).is_none()).filter_map(unread));
        fields.sort_by_key(|f| f.number);
        Message { blank, fields }
    }

    fn proto_read(&self, scalar: &Scalar, kind: &Kind, inner: Option<ProjectionId>) -> ProtoRead {
        match scalar {
            Scalar::Double => ProtoRead::Double,
            Scalar::Float => ProtoRead::Float,
            Scalar::Int32 | Scalar::Enum => ProtoRead::Int32,
            Scalar::Int64 => ProtoRead::Int64,
            Scalar::Uint32 => ProtoRead::Uint32,
            Scalar::Uint64 => ProtoRead::Uint64,
            Scalar::Sint32 => ProtoRead::Sint32,
            Scalar::Sint64 => ProtoRead::Sint64,
            Scalar::Fixed32 => ProtoRead::Fixed32,
            Scalar::Fixed64 => ProtoRead::Fixed64,
            Scalar::Sfixed32 => ProtoRead::Sfixed32,
            Scalar::Sfixed64 => ProtoRead::Sfixed64,
            Scalar::Bool => ProtoRead::Bool,
            Scalar::String => ProtoRead::String,
            Scalar::Bytes => ProtoRead::Bytes,
            Scalar::Group(number) => ProtoRead::Group(*number, Box::new(self.inner(inner))),
            Scalar::Json(message) => ProtoRead::Json(message.clone()),
            Scalar::Wrapper(inside) => ProtoRead::Wrapper(Box::new(self.proto_read(inside, kind, inner))),
            Scalar::Message => match (kind, inner) {
                (Kind::Timestamp, _) => ProtoRead::Timestamp,
                (Kind::Duration, _) => ProtoRead::Duration,
                (Kind::Date, _) => ProtoRead::Date,
                (Kind::Money, _) => ProtoRead::Money(Box::new(money())),
                (Kind::Map(_), Some(entry)) => ProtoRead::Entry(Box::new(self.message(entry))),
                (_, inner) => ProtoRead::Message(Box::new(self.inner(inner))),
            },
        }
    }

    fn inner(&self, projection: Option<ProjectionId>) -> Message {
        projection.map_or_else(|| Message { blank: Vec::new(), fields: Vec::new() }, |inner| self.message(inner))
    }

    fn object(&self, id: ProjectionId) -> Object {
        let members: Vec<Member> = self
            .used(id)
            .map(|(slot, field, inner)| Member {
                name: match self.casing {
                    Casing::AsIs => field.name.clone(),
                    Casing::Camel => camel_case(&field.name),
                },
                slot,
                required: match self.casing {
                    Casing::AsIs => field.promised,
                    Casing::Camel => field.required,
                },
                value: self.value(&field.ty, inner),
            })
            .collect();
        // Of an answer, an absent member is null; of a body like a message, it is the message's default.
        let blank = self
            .used(id)
            .map(|(_, field, _)| if field.wire == Wire::Json { Cell::Null } else { blank(&field.ty) })
            .collect();
        Object { blank, members, exclusive: self.exclusive(id) }
    }

    /// The oneofs of a message that a body is like.
    fn exclusive(&self, id: ProjectionId) -> Vec<Vec<usize>> {
        let projection = &self.projections[id.0];
        let unions = &self.contracts.record(projection.record).unions;
        let members = |cases: &[(String, usize)]| cases.iter().filter_map(|(_, f)| projection.position(*f)).collect();
        unions.iter().map(|union| members(&union.cases)).filter(|members: &Vec<_>| members.len() > 1).collect()
    }

    fn union(&self, union: &Union, inner: Option<ProjectionId>) -> Tagged {
        let projection = inner.map(|id| &self.projections[id.0]);
        let record = self.contracts.record(union.within);
        let case = |(name, field): &(String, usize)| {
            let ty = Type { nullable: false, ..record.fields[*field].ty.clone() };
            let used = projection.and_then(|projection| {
                let (_, inner) = projection.fields[projection.position(*field)?];
                Some((projection.slot(*field)?, self.value(&ty, inner)))
            });
            Case { name: name.clone(), used }
        };
        let tag = union.tag.as_deref().unwrap_or_default();
        Tagged {
            tag: if self.casing == Casing::Camel { camel_case(tag) } else { tag.to_owned() },
            blank: vec![Cell::Null; projection.map_or(0, |projection| projection.fields.len())],
            cases: union.cases.iter().map(case).collect(),
            closed: self.casing == Casing::Camel || projection.is_some_and(|projection| projection.closed),
        }
    }

    fn value(&self, ty: &Type, inner: Option<ProjectionId>) -> Value {
        let read = match &ty.kind {
            Kind::Bool => JsonRead::Bool,
            Kind::Int32 => JsonRead::Integer { min: i32::MIN.into(), max: i32::MAX as u64 },
            Kind::Int64 => JsonRead::Integer { min: i64::MIN, max: i64::MAX as u64 },
            Kind::Uint32 => JsonRead::Integer { min: 0, max: u32::MAX.into() },
            Kind::Uint64 => JsonRead::Integer { min: 0, max: u64::MAX },
            Kind::Float => JsonRead::Float,
            Kind::Double => JsonRead::Number,
            Kind::String => JsonRead::String,
            Kind::Bytes => JsonRead::Bytes,
            Kind::Enum(names) => JsonRead::Enum(names.clone()),
            Kind::Timestamp => JsonRead::Timestamp,
            Kind::Duration => JsonRead::Duration,
            Kind::Date => JsonRead::Date,
            Kind::Decimal => JsonRead::Decimal,
            Kind::Money => JsonRead::Money,
            Kind::List(item) => JsonRead::List(Box::new(self.value(item, inner))),
            Kind::Map(map) => {
                let within = inner.and_then(|entry| self.projections[entry.0].fields.get(1)?.1);
                let value = match self.casing {
                    Casing::AsIs => self.value(&self.contracts.map_value(map), within),
                    Casing::Camel => self.value(&map.value, within),
                };
                JsonRead::Map {
                    key: Box::new(self.value(&Type::required(map.key.clone()), None).read),
                    value: Box::new(value),
                }
            }
            Kind::Union(union) => JsonRead::Union(self.union(union, inner)),
            Kind::Record(_) => match inner {
                Some(projection) => JsonRead::Object(self.object(projection)),
                None => JsonRead::Object(Object { blank: Vec::new(), members: Vec::new(), exclusive: Vec::new() }),
            },
            Kind::Json | Kind::Opaque(_) => JsonRead::Any,
        };
        Value { nullable: ty.nullable, read }
    }
}

fn item_kind(ty: &Type) -> &Kind {
    match &ty.kind {
        Kind::List(item) => &item.kind,
        kind => kind,
    }
}

fn blank(ty: &Type) -> Cell {
    const EMPTY: Span = Span { start: 0, len: 0 };
    if ty.nullable {
        return Cell::Null;
    }
    match &ty.kind {
        Kind::Bool => Cell::Bool(false),
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Enum(_) => Cell::Int(0),
        Kind::Float | Kind::Double => Cell::Float(0.0),
        Kind::String => Cell::Text(EMPTY),
        Kind::Bytes => Cell::Bytes(EMPTY),
        Kind::List(_) | Kind::Map(_) => Cell::List { head: 0, tail: 0, len: 0 },
        _ => Cell::Null,
    }
}

/// google.type.Money, always whole: currency, units, nanos.
fn money() -> Message {
    let field = |number, name: &str, slot, read| MessageField {
        number,
        name: name.into(),
        slot,
        repeated: false,
        required: false,
        read,
        clears: Vec::new(),
    };
    Message {
        blank: vec![Cell::Text(Span { start: 0, len: 0 }), Cell::Int(0), Cell::Int(0)],
        fields: vec![
            field(1, "currency_code", 0, ProtoRead::String),
            field(2, "units", 1, ProtoRead::Int64),
            field(3, "nanos", 2, ProtoRead::Int32),
        ],
    }
}

/// `created_at` to `createdAt`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = !camel.is_empty(),
            c if upper => {
                camel.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => camel.push(c),
        }
    }
    camel
}
