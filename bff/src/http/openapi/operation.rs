//! A view as an operation.

use serde_json::{Map, Value, json};

use super::{refusal, schema};
use crate::views::plan::{Param, Plan, Proxy, Shape, Then};
use crate::views::{ParamLocation, VARIANT, VARIANT_HEADER};

pub(super) fn of(plan: &Plan, has_cookies: bool) -> Value {
    let mut operation = json!({
        "operationId": plan.name,
        "tags": [tag(&plan.path)],
        "description": format!("For: {}.", plan.access.join(", ")),
        "security": security(plan, has_cookies),
    });
    let key = plan.idempotency.then(idempotency_key);
    let names: Vec<&str> = plan.variants.iter().filter_map(|plan| plan.variant.as_deref()).collect();
    let variants = (!names.is_empty()).then(|| variant(&names)).into_iter().flatten();
    let parameters: Vec<Value> =
        plan.params.iter().map(parameter).chain(variants).chain(key).chain(conditions(plan)).collect();
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = &plan.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": schema::of_body(body) } },
        });
    }
    if let Some(proxy) = plan.proxy.as_ref().filter(|proxy| proxy.max_body > 0) {
        operation["requestBody"] = upload(proxy);
    }
    operation["responses"] = refusal::with(successes(plan), refusals(plan));
    operation
}

/// What answers carry where something is missing.
pub(super) fn partial_header() -> Value {
    json!({
        "description": "Present where a part of the answer is missing because a call that may fail has failed. A \
            list, separated by commas, of what is missing: a JSON pointer in quotes (`*` stands for any item of a \
            list), the `call` that failed, and the `reason`: timeout, unavailable, not-found, denied, limited, \
            malformed, dependency or error. After 32 entries `;more=` counts the rest.",
        "schema": { "type": "string" },
        "example": "\"/rewards\";call=balance;reason=timeout",
    })
}

fn is_public(plan: &Plan) -> bool {
    plan.access.iter().any(|role| role == "public")
}

/// The first part of the path that is neither a version nor a parameter.
fn security(plan: &Plan, has_cookies: bool) -> Value {
    match (is_public(plan), has_cookies) {
        (true, _) => json!([]),
        (false, true) => json!([{ "bearer": [] }, { "cookie": [] }]),
        (false, false) => json!([{ "bearer": [] }]),
    }
}

fn tag(path: &str) -> &str {
    let is_version = |part: &str| part.strip_prefix('v').is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()));
    let mut parts = path.split('/').filter(|part| !part.is_empty() && !part.starts_with('{'));
    parts.find(|part| !is_version(part)).unwrap_or("views")
}

fn parameter(param: &Param) -> Value {
    let location = match param.location {
        ParamLocation::Path => "path",
        ParamLocation::Query => "query",
        ParamLocation::Header => "header",
    };
    json!({
        "name": param.name,
        "in": location,
        "required": param.required,
        "schema": schema::of_parameter(param),
    })
}

/// The two ways to ask for a variant.
fn variant(names: &[&str]) -> [Value; 2] {
    let description = "A variant of the view, with less in it; without one the whole view is answered.";
    [("query", VARIANT), ("header", VARIANT_HEADER)].map(|(location, name)| {
        json!({
            "name": name,
            "in": location,
            "required": false,
            "description": description,
            "schema": { "type": "string", "enum": names },
        })
    })
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": true,
        "description": "A new random text for every new order of things. With the same one again the answer of the first \
            time is repeated, for 24 hours, with `idempotent-replayed: true`; with another content it is refused (422).",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
    })
}

/// With what a client asks for a part of a file, or whether there is another one.
fn conditions(plan: &Plan) -> Vec<Value> {
    let Some(proxy) = &plan.proxy else { return Vec::new() };
    if plan.method != "GET" || proxy.max_message.is_some() {
        return Vec::new();
    }
    let header = |name| json!({ "name": name, "in": "header", "required": false, "schema": { "type": "string" } });
    ["Range", "If-Range", "If-None-Match", "If-Modified-Since"].map(header).into()
}

fn upload(proxy: &Proxy) -> Value {
    let content: Map<String, Value> = proxy.types.iter().map(|ty| (ty.clone(), json!({}))).collect();
    json!({ "description": format!("At most {} bytes.", proxy.max_body), "content": content })
}

fn successes(plan: &Plan) -> Map<String, Value> {
    if let Some(proxy) = &plan.proxy {
        return handed_on(plan, proxy);
    }
    let mut responses = Map::new();
    let mut success = success(plan);
    for (name, _) in &plan.headers {
        success["headers"][name] = json!({ "schema": { "type": "string" } });
    }
    if plan.idempotency && plan.stream.is_none() {
        success["headers"]["idempotent-replayed"] = json!({
            "description": "Present where this is the answer of an earlier request with the same key.",
            "schema": { "type": "string", "const": "true" },
        });
    }
    responses.insert(plan.status.to_string(), success);
    if plan.is_tagged() {
        responses[&plan.status.to_string()]["headers"]["etag"] = json!({ "schema": { "type": "string" } });
        responses.insert("304".to_owned(), json!({ "description": "The client has it already: see If-None-Match." }));
    }
    responses
}

/// What the service answers is not known here.
fn handed_on(plan: &Plan, proxy: &Proxy) -> Map<String, Value> {
    let any = json!({ "*/*": {} });
    let described = if proxy.max_message.is_some() {
        vec![("101", json!({ "description": "A WebSocket is open." }))]
    } else if plan.method == "GET" {
        vec![
            ("200", json!({ "description": "What the service has.", "content": any })),
            ("206", json!({ "description": "The range of it that was asked for.", "content": any })),
            ("304", json!({ "description": "The client has it already." })),
        ]
    } else {
        vec![("2XX", json!({ "description": "What the service answers.", "content": any }))]
    };
    described.into_iter().map(|(status, response)| (status.to_owned(), response)).collect()
}

fn success(plan: &Plan) -> Value {
    let Some(shape) = &plan.shape else { return json!({ "description": "Done." }) };
    if plan.stream.is_some() {
        return events(shape);
    }
    let mut response = json!({
        "description": "The answer.",
        "content": { "application/json": { "schema": answers(plan, shape) } },
    });
    if plan.method == "GET" {
        response["content"]["text/event-stream"] = parts(plan);
    }
    if plan.calls.iter().any(|call| !call.paths.is_empty()) {
        response["headers"] = json!({ "bff-partial": { "$ref": "#/components/headers/bff-partial" } });
    }
    response
}

/// The view's own answer, or any of its variants', each under its name.
fn answers(plan: &Plan, shape: &Shape) -> Value {
    let whole = schema::of_shape(shape);
    if plan.variants.is_empty() {
        return whole;
    }
    let titled = |mut schema: Value, title: &str| {
        schema["title"] = json!(title);
        schema
    };
    let variants = plan
        .variants
        .iter()
        .filter_map(|variant| Some(titled(schema::of_shape(variant.shape.as_ref()?), variant.variant.as_deref()?)));
    let all: Vec<Value> = [titled(whole, &plan.name)].into_iter().chain(variants).collect();
    json!({ "anyOf": all })
}

/// OpenAPI 3.1 has no words for the data of single events, hence the extension.
fn events(shape: &Shape) -> Value {
    let problem = json!({ "$ref": "#/components/schemas/Problem" });
    json!({
        "description": "Server-sent events: the data of every `message` is JSON; an event `problem` is the last.",
        "content": {
            "text/event-stream": {
                "schema": { "type": "string" },
                "x-events": { "message": schema::of_shape(shape), "problem": problem },
            },
        },
    })
}

/// The same answer for whom would rather have events.
fn parts(plan: &Plan) -> Value {
    let path = plan.path.replace('~', "~0").replace('/', "~1");
    let answer = format!("#/paths/{path}/get/responses/{}/content/application~1json/schema", plan.status);
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    json!({
        "schema": {
            "type": "string",
            "description": "`message` is the answer as soon as all that must be there is; what comes later is null, or \
                left out. Each `patch` changes it. `partial` says what will be missing. Behind `end`, or `problem`, \
                there is nothing: close the connection.",
        },
        "x-events": {
            "message": { "$ref": answer },
            "patch": schema("JsonPatch"),
            "partial": schema("Missing"),
            "problem": schema("Problem"),
            "end": { "type": "object", "maxProperties": 0 },
        },
    })
}

/// What the events of an answer in parts are made of.
pub(super) fn schemas_of_parts() -> [(&'static str, Value); 2] {
    let text = json!({ "type": "string" });
    let patch = json!({
        "type": "array",
        "description": "RFC 6902.",
        "items": {
            "type": "object",
            "required": ["op", "path"],
            "properties": { "op": { "enum": ["add", "replace", "remove"] }, "path": text, "value": {} },
        },
    });
    let missing = json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["path", "call", "reason"],
            "description": "As `bff-partial` says it.",
            "properties": { "path": text, "call": text, "reason": text },
        },
    });
    [("JsonPatch", patch), ("Missing", missing)]
}

fn refusals(plan: &Plan) -> impl Iterator<Item = u16> {
    let must_succeed = || plan.calls.iter().chain(plan.stream_call()).filter(|call| call.is_required());
    let calls = must_succeed().next().is_some();
    let changes = must_succeed().any(|call| !call.safe);
    let (private, body) = (!is_public(plan), plan.body.is_some());
    let sends = plan.proxy.as_ref().is_some_and(|proxy| proxy.max_body > 0);
    let socket = plan.proxy.as_ref().is_some_and(|proxy| proxy.max_message.is_some());
    let through = plan.proxy.is_some();
    let (calls, changes) = (calls || through, changes || sends);
    let may_occur = [
        (400, true),
        // Where anybody may ask, a token that is no longer good is refused as well.
        (401, true),
        (403, private || calls),
        (404, calls),
        (409, changes || plan.idempotency),
        (412, changes),
        (408, sends),
        (413, body || sends),
        (415, body || sends),
        (416, through && plan.method == "GET" && !socket),
        (422, plan.idempotency && plan.proxy.is_none()),
        (426, socket),
        (502, calls),
        (503, private || calls),
        (504, calls),
    ];
    let asked_for =
        plan.calls.iter().flat_map(|call| call.on_fail.fallbacks()).filter_map(|fallback| match fallback.then {
            Then::Fail(status) => status.filter(|status| refusal::is_described(*status)),
            _ => None,
        });
    may_occur.into_iter().filter_map(|(status, occurs)| occurs.then_some(status)).chain(asked_for)
}
