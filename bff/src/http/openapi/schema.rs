//! The types of parameters, bodies and answers as JSON Schema.

use serde_json::{Map, Value, json};

use crate::views::expr::Code;
use crate::views::plan::{Case, Format, Param, Shape};
use crate::views::schema::{Enum, Kind, Type};
use crate::views::tape::{self, JsonRead};

/// Of an answer, or of one event.
pub(super) fn of_shape(shape: &Shape) -> Value {
    match shape {
        Shape::Value { ty, format, .. } => written(ty, format),
        Shape::Object(members) => {
            object(members.iter().map(|m| (m.name.as_str(), of_shape(&m.shape), !m.may_be_absent())))
        }
        Shape::List { item, nullable, .. } => or_null(list(of_shape(item)), *nullable),
        Shape::Union { cases, nullable } => union(cases, *nullable),
        Shape::Of { item, nullable, .. } => or_null(of_shape(item), *nullable),
        Shape::Let { item, .. } => of_shape(item),
    }
}

/// One of its cases, told apart by `type` where each of them says it.
fn union(cases: &[Case], nullable: bool) -> Value {
    let mut schemas: Vec<Value> = cases.iter().map(of_case).collect();
    if nullable {
        schemas.push(json!({ "type": "null" }));
    }
    let mut schema = json!({ "oneOf": schemas });
    if !nullable && cases.iter().all(|case| case.tagged) {
        schema["discriminator"] = json!({ "propertyName": "type" });
    }
    schema
}

fn of_case(case: &Case) -> Value {
    let mut schema = of_shape(&case.item);
    if case.tagged {
        schema["properties"]["type"] = json!({ "type": "string", "const": case.name });
    }
    schema
}

/// Of a body, whose unknown members are refused.
pub(super) fn of_body(value: &tape::Value) -> Value {
    or_null(read(&value.read), value.nullable)
}

pub(super) fn of_parameter(param: &Param) -> Value {
    let mut schema = given(&param.kind);
    let (least, most) = match param.kind {
        Kind::String => ("minLength", "maxLength"),
        Kind::List(_) => ("minItems", "maxItems"),
        _ => ("minimum", "maximum"),
    };
    for (name, bound) in [(least, param.min), (most, param.max)] {
        if let Some(bound) = bound {
            schema[name] = json!(bound);
        }
    }
    if let Some(default) = default(param) {
        schema["default"] = default;
    }
    schema
}

/// As the text of a parameter gives it.
fn given(kind: &Kind) -> Value {
    match kind {
        Kind::Int64 => json!({ "type": "integer", "format": "int64" }),
        Kind::Uint64 => json!({ "type": "integer", "format": "uint64", "minimum": 0 }),
        Kind::Enum(names) => json!({ "type": "string", "enum": distinct(names) }),
        Kind::List(item) => list(given(&item.kind)),
        kind => scalar(kind),
    }
}

fn default(param: &Param) -> Option<Value> {
    match (&param.default, &param.kind) {
        (Code::Int(number), Kind::Enum(names)) => Some(json!(names.name_of(i32::try_from(*number).ok()?))),
        (Code::Int(number), _) => Some(json!(number)),
        (Code::Float(number), _) => Some(json!(number)),
        (Code::Bool(given), _) => Some(json!(given)),
        (Code::Text(text), _) => Some(json!(text.as_ref())),
        _ => None,
    }
}

/// As the engine writes it.
fn written(ty: &Type, format: &Format) -> Value {
    let (inner, is_number) = match format {
        Format::List(inner) | Format::Map(inner) => (&**inner, false),
        format => (format, matches!(format, Format::Plain)),
    };
    let schema = match &ty.kind {
        Kind::Int64 if is_number => given(&Kind::Int64),
        Kind::Uint64 if is_number => given(&Kind::Uint64),
        Kind::Int64 => json!({ "type": "string", "format": "int64", "pattern": INTEGER }),
        Kind::Uint64 => json!({ "type": "string", "format": "uint64", "pattern": INTEGER }),
        Kind::Enum(names) => json!({ "type": "string", "enum": open(names) }),
        Kind::List(item) => list(written(item, inner)),
        Kind::Map(map) => json!({ "type": "object", "additionalProperties": written(&map.value, inner) }),
        kind => scalar(kind),
    };
    or_null(schema, ty.nullable)
}

/// As a body may give it.
fn read(read: &JsonRead) -> Value {
    match read {
        JsonRead::Bool => scalar(&Kind::Bool),
        JsonRead::Integer { min, max } => integer(*min, *max),
        JsonRead::Number | JsonRead::Float => json!({ "type": "number" }),
        JsonRead::String => scalar(&Kind::String),
        JsonRead::Bytes => scalar(&Kind::Bytes),
        JsonRead::Timestamp => scalar(&Kind::Timestamp),
        JsonRead::Duration => scalar(&Kind::Duration),
        JsonRead::Date => scalar(&Kind::Date),
        JsonRead::Decimal => scalar(&Kind::Decimal),
        JsonRead::Enum(names) => json!({ "type": "string", "enum": distinct(names) }),
        JsonRead::Money => closed(scalar(&Kind::Money)),
        JsonRead::Object(layout) => {
            let members = layout.members.iter();
            closed(object(members.map(|member| (member.name.as_str(), of_body(&member.value), member.required))))
        }
        JsonRead::List(item) => list(of_body(item)),
        JsonRead::Map { value, .. } => json!({ "type": "object", "additionalProperties": of_body(value) }),
        JsonRead::Union(union) => of_union(union),
        JsonRead::Any => json!({}),
    }
}

/// One object for each case, with the member that names it.
fn of_union(union: &tape::Tagged) -> Value {
    let cases = union.cases.iter().filter_map(|case| Some((&case.name, &case.used.as_ref()?.1)));
    let cases: Vec<Value> = cases
        .map(|(name, value)| {
            let mut case = of_body(value);
            case["properties"][&union.tag] = json!({ "type": "string", "enum": [name] });
            let required = case["required"].as_array_mut();
            if let Some(required) = required.filter(|names| !names.iter().any(|n| *n == json!(union.tag))) {
                required.push(json!(union.tag));
            }
            case
        })
        .collect();
    json!({ "oneOf": cases, "discriminator": { "propertyName": union.tag } })
}

const INTEGER: &str = "^-?[0-9]+$";
const AMOUNT: &str = r"^-?[0-9]+(\.[0-9]+)?$";
const SECONDS: &str = r"^-?[0-9]+(\.[0-9]+)?s$";

fn scalar(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int32 => json!({ "type": "integer", "format": "int32" }),
        Kind::Uint32 => json!({ "type": "integer", "format": "uint32", "minimum": 0 }),
        Kind::Float => json!({ "type": "number", "format": "float" }),
        Kind::Double => json!({ "type": "number", "format": "double" }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Timestamp => json!({ "type": "string", "format": "date-time" }),
        Kind::Duration => json!({ "type": "string", "pattern": SECONDS }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Decimal => json!({ "type": "string", "format": "decimal" }),
        Kind::Money => {
            let amount = json!({ "type": "string", "pattern": AMOUNT });
            object([("amount", amount, true), ("currency", json!({ "type": "string" }), true)].into_iter())
        }
        _ => json!({}),
    }
}

/// Integers beyond 32 bits may also come as texts.
fn integer(min: i64, max: u64) -> Value {
    match (min, max) {
        (i64::MIN, _) => json!({ "type": ["integer", "string"], "format": "int64", "pattern": INTEGER }),
        (0, u64::MAX) => json!({ "type": ["integer", "string"], "format": "uint64", "minimum": 0, "pattern": INTEGER }),
        (0, _) => scalar(&Kind::Uint32),
        _ => scalar(&Kind::Int32),
    }
}

fn list(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

/// Members with their names, in order, and whether they must be there.
fn object<'a>(members: impl Iterator<Item = (&'a str, Value, bool)>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, schema, is_required) in members {
        properties.insert(name.to_owned(), schema);
        required.extend(is_required.then_some(name));
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

fn closed(object: Value) -> Value {
    let mut object = object;
    object["additionalProperties"] = json!(false);
    object
}

fn distinct(names: &Enum) -> Vec<&str> {
    let mut distinct: Vec<&str> = Vec::new();
    for (_, name) in &names.values {
        if !distinct.contains(&name.as_str()) {
            distinct.push(name);
        }
    }
    distinct
}

/// A service may know more names than its contract did.
fn open(names: &Enum) -> Vec<&str> {
    let known = distinct(names);
    let unknown = (!known.contains(&UNRECOGNIZED)).then_some(UNRECOGNIZED);
    known.into_iter().chain(unknown).collect()
}

const UNRECOGNIZED: &str = "UNRECOGNIZED";

/// The schema, or null too; one that says nothing admits null already.
fn or_null(schema: Value, nullable: bool) -> Value {
    let mut schema = schema;
    if !nullable {
        return schema;
    }
    match schema.get("type").cloned() {
        Some(Value::String(kind)) => schema["type"] = json!([kind, "null"]),
        Some(Value::Array(kinds)) if !kinds.contains(&json!("null")) => {
            schema["type"] = kinds.into_iter().chain([json!("null")]).collect();
        }
        _ => {}
    }
    if let Some(Value::Array(names)) = schema.get_mut("enum") {
        names.push(Value::Null);
    }
    schema
}
