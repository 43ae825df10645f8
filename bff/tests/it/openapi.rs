//! The description: complete, stable, and true to what is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bff::config::{self, Config};
use bff::identity::DEMO_PASSWORD;
use bff::upstream;
use bff::{app, http};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Server, TokenUser};

const ID: &str = "01890000-0000-7000-8000-000000000009";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn path(file: &str) -> String {
    root().join(file).display().to_string()
}

/// The example's views and contracts; nothing of it has to run to be described.
fn example(config: Config) -> Config {
    let mut config = config;
    config.views.dir = path("config/views");
    config.sources = config::load(&[root().join("config/bff.toml")], &BTreeMap::new()).unwrap().sources;
    for source in config.sources.values_mut() {
        source.protos = source.protos.as_deref().map(path);
        source.openapi = source.openapi.as_deref().map(path);
    }
    config
}

/// A server with this view alone.
async fn server(view: &str) -> Server {
    Server::start_with(|mut config| {
        std::fs::write(format!("{}/view.yaml", config.views.dir), view).unwrap();
        let protos = Some(path("proto"));
        for name in ["orders", "loyalty"] {
            let grpc = Some("http://127.0.0.1:9".to_owned());
            let source = upstream::Config { grpc, protos: protos.clone(), ..upstream::Config::default() };
            config.sources.insert(name.to_owned(), source);
        }
        config
    })
    .await
}

async fn document(server: &Server) -> Value {
    server.anonymous().get("/openapi.json").await.json()
}

/// `GET /v1/home` and so on.
fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |m| (m, path)));
    operations.map(|(method, path)| format!("{} {path}", method.to_uppercase())).collect()
}

/// What the router's source says, except the page that shows the description.
fn built_in_routes() -> Vec<String> {
    let source = std::fs::read_to_string(root().join("bff/src/http.rs")).unwrap();
    let public = source.split("pub fn admin_router").next().unwrap();
    let route = |text: &str| {
        let (path, rest) = text.trim_start().strip_prefix('"')?.split_once('"')?;
        let method = rest.trim_start_matches([',', ' ', '\n']).split('(').next()?;
        Some(format!("{} {path}", method.to_uppercase()))
    };
    public.split(".route(").skip(1).map(|text| route(text).unwrap()).collect()
}

fn view_routes() -> Vec<String> {
    let files = std::fs::read_dir(root().join("config/views")).unwrap();
    let paths = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let texts: Vec<String> = paths.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let routes = texts.iter().flat_map(|text| text.lines().filter_map(|line| line.strip_prefix("route: ")));
    routes.map(|route| route.split('#').next().unwrap().trim().to_owned()).collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let server = Server::start_with(example).await;
    let (built_in, views) = (built_in_routes(), view_routes());
    assert!(built_in.len() >= 7 && views.len() >= 10, "{built_in:?} {views:?}");
    let routes: BTreeSet<String> = built_in.into_iter().chain(views).collect();
    assert_eq!(operations(&document(&server).await), routes);
}

#[tokio::test]
async fn every_name_is_unique_and_every_reference_leads_somewhere() {
    let server = Server::start_with(example).await;
    let document = document(&server).await;
    let mut names = BTreeSet::new();
    for operation in document["paths"].as_object().unwrap().values().flat_map(|m| m.as_object().unwrap().values()) {
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{} twice", operation["operationId"]);
    }
    let text = document.to_string();
    let references: BTreeSet<&str> =
        text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(references.contains("/components/schemas/Problem"));
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn what_is_handed_on_is_described_as_far_as_it_is_known() {
    let document = document(&Server::start_with(example).await).await;
    let avatar = &document["paths"]["/v1/avatar"]["put"];
    let body = &avatar["requestBody"];
    assert!(body["content"]["image/png"].is_object(), "{body}");
    assert!(body["description"].as_str().unwrap().starts_with("At most "), "{body}");
    let gets = document["paths"].as_object().unwrap().values().map(|methods| &methods["get"]);
    let files: Vec<&Value> = gets.filter(|get| get["responses"]["206"].is_object()).collect();
    assert!(!files.is_empty());
    for get in files {
        let parameters = get["parameters"].as_array().unwrap();
        for name in ["Range", "If-None-Match"] {
            assert!(parameters.iter().any(|it| it["name"] == name && it["in"] == "header"), "{name}: {get}");
        }
    }
    assert!(document["paths"]["/healthz"]["get"]["responses"]["429"].is_null());
}

#[tokio::test]
async fn the_command_prints_what_the_server_serves() {
    let server = Server::start_with(example).await;
    let printed = app::openapi(&example(Config::default())).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), document(&server).await);
}

#[tokio::test]
async fn the_document_is_fetched_once_and_then_confirmed() {
    let server = Server::start().await;
    let answer = server.anonymous().get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    let request = server.anonymous().request(Method::GET, "/openapi.json");
    let again = Answer::of(request.header("if-none-match", answer.header("etag"))).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[tokio::test]
async fn the_cookie_has_the_name_that_the_deployment_gives_it() {
    let cookie = |document: Value| document["components"]["securitySchemes"]["cookie"]["name"].clone();
    assert_eq!(cookie(document(&Server::start().await).await), "sid");
    let https = |mut config: Config| {
        config.http.public_url = Some("https://shop.test".to_owned());
        config
    };
    assert_eq!(cookie(document(&Server::start_with(https).await).await), "__Host-sid");
}

#[tokio::test]
async fn the_page_may_run_nothing_but_its_own_files() {
    let server = Server::start().await;
    for path in ["/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test]
async fn the_page_can_be_switched_off() {
    let without = |config: Config| Config { http: http::Config { docs: false, ..config.http }, ..config };
    let server = Server::start_with(without).await;
    assert_eq!(server.anonymous().get("/docs").await.status, 404);
    assert_eq!(server.anonymous().get("/openapi.json").await.status, 200);
}

const SCREEN: &str = "
view: screen
route: GET /v2/screens/{id}
access: [user, operator]
params:
  id: { in: path, type: string, min: 1, max: 64 }
  limit: { in: query, type: int32, default: 5, min: 1, max: 20 }
  after: { in: query, type: int64, optional: true }
  status: { in: query, type: orders/orders.v1.OrderStatus, default: PAID }
calls:
  recent:
    grpc: orders/orders.v1.OrderService.ListOrders
    request: { page_size: $params.limit }
  balance:
    grpc: loyalty/loyalty.v1.LoyaltyService.GetBalance
    request: { user_id: $params.id }
    on_fail: null
shape:
  after: $params.after
  orders:
    from: recent.orders as o
    item:
      placedAt: o.created_at
      total: o.total
  rewards:
    of: balance
    pick: [points, tier]
";

#[tokio::test]
async fn a_read_is_described_by_its_plan() {
    let document = document(&server(SCREEN).await).await;
    let problem = |name: &str| json!({ "$ref": format!("#/components/responses/{name}") });
    let text = json!({ "type": "string" });
    let mut described = document["paths"]["/v2/screens/{id}"]["get"].clone();
    // `progressive` tests what this says.
    let content = described["responses"]["200"]["content"].as_object_mut().unwrap();
    assert!(content.remove("text/event-stream").is_some());
    assert_eq!(
        described,
        json!({
            "operationId": "screen", "tags": ["screens"],
            "description": "For: user, operator.",
            "security": [{ "bearer": [] }, { "cookie": [] }],
            "parameters": [
                { "name": "id", "in": "path", "required": true,
                  "schema": { "type": "string", "minLength": 1, "maxLength": 64 } },
                { "name": "limit", "in": "query", "required": false,
                  "schema": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 20, "default": 5 } },
                { "name": "after", "in": "query", "required": false,
                  "schema": { "type": "integer", "format": "int64" } },
                { "name": "status", "in": "query", "required": false,
                  "schema": { "type": "string", "default": "PAID",
                    "enum": ["UNSPECIFIED", "PENDING", "PAID", "SHIPPED", "DELIVERED", "CANCELLED"] } },
            ],
            "responses": {
                "200": {
                    "description": "The answer.",
                    "headers": { "bff-partial": { "$ref": "#/components/headers/bff-partial" } },
                    "content": { "application/json": { "schema": {
                        "type": "object",
                        "properties": {
                            "after": { "type": ["string", "null"], "format": "int64", "pattern": "^-?[0-9]+$" },
                            "orders": { "type": "array", "items": {
                                "type": "object",
                                "properties": {
                                    "placedAt": { "type": "string", "format": "date-time" },
                                    "total": {
                                        "type": "object",
                                        "properties": {
                                            "amount": { "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$" },
                                            "currency": text,
                                        },
                                        "required": ["amount", "currency"],
                                    },
                                },
                                "required": ["placedAt", "total"],
                            } },
                            "rewards": {
                                "type": ["object", "null"],
                                "properties": {
                                    "points": { "type": "integer", "format": "int32" },
                                    "tier": { "type": "string",
                                      "enum": ["UNSPECIFIED", "BRONZE", "SILVER", "GOLD", "UNRECOGNIZED"] },
                                },
                                "required": ["points", "tier"],
                            },
                        },
                        "required": ["after", "orders", "rewards"],
                    } } },
                },
                "400": problem("bad-request"),
                "401": problem("unauthorized"), "403": problem("forbidden"),
                "404": problem("not-found"),
                "429": problem("too-many-requests"),
                "502": problem("bad-gateway"),
                "503": problem("unavailable"),
                "504": problem("timeout"),
                "default": problem("problem"),
            },
        })
    );
}

const ORDER: &str = "
view: buy
route: POST /v1/orders
access: public
idempotency: required
body: { like: orders/orders.v1.CreateOrderRequest, pick: [lines, note] }
calls:
  order:
    grpc: orders/orders.v1.OrderService.CreateOrder
    request: { ...: $body }
status: 201
shape: { of: order, pick: [id] }
";

#[tokio::test]
async fn a_change_is_described_with_its_body_and_key() {
    let document = document(&server(ORDER).await).await;
    let operation = &document["paths"]["/v1/orders"]["post"];
    assert_eq!(operation["security"], json!([]));
    assert_eq!(operation["parameters"][0]["name"], "Idempotency-Key");
    assert_eq!(operation["parameters"][0]["required"], true);
    let answers: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
    let expected =
        ["201", "400", "401", "403", "404", "409", "412", "413", "415", "422", "429", "502", "503", "504", "default"];
    assert_eq!(answers, expected);
    let money = json!({
        "type": "object",
        "properties": {
            "amount": { "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$" },
            "currency": { "type": "string" },
        },
        "required": ["amount", "currency"],
        "additionalProperties": false,
    });
    let line = json!({
        "type": "object",
        "properties": {
            "productId": { "type": "string" },
            "quantity": { "type": "integer", "format": "int32" },
            "unitPrice": money,
        },
        "required": ["productId", "quantity", "unitPrice"],
        "additionalProperties": false,
    });
    assert_eq!(
        operation["requestBody"]["content"]["application/json"]["schema"],
        json!({
            "type": "object",
            "properties": { "lines": { "type": "array", "items": line }, "note": { "type": "string" } },
            "required": ["lines"],
            "additionalProperties": false,
        })
    );
}

#[tokio::test]
async fn what_can_be_one_of_a_few_is_described_as_such() {
    let document = document(&Server::start().await).await;
    let schema = |pointer: &str| &document["components"]["schemas"].pointer(pointer).unwrap()["enum"];
    assert_eq!(schema("/User/properties/role"), &json!(["user", "operator", "auditor", "admin"]));
    for kind in ["/Session/properties/kind", "/LoginAttempt/properties/kind", "/Login/properties/session"] {
        assert_eq!(schema(kind), &json!(["token", "cookie"]), "{kind}");
    }
    let parameters = document["paths"]["/v1/admin/audit"]["get"]["parameters"].as_array().unwrap();
    let size = parameters.iter().find(|parameter| parameter["name"] == "pageSize").unwrap();
    assert_eq!((&size["schema"]["default"], &size["schema"]["maximum"]), (&json!(20), &json!(100)));
}

#[tokio::test]
async fn account_and_admin_routes_take_the_parameters_that_are_described_and_no_others() {
    let server = Server::start().await;
    let admin = TokenUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
    let document = document(&server).await;
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/v1/auth/") && !path.starts_with("/v1/admin/") {
            continue;
        }
        for (method, operation) in methods.as_object().unwrap() {
            let url = path.replace("{id}", ID).replace("{session}", ID);
            let method = method.to_uppercase().parse().unwrap();
            let refused = Answer::of(admin.request(method, &format!("{url}?surprise=1")).json(&json!({}))).await;
            let problem = refused.json();
            assert_eq!((refused.status, &problem["code"]), (400, &json!("invalid-query")), "{path}: {problem}");
            let error = &problem["errors"][0];
            assert_eq!((&error["parameter"], &error["code"]), (&json!("surprise"), &json!("unknown")), "{path}");
            let message = error["message"].as_str().unwrap();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let known: Vec<&str> =
                parameters.filter(|it| it["in"] == "query").map(|it| it["name"].as_str().unwrap()).collect();
            assert!(known.iter().all(|name| message.contains(&format!("`{name}`"))), "{path}: {message}");
            assert_eq!(message.matches('`').count(), 2 * known.len(), "{path}: {message}");
            assert!(operation["responses"]["400"].is_object(), "{path}: {operation}");
            seen += 1;
        }
    }
    assert!(seen >= 24, "{seen}");
}
