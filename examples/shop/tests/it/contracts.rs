//! What the HTTP upstreams answer is what their OpenAPI documents promise.

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;
use shop::{account, catalog, profiles};

use crate::harness::Shop;

/// Everything in which `value` differs from `schema`: enough of JSON Schema for these two documents.
fn differences(document: &Yaml, schema: &Yaml, value: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = text(schema, "$ref") {
        let mut target = document;
        for part in reference.trim_start_matches("#/").split('/') {
            target = target.as_mapping_get(part).unwrap();
        }
        return differences(document, target, value, at);
    }
    let types = types(schema);
    if !types.iter().any(|name| is_a(name, value)) {
        return vec![format!("{at}: {value} is not {types:?}")];
    }
    match value {
        Value::Object(fields) => {
            let properties = schema.as_mapping_get("properties");
            let rest = schema.as_mapping_get("additionalProperties");
            let required = schema.as_mapping_get("required").and_then(Yaml::as_sequence);
            let absent = required
                .into_iter()
                .flatten()
                .filter_map(Yaml::as_str)
                .filter(|name| !fields.contains_key(*name))
                .map(|name| format!("{at}/{name} is absent"));
            let wrong = fields.iter().flat_map(|(name, value)| {
                let at = format!("{at}/{name}");
                match properties.and_then(|known| known.as_mapping_get(name)).or(rest) {
                    Some(schema) => differences(document, schema, value, &at),
                    None => vec![format!("{at} is not in the contract")],
                }
            });
            absent.chain(wrong).collect()
        }
        Value::Array(items) => {
            let schema = schema.as_mapping_get("items").unwrap();
            let items = items.iter().enumerate();
            items.flat_map(|(i, item)| differences(document, schema, item, &format!("{at}/{i}"))).collect()
        }
        _ => Vec::new(),
    }
}

/// OpenAPI 3.0 writes a nullable type as `nullable: true`, 3.1 as a list.
fn types<'a>(schema: &'a Yaml) -> Vec<&'a str> {
    let mut types: Vec<&str> = match schema.as_mapping_get("type").unwrap() {
        Yaml::Sequence(names) => names.iter().filter_map(Yaml::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    if schema.as_mapping_get("nullable").and_then(Yaml::as_bool) == Some(true) {
        types.push("null");
    }
    types
}

fn is_a(type_name: &str, value: &Value) -> bool {
    match type_name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}

fn text<'a>(node: &'a Yaml, key: &str) -> Option<&'a str> {
    node.as_mapping_get(key).and_then(Yaml::as_str)
}

async fn check(part: &str, contract: &str, schema: &str, path: &str) {
    let documents = Yaml::load_from_str(contract).unwrap();
    let schemas = documents[0].as_mapping_get("components").unwrap().as_mapping_get("schemas").unwrap();
    let answer = Shop::start().await.get(part, path).await.json();
    let found = differences(&documents[0], schemas.as_mapping_get(schema).unwrap(), &answer, path);
    assert_eq!(found, [""; 0]);
}

#[tokio::test]
async fn profiles_keeps_its_contract() {
    let everybody = [account::USER, account::OPERATOR, account::AUDITOR, account::ADMIN].join(",");
    let someone = "0197a1c2-5b7e-7c11-9d3a-2f6f1c0b4e88";
    check("profiles", profiles::CONTRACT, "ProfileList", &format!("/profiles?ids={everybody},{someone}")).await;
    check("profiles", profiles::CONTRACT, "Profile", &format!("/profiles/{someone}")).await;
    check("profiles", profiles::CONTRACT, "Problem", "/profiles/nobody").await;
}

#[tokio::test]
async fn catalog_keeps_its_contract() {
    check("catalog", catalog::CONTRACT, "ProductList", "/products").await;
    check("catalog", catalog::CONTRACT, "Product", "/products/p1").await;
    check("catalog", catalog::CONTRACT, "Problem", "/products/p21").await;
    check("catalog", catalog::CONTRACT, "Problem", "/products?limit=0").await;
}

#[tokio::test]
async fn each_serves_its_own_contract() {
    let shop = Shop::start().await;
    assert_eq!(shop.get("profiles", "/openapi.yaml").await.text, profiles::CONTRACT);
    assert_eq!(shop.get("catalog", "/openapi.yaml").await.text, catalog::CONTRACT);
}
