//! What a service's failure is to the client: statuses, headers, and what the operator counts.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bff::config;
use http::StatusCode;
use serde_json::json;

use crate::harness::{Answer, Backend, Caller, Server};

const CONTRACT: &str = "
openapi: 3.0.3
info: { title: Things, version: 1.0.0 }
paths:
  /things/{status}:
    get:
      operationId: getThing
      parameters: [ { name: status, in: path, required: true, schema: { type: string } } ]
      responses:
        '200':
          description: A thing
          content: { application/json: { schema: { type: object, required: [name], properties: { name: { type: string } } } } }
";

const VIEWS: &str = "
view: asked
route: GET /v1/asked/{status}
access: public
params: { status: { in: path, type: string, max: 3 } }
calls:
  thing: { http: things/getThing, request: { path.status: $params.status } }
shape: { name: thing.name }
---
view: fixed
route: GET /v1/fixed
access: public
calls:
  thing: { http: things/getThing, request: { path.status: '\"400\"' } }
shape: { name: thing.name }
---
view: told
route: GET /v1/told/{status}
access: public
params: { status: { in: path, type: string, max: 3 } }
calls:
  thing:
    http: things/getThing
    request: { path.status: $params.status }
    on_fail: { PERMISSION_DENIED: { fail: 404 }, _: { fail: 503 } }
shape: { name: thing.name }
---
view: partial
route: GET /v1/partial
access: public
calls:
  broken: { http: things/getThing, request: { path.status: '\"200\"' }, on_fail: null }
  _away: { http: things/getThing, request: { path.status: '\"503\"' }, on_fail: omit }
shape:
  name: broken?.name
  größe: _away?.name
";

async fn thing(Path(status): Path<u16>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("retry-after", "7"), ("content-type", "application/json")], r#"{"name": 5, "secret": "db-1"}"#)
        .into_response()
}

async fn server() -> (Server, Backend) {
    let backend = Backend::start(Router::new().route("/things/{status}", get(thing))).await;
    let url = backend.url();
    let server = Server::start_with(|mut config| {
        let folder = std::path::Path::new(&config.views.dir).parent().unwrap().to_owned();
        std::fs::create_dir_all(&config.views.dir).unwrap();
        std::fs::write(folder.join("views/things.yaml"), VIEWS).unwrap();
        std::fs::write(folder.join("things.yaml"), CONTRACT).unwrap();
        let settings = format!("[sources.things]\nhttp = '{url}'\nopenapi = '{}/things.yaml'\n", folder.display());
        std::fs::write(folder.join("settings.toml"), settings).unwrap();
        config.sources = config::load(&[folder.join("settings.toml")], &Default::default()).unwrap().sources;
        config
    })
    .await;
    (server, backend)
}

#[tokio::test]
async fn what_a_service_answers_decides_the_status() {
    let (server, _backend) = server().await;
    let ours_from_theirs = [
        (400, 400),
        (401, 502),
        (403, 403),
        (404, 404),
        (409, 409),
        (412, 412),
        (418, 502),
        (422, 400),
        (429, 429),
        (500, 502),
        (501, 502),
        (503, 503),
        (200, 502),
    ];
    for (theirs, ours) in ours_from_theirs {
        let answer = server.anonymous().get(&format!("/v1/asked/{theirs}")).await;
        assert_eq!(answer.status, ours, "of {theirs}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("db-1") && !text.contains("127.0.0.1"), "{text}");
        let waits = matches!(ours, 429 | 503);
        assert_eq!(answer.headers.get("retry-after").is_some_and(|wait| wait == "7"), waits, "of {theirs}");
    }
    assert_eq!(server.anonymous().get("/v1/fixed").await.status, 502, "the client has sent nothing that is wrong");
}

#[tokio::test]
async fn a_view_can_ask_for_a_status() {
    let (server, _backend) = server().await;
    let denied = server.anonymous().get("/v1/told/403").await;
    assert_eq!((denied.status, &denied.json()["code"]), (404, &json!("not-found")));
    let rest = server.anonymous().get("/v1/told/409").await;
    assert_eq!((rest.status, rest.header("retry-after")), (503, "7"));
}

#[tokio::test]
async fn what_is_missing_is_named_and_a_broken_contract_counted() {
    let (server, _backend) = server().await;
    let answer = server.anonymous().get("/v1/partial").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "name": null })));
    let expected = r#""/name";call=broken;reason=malformed, %"/gr%c3%b6%c3%9fe";call="_away";reason=unavailable"#;
    assert_eq!(answer.header("bff-partial"), expected);
    let page = Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await;
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    let counted = r#"bff_contract_violations_total{source="things",operation="getThing"} 1"#;
    assert!(page.lines().any(|line| line == counted), "{page}");
}
