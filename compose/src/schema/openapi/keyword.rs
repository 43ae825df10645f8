//! What single keywords of a JSON schema say, without following references.

use crate::problem::{ErrorCode, Problem};
use crate::schema::{Kind, Limits};
use crate::yaml::{self, Node};

const TYPES: [&str; 7] = ["object", "array", "string", "integer", "number", "boolean", "null"];

/// The keywords of which one makes a schema more than a remark on another one.
const SHAPING: [&str; 10] =
    ["$ref", "type", "properties", "items", "enum", "const", "allOf", "oneOf", "anyOf", "additionalProperties"];

pub fn is_shaped(schema: &Node) -> bool {
    schema.as_bool() == Some(true) || has_any(schema, &SHAPING)
}

pub fn has_any(schema: &Node, keywords: &[&str]) -> bool {
    keywords.iter().any(|k| schema.get(k).is_some())
}

pub fn flag(schema: &Node, keyword: &str) -> bool {
    schema.get(keyword).and_then(Node::as_bool) == Some(true)
}

pub fn limits(schema: &Node) -> Limits {
    let number = |keyword: &str| schema.get(keyword).and_then(Node::text)?.parse().ok();
    let either = |keywords: [&str; 3]| keywords.into_iter().find_map(number);
    Limits {
        min: either(["minimum", "minLength", "minItems"]),
        max: either(["maximum", "maxLength", "maxItems"]),
        default: number("default"),
    }
}

/// The shaping alternatives of `oneOf` and `anyOf`; those that only demand properties are left out.
pub fn alternatives(schema: &Node) -> Vec<&Node> {
    let lists = ["oneOf", "anyOf"].into_iter().filter_map(|k| schema.get(k)?.list());
    lists.flatten().filter(|s| is_shaped(s)).collect()
}

/// The members of `allOf` that add something.
pub fn all_of(schema: &Node) -> Vec<&Node> {
    let members = schema.get("allOf").and_then(Node::list).unwrap_or_default();
    members.iter().filter(|s| is_shaped(s) || s.get("required").is_some()).collect()
}

/// The value of `type`, without `null`: 3.1 allows a list.
pub fn type_names(schema: &Node) -> Vec<&str> {
    all_type_names(schema).into_iter().filter(|t| *t != "null").collect()
}

/// 3.0 says `nullable: true`; 3.1 names the type `null`; an enumeration may list it.
pub fn allows_null(schema: &Node) -> bool {
    flag(schema, "nullable") || all_type_names(schema).contains(&"null") || enumerated(schema).iter().any(Node::is_null)
}

/// Allows nothing but null.
pub fn is_only_null(schema: &Node) -> bool {
    let named = schema.get("type").is_some() && all_type_names(schema).iter().all(|t| *t == "null");
    let listed = !enumerated(schema).is_empty() && enumerated(schema).iter().all(Node::is_null);
    named || listed
}

/// The texts of `enum` or `const`, in order and each once; none where some value is no text.
pub fn enum_names(schema: &Node) -> Vec<String> {
    let typed = type_names(schema) == ["string"];
    let mut names: Vec<String> = Vec::new();
    for value in enumerated(schema).iter().filter(|v| !v.is_null()) {
        match &value.kind {
            yaml::Kind::Scalar { text, plain } if typed || !plain || is_word(text) => {
                if !names.contains(text) {
                    names.push(text.clone());
                }
            }
            _ => return Vec::new(),
        }
    }
    names
}

pub fn string(schema: &Node) -> Kind {
    match format(schema) {
        "date-time" => Kind::Timestamp,
        "date" => Kind::Date,
        "byte" => Kind::Bytes,
        "decimal" => Kind::Decimal,
        _ if schema.get("contentEncoding").and_then(Node::text) == Some("base64") => Kind::Bytes,
        _ => Kind::String,
    }
}

pub fn integer(schema: &Node) -> Kind {
    match format(schema) {
        "int8" | "int16" | "int32" | "uint8" | "uint16" => Kind::Int32,
        "uint32" => Kind::Uint32,
        "uint64" => Kind::Uint64,
        _ => Kind::Int64,
    }
}

pub fn number(schema: &Node) -> Kind {
    if format(schema) == "float" { Kind::Float } else { Kind::Double }
}

pub fn unknown_type(schema: &Node, name: &str) -> Problem {
    let place = schema.get("type").map_or(&schema.place, |t| &t.place);
    Problem::new(ErrorCode::Contract, place, format!("`{name}` is not a type of JSON schemas")).suggest(name, TYPES)
}

fn format(schema: &Node) -> &str {
    schema.get("format").and_then(Node::text).unwrap_or_default()
}

fn all_type_names(schema: &Node) -> Vec<&str> {
    schema.get("type").map_or(&[][..], one_or_more).iter().filter_map(Node::text).collect()
}

fn enumerated(schema: &Node) -> &[Node] {
    match (schema.get("enum"), schema.get("const")) {
        (Some(values), _) => values.list().unwrap_or_default(),
        (None, Some(value)) => std::slice::from_ref(value),
        (None, None) => &[],
    }
}

fn one_or_more(node: &Node) -> &[Node] {
    node.list().unwrap_or(std::slice::from_ref(node))
}

/// Not a number or a boolean, where YAML has no quotes to tell.
fn is_word(text: &str) -> bool {
    text.parse::<f64>().is_err() && text.parse::<bool>().is_err()
}
