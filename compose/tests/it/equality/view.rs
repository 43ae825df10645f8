//! Random projections: the shape that reads one, and what it makes of a message.

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, OneofDescriptor, ReflectMessage,
    SerializeOptions, Value,
};
use serde_json::{Map, Value as Json, json};

use super::Random;

/// One member of the answer.
pub enum Part {
    /// A value as it stands.
    Leaf(FieldDescriptor),
    /// A message, a list of messages, or a map to messages, with what is read of each.
    Within(FieldDescriptor, Vec<Part>),
    /// A oneof, of which some cases are read.
    Union(OneofDescriptor, Vec<Part>),
}

const MAX_DEPTH: usize = 3;

pub fn parts(random: &mut Random, message: &MessageDescriptor, depth: usize) -> Vec<Part> {
    let fields: Vec<FieldDescriptor> = message.fields().collect();
    let mut parts: Vec<Part> = Vec::new();
    for (n, field) in fields.iter().enumerate() {
        // The first is a text: something is read at least.
        if n == 0 && depth == 0 || random.below(4) > 0 {
            parts.extend(part(random, field, depth));
        }
    }
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let fields = oneof.fields().collect::<Vec<_>>().into_iter();
        let cases: Vec<Part> =
            fields.filter_map(|case| if random.below(3) > 0 { part(random, &case, depth) } else { None }).collect();
        if !cases.is_empty() {
            parts.push(Part::Union(oneof, cases));
        }
    }
    parts
}

fn part(random: &mut Random, field: &FieldDescriptor, depth: usize) -> Option<Part> {
    let Some(message) = record(field) else { return Some(Part::Leaf(field.clone())) };
    if depth == MAX_DEPTH {
        return None;
    }
    let within = parts(random, &message, depth + 1);
    (!within.is_empty()).then(|| Part::Within(field.clone(), within))
}

/// The message that is not a value by itself.
fn record(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match value_kind(field) {
        Kind::Message(message) if message.package_name() != "google.protobuf" => Some(message),
        _ => None,
    }
}

/// The kind of a field, or of a map's values.
fn value_kind(field: &FieldDescriptor) -> Kind {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    }
}

/// The shape as an author would write it, `of` being the name of the message.
pub fn shape(parts: &[Part], of: &str) -> Json {
    let mut members = Map::new();
    for part in parts {
        let (name, shape) = match part {
            Part::Leaf(field) => (field.name().to_owned(), json!(format!("{of}.{}", field.name()))),
            Part::Within(field, within) => (field.name().to_owned(), structure(field, within, of)),
            Part::Union(oneof, cases) => (oneof.name().to_owned(), union(oneof, cases, of)),
        };
        members.insert(name, shape);
    }
    Json::Object(members)
}

fn structure(field: &FieldDescriptor, within: &[Part], of: &str) -> Json {
    let (name, local) = (field.name(), format!("{of}_{}", field.number()));
    let bound = format!("{of}.{name} as {local}");
    if field.is_map() {
        let value =
            json!({ "of": format!("{local}.value as {local}_v"), "item": shape(within, &format!("{local}_v")) });
        return json!({ "from": bound, "item": { "key": format!("{local}.key"), "value": value } });
    }
    let key = if field.is_list() { "from" } else { "of" };
    json!({ key: bound, "item": shape(within, &local) })
}

fn union(oneof: &OneofDescriptor, cases: &[Part], of: &str) -> Json {
    let local = format!("{of}_{}", oneof.name());
    let mut written = Map::new();
    for case in cases {
        match case {
            Part::Leaf(field) => written.insert(field.name().to_owned(), json!({ "value": local })),
            Part::Within(field, within) => written.insert(field.name().to_owned(), shape(within, &local)),
            Part::Union(..) => unreachable!("a oneof has no oneof for a case"),
        };
    }
    if written.len() < oneof.fields().len() {
        written.insert("_".to_owned(), Json::Null);
    }
    json!({ "of": format!("{of}.{} as {local}", oneof.name()), "cases": written })
}

/// What the shape makes of the message.
pub fn expected(parts: &[Part], message: &DynamicMessage) -> Json {
    let mut members = Map::new();
    for part in parts {
        let (name, value) = match part {
            Part::Leaf(field) => (field.name(), leaf(field, message)),
            Part::Within(field, within) => (field.name(), inside(field, within, message)),
            Part::Union(oneof, cases) => (oneof.name(), chosen(cases, message)),
        };
        members.insert(name.to_owned(), value);
    }
    Json::Object(members)
}

fn chosen(cases: &[Part], message: &DynamicMessage) -> Json {
    for case in cases {
        let (field, members) = match case {
            Part::Leaf(field) if message.has_field(field) => (field, json!({ "value": leaf(field, message) })),
            Part::Within(field, within) if message.has_field(field) => (field, inside(field, within, message)),
            _ => continue,
        };
        let mut tagged = json!({ "type": camel_case(field.name()) });
        let members = members.as_object().unwrap();
        members.iter().for_each(|(name, value)| tagged[name] = value.clone());
        return tagged;
    }
    Json::Null
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| camel + &word[..1].to_uppercase() + &word[1..])
}

fn inside(field: &FieldDescriptor, within: &[Part], message: &DynamicMessage) -> Json {
    if field.supports_presence() && !message.has_field(field) {
        return Json::Null;
    }
    let of = |value: &Value| expected(within, value.as_message().unwrap());
    match message.get_field(field).as_ref() {
        Value::List(items) => items.iter().map(of).collect(),
        Value::Map(entries) => {
            let mut entries: Vec<(&MapKey, &Value)> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| (*key).clone());
            entries.into_iter().map(|(key, value)| json!({ "key": written_key(key), "value": of(value) })).collect()
        }
        value => of(value),
    }
}

fn written_key(key: &MapKey) -> Json {
    match key {
        MapKey::Bool(value) => json!(value),
        MapKey::I32(value) => json!(value),
        MapKey::U32(value) => json!(value),
        MapKey::I64(value) => json!(value.to_string()),
        MapKey::U64(value) => json!(value.to_string()),
        MapKey::String(value) => json!(value),
    }
}

/// The canonical JSON of one field; null where it is absent.
fn leaf(field: &FieldDescriptor, message: &DynamicMessage) -> Json {
    if field.supports_presence() && !message.has_field(field) {
        return Json::Null;
    }
    // Alone, so that what others hold does not matter.
    let mut alone = DynamicMessage::new(message.descriptor());
    alone.set_field(field, message.get_field(field).into_owned());
    let mut text = serde_json::Serializer::new(Vec::new());
    // Defaults are written of what the view reads, not of what an `Any` holds.
    let options = SerializeOptions::new().skip_default_fields(alone.has_field(field));
    alone.serialize_with_options(&mut text, &options).expect("it can be written");
    let canonical: Json = serde_json::from_slice(&text.into_inner()).unwrap();
    let canonical = canonical[field.json_name()].clone();
    match value_kind(field) {
        Kind::Enum(names) => adapted(canonical, &|value| enum_name(&names, &value)),
        _ => canonical,
    }
}

/// The value, or each value of the list or map.
fn adapted(value: Json, adapt: &dyn Fn(Json) -> Json) -> Json {
    match value {
        Json::Array(items) => items.into_iter().map(adapt).collect(),
        Json::Object(members) => members.into_iter().map(|(key, value)| (key, adapt(value))).collect(),
        value => adapt(value),
    }
}

fn enum_name(names: &EnumDescriptor, value: &Json) -> Json {
    match value.as_str() {
        Some(name) if names.name() == "Kind" => json!(name.strip_prefix("KIND_").unwrap()),
        Some(name) => json!(name),
        None => json!("UNRECOGNIZED"),
    }
}

/// With each number in one form: `1.0` is `1`. None here needs more than the 53 bits of a float.
pub fn whole_numbers(value: Json) -> Json {
    match value {
        Json::Number(number) => serde_json::from_str(&compact(number.as_f64().unwrap())).unwrap(),
        Json::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Json::Object(members) => members.into_iter().map(|(key, value)| (key, whole_numbers(value))).collect(),
        value => value,
    }
}

fn compact(value: f64) -> String {
    let mut text = Vec::new();
    compose::write::float(&mut text, value).unwrap();
    String::from_utf8(text).unwrap()
}
