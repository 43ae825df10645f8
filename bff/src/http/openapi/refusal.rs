//! The problems an operation may answer with: one shared response per status.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::{Ref, RefOr, Response};

use crate::http::{FieldError, Location, Problem};

/// For annotations: the operation may answer with the problem of this status.
pub struct Refuses<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for Refuses<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([(STATUS.to_string(), RefOr::Ref(Ref::new(location(name(STATUS)))))])
    }
}

/// What any operation may answer: too many requests from one address, and what nobody foresees.
const ALWAYS: [(&str, &str); 2] = [("429", "too-many-requests"), ("default", ANY)];
const ANY: &str = "problem";
const STATUSES: [u16; 16] = [400, 401, 403, 404, 408, 409, 412, 413, 415, 416, 422, 426, 429, 502, 503, 504];

/// The operation's responses with the problems of these statuses.
pub(super) fn with(responses: Map<String, Value>, statuses: impl Iterator<Item = u16>) -> Value {
    let stated = statuses.map(|status| (status.to_string(), reference(name(status))));
    let always = ALWAYS.map(|(status, name)| (status.to_owned(), reference(name)));
    let mut all: Map<String, Value> = responses.into_iter().chain(stated).chain(always).collect();
    all.sort_keys();
    Value::Object(all)
}

/// An annotated operation with the problems that any may answer with.
pub(super) fn complete(operation: Value) -> Value {
    let Value::Object(mut operation) = operation else { return operation };
    if let Some(Value::Object(responses)) = operation.get_mut("responses").map(Value::take) {
        operation.insert("responses".to_owned(), with(responses, std::iter::empty()));
    }
    Value::Object(operation)
}

/// The same for what no limit counts.
pub(super) fn unlimited(operation: Value) -> Value {
    let mut operation = complete(operation);
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.remove(ALWAYS[0].0);
    }
    operation
}

/// Others are described as `default` alone.
pub(super) fn is_described(status: u16) -> bool {
    STATUSES.contains(&status)
}

/// The shared responses, by the code of their problem.
pub(super) fn responses() -> Map<String, Value> {
    let any = (ANY.to_owned(), response("Any other problem.", &Problem::internal()));
    STATUSES.iter().map(|status| (name(*status).to_owned(), described(*status))).chain([any]).collect()
}

fn described(status: u16) -> Value {
    let problem = example(status);
    let retry_after = ("Retry-After", json!({ "schema": { "type": "integer", "minimum": 1 } }));
    let headers = match status {
        401 => vec![("WWW-Authenticate", json!({ "schema": { "type": "string", "const": "Bearer" } }))],
        429 => vec![
            retry_after,
            limit("RateLimit-Policy", "\"caller\";q=1200;w=60"),
            limit("RateLimit", "\"caller\";r=0;t=60"),
        ],
        409 | 503 => vec![retry_after],
        _ => Vec::new(),
    };
    let mut described = response(&format!("{}.", problem.title()), &problem);
    for (name, header) in headers {
        described["headers"][name] = header;
    }
    described
}

/// As draft-ietf-httpapi-ratelimit-headers-10 has it; successes carry both too, wherever a limit counts.
fn limit(name: &'static str, example: &str) -> (&'static str, Value) {
    (name, json!({ "schema": { "type": "string" }, "example": example }))
}

fn response(description: &str, problem: &Problem) -> Value {
    let example: Value = serde_json::from_str(&problem.text()).unwrap_or_default();
    let content = json!({ "schema": { "$ref": "#/components/schemas/Problem" }, "example": example });
    json!({ "description": description, "content": { "application/problem+json": content } })
}

fn example(status: u16) -> Problem {
    match status {
        400 => Problem::invalid(vec![FieldError {
            location: Location::Pointer("/name".to_owned()),
            code: "missing".to_owned(),
            message: "is required".to_owned(),
        }]),
        _ => general(status),
    }
}

fn general(status: u16) -> Problem {
    Problem::new(StatusCode::from_u16(status).unwrap_or_default())
}

fn name(status: u16) -> &'static str {
    general(status).name()
}

fn reference(name: &str) -> Value {
    json!({ "$ref": location(name) })
}

fn location(name: &str) -> String {
    format!("#/components/responses/{name}")
}
