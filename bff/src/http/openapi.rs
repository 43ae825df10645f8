//! `GET /openapi.json`: what this server answers, described by what answers it.
//!
//! Built-in routes are annotated where they stand; a view's operation follows from its typed plan.

mod operation;
mod refusal;
mod schema;

pub use refusal::Refuses;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::static_file::StaticFile;
use super::{account, admin, health, problem, session_cookie};
use crate::identity::{Deployment, Identity};
use crate::views::Views;

/// Answered however often it is asked for.
const HEALTH: &str = "/healthz";

/// The whole document, OpenAPI 3.1; the same views always give the same text.
pub fn document(views: &Views, callers: &Callers) -> Value {
    let (mut paths, mut schemas) = built_in(callers);
    for (name, schema) in operation::schemas_of_parts() {
        schemas[name] = schema;
    }
    for view in views.iter() {
        let plan = view.plan();
        let path = paths.entry(plan.path.as_str()).or_insert_with(|| json!({}));
        path[plan.method.to_lowercase()] = operation::of(plan, callers.accounts);
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Backend for frontend", "version": env!("CARGO_PKG_VERSION") },
        "servers": [{ "url": "/" }],
        "tags": tags(&paths),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": refusal::responses(),
            "headers": { "bff-partial": operation::partial_header() },
            "securitySchemes": callers.schemes(),
        },
    })
}

/// How callers show who they are.
pub struct Callers {
    cookie: &'static str,
    accounts: bool,
    issuers: Vec<String>,
}

impl Callers {
    pub fn of(identity: &Identity) -> Self {
        let issuers = identity.issuers().map(str::to_owned).collect();
        Self::new(identity.deployment(), identity.has_accounts(), issuers)
    }

    pub fn new(deployment: &Deployment, accounts: bool, issuers: Vec<String>) -> Self {
        Self { cookie: session_cookie::name(deployment), accounts, issuers }
    }

    fn schemes(&self) -> Value {
        let login = self.accounts.then(|| "the `accessToken` of a login".to_owned());
        let issuers = self.issuers.iter().map(|issuer| format!("an access token of {issuer}"));
        let words: Vec<String> = login.into_iter().chain(issuers).collect();
        let description = format!("A JWT: {}.", words.join(", or "));
        let bearer = json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": description });
        let cookie = json!({
            "type": "apiKey",
            "in": "cookie",
            "name": self.cookie,
            "description": "Set by a login with `session: \"cookie\"`. Any answer may set a new one: when the account has another role.",
        });
        if self.accounts { json!({ "bearer": bearer, "cookie": cookie }) } else { json!({ "bearer": bearer }) }
    }
}

/// The document as it is served.
pub fn file(document: &Value) -> StaticFile {
    StaticFile::new("application/json", document.to_string().into())
}

#[utoipa::path(
    get, path = "/openapi.json", tag = "server", operation_id = "openapi",
    responses(
        (status = 200, description = "This document.", body = Object),
        (status = 304, description = "Nothing new.")
    )
)]
pub async fn openapi(State(file): State<Arc<StaticFile>>, headers: HeaderMap) -> Response {
    file.answer(&headers)
}

#[derive(OpenApi)]
#[openapi(paths(openapi, health::alive), components(schemas(problem::Body)))]
struct BuiltIn;

/// The paths of the built-in routes, and the schemas they refer to.
fn built_in(callers: &Callers) -> (Map<String, Value>, Value) {
    let described = account::Description::openapi().merge_from(admin::Description::openapi());
    let described = described.merge_from(BuiltIn::openapi());
    let described = serde_json::to_value(described).expect("the keys of a description are texts");
    let Value::Object(paths) = &described["paths"] else { return (Map::new(), Value::Null) };
    let operations = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().into_iter().flatten();
        let complete =
            |described| if path == HEALTH { refusal::unlimited(described) } else { refusal::complete(described) };
        let methods = methods.map(|(method, described)| (method.clone(), complete(described.clone())));
        (path.clone(), Value::Object(methods.collect()))
    };
    let of_accounts = |path: &str| path.starts_with("/v1/auth/") || path.starts_with("/v1/admin/users");
    let there = |(path, _): &(&String, &Value)| callers.accounts || !of_accounts(path);
    (paths.iter().filter(there).map(operations).collect(), described["components"]["schemas"].clone())
}

/// Each tag once, in the order in which operations first name it.
fn tags(paths: &Map<String, Value>) -> Vec<Value> {
    let operations = paths.values().filter_map(Value::as_object).flat_map(Map::values);
    let mut names: Vec<&Value> = Vec::new();
    for name in operations.filter_map(|operation| operation["tags"].as_array()).flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| json!({ "name": name })).collect()
}
