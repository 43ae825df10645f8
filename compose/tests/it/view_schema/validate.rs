//! JSON Schema, as far as the schema of view files uses it. An unknown keyword is a failure of the test.

use regex::Regex;
use serde_json::{Map, Value};

const ANNOTATIONS: [&str; 6] = ["$schema", "$defs", "title", "description", "examples", "default"];

/// What of the value is against the schema, as JSON pointers with the keyword.
pub fn violations(value: &Value, root: &Value) -> Vec<String> {
    check(value, root, root, "")
}

fn check(value: &Value, schema: &Value, root: &Value, at: &str) -> Vec<String> {
    let schema = schema.as_object().expect("a schema is an object");
    schema.iter().flat_map(|(keyword, says)| keyword_says(keyword, says, schema, value, root, at)).collect()
}

fn keyword_says(
    keyword: &str,
    says: &Value,
    schema: &Map<String, Value>,
    value: &Value,
    root: &Value,
    at: &str,
) -> Vec<String> {
    let holds = |schema: &Value| check(value, schema, root, at).is_empty();
    let within = |inner: &Value, schema: &Value, name: &str| check(inner, schema, root, &format!("{at}/{name}"));
    let members = || value.as_object().into_iter().flatten();
    let holds_here = match keyword {
        "$ref" => {
            let target =
                root.pointer(says.as_str().unwrap().trim_start_matches('#')).expect("a reference leads somewhere");
            return check(value, target, root, at);
        }
        "properties" => {
            let known = members().filter_map(|(name, inner)| Some((name, inner, says.get(name)?)));
            return known.flat_map(|(name, inner, schema)| within(inner, schema, name)).collect();
        }
        "patternProperties" => {
            let matched = |name: &str| says.as_object().unwrap().iter().find(|(p, _)| matches(p, name)).map(|(_, s)| s);
            let known = members().filter_map(|(name, inner)| Some((name, inner, matched(name)?)));
            return known.flat_map(|(name, inner, schema)| within(inner, schema, name)).collect();
        }
        "additionalProperties" => {
            let others = members().filter(|(name, _)| !is_named(schema, name));
            if says.is_boolean() {
                return others.map(|(name, _)| format!("{at}/{name} is not known")).collect();
            }
            return others.flat_map(|(name, inner)| within(inner, says, name)).collect();
        }
        "propertyNames" => members().all(|(name, _)| check(&Value::from(name.as_str()), says, root, at).is_empty()),
        "items" => {
            let items = value.as_array().into_iter().flatten().enumerate();
            return items.flat_map(|(i, item)| within(item, says, &i.to_string())).collect();
        }
        "if" => {
            let then = schema.get(if holds(says) { "then" } else { "else" });
            return then.map(|then| check(value, then, root, at)).unwrap_or_default();
        }
        "then" | "else" => true,
        "anyOf" => says.as_array().unwrap().iter().any(holds),
        "oneOf" => says.as_array().unwrap().iter().filter(|schema| holds(schema)).count() == 1,
        "type" => match says {
            Value::Array(types) => types.iter().any(|ty| is_of(value, ty.as_str().unwrap())),
            ty => is_of(value, ty.as_str().unwrap()),
        },
        "enum" => says.as_array().unwrap().contains(value),
        "const" => says == value,
        "pattern" => value.as_str().is_none_or(|text| matches(says.as_str().unwrap(), text)),
        "required" => says
            .as_array()
            .unwrap()
            .iter()
            .all(|name| value.as_object().is_none_or(|members| members.contains_key(name.as_str().unwrap()))),
        "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= says.as_u64().unwrap()),
        "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= says.as_u64().unwrap()),
        "minProperties" => value.as_object().is_none_or(|members| members.len() as u64 >= says.as_u64().unwrap()),
        "maxProperties" => value.as_object().is_none_or(|members| members.len() as u64 <= says.as_u64().unwrap()),
        "minimum" => value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= says.as_f64().unwrap()),
        annotation => {
            assert!(ANNOTATIONS.contains(&annotation), "the schema uses `{annotation}`");
            true
        }
    };
    if holds_here { Vec::new() } else { vec![format!("{at}: {keyword} {says}")] }
}

fn is_named(schema: &Map<String, Value>, name: &str) -> bool {
    let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    schema.get("properties").is_some_and(|p| p.get(name).is_some())
        || patterns.into_iter().any(|(pattern, _)| matches(pattern, name))
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap().is_match(text)
}

fn is_of(value: &Value, ty: &str) -> bool {
    match ty {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the schema has the type `{other}`"),
    }
}
