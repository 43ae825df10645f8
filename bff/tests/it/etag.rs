//! What a view's answer carries beside its body: an entity-tag, and what a client may keep.

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bff::upstream;
use http::StatusCode;
use serde_json::json;

use crate::harness::{Answer, Backend, Server};

const CONTRACT: &str = r#"
openapi: 3.1.0
info: { title: catalog, version: "1" }
paths:
  /title:
    get:
      operationId: getTitle
      responses: { "200": { $ref: '#/components/responses/title' } }
    patch:
      operationId: setTitle
      parameters: [{ name: if-match, in: header, schema: { type: string } }]
      responses: { "200": { $ref: '#/components/responses/title' } }
components:
  responses:
    title:
      description: One.
      content:
        application/json:
          schema: { type: object, required: [title], properties: { title: { type: string } } }
"#;

const VIEWS: &str = r#"
view: title
route: GET /v1/title
access: public
calls:
  one: { http: catalog/getTitle }
headers:
  etag: header(one, "etag")
  x-title: one.title
shape: { title: one.title }
---
view: set-title
route: PATCH /v1/title
access: public
params:
  if-match: { in: header, type: string, optional: true }
calls:
  one:
    http: catalog/setTitle
    request: { header.if-match: '$params["if-match"]' }
shape: { title: one.title }
---
view: tag
route: PATCH /v1/tag
access: public
params:
  if-match: { in: header, type: string, optional: true }
calls:
  one:
    http: catalog/setTitle
    request: { header.if-match: 'etag($params["if-match"])' }
shape: { title: one.title }
---
view: picture
route: PUT /v1/picture
access: public
proxy: { source: catalog, to: "/picture", max_body: 1MB, types: [image/png] }
"#;

async fn title() -> Response {
    ([("etag", "\"7a\"")], axum::Json(json!({ "title": "Tea" }))).into_response()
}

async fn set_title(request: Request) -> Response {
    match request.headers().get("if-match") {
        Some(tag) if tag != "\"7a\"" => StatusCode::PRECONDITION_FAILED.into_response(),
        _ => title().await,
    }
}

async fn server() -> (Server, Backend) {
    let backend = Backend::start(Router::new().route("/title", get(title).patch(set_title))).await;
    let server = Server::start_with(|mut config| {
        let folder = Path::new(&config.views.dir).parent().unwrap();
        std::fs::write(folder.join("views/title.yaml"), VIEWS).unwrap();
        std::fs::write(folder.join("catalog.yaml"), CONTRACT).unwrap();
        let openapi = Some(folder.join("catalog.yaml").display().to_string());
        let catalog = upstream::Config { http: Some(backend.url()), openapi, ..upstream::Config::default() };
        config.sources.insert("catalog".to_owned(), catalog);
        config
    })
    .await;
    (server, backend)
}

#[tokio::test]
async fn an_entity_tag_spares_the_body() {
    let (server, _backend) = server().await;
    let url = format!("{}/v1/title", server.url);
    let first = Answer::of(server.client.get(&url)).await;
    assert_eq!((first.status, first.header("etag"), first.header("x-title")), (200, "\"7a\"", "Tea"));
    assert_eq!(first.header("cache-control"), "public, no-cache");
    for tag in ["\"7a\"", "W/\"7a\"", "\"6\", \"7a\"", "*"] {
        let known = Answer::of(server.client.get(&url).header("if-none-match", tag)).await;
        assert_eq!((known.status, known.header("etag")), (304, "\"7a\""), "{tag}");
        assert!(known.body.is_empty());
    }
    let other = Answer::of(server.client.get(&url).header("if-none-match", "\"6\"")).await;
    assert_eq!((other.status, other.json()), (200, json!({ "title": "Tea" })));
}

#[tokio::test]
async fn a_change_of_another_version_is_refused_by_the_service() {
    let (server, _backend) = server().await;
    let change = || server.client.patch(format!("{}/v1/title", server.url));
    assert_eq!(Answer::of(change()).await.status, 200);
    let fits = Answer::of(change().header("if-match", "\"7a\"")).await;
    assert_eq!((fits.status, fits.header("cache-control")), (200, "no-store"));
    let stale = Answer::of(change().header("if-match", "\"6\"")).await;
    assert_eq!((stale.status, &stale.json()["status"]), (412, &json!(412)));
}

#[tokio::test]
async fn a_value_that_no_service_can_be_sent_is_told_to_its_client() {
    let (server, _backend) = server().await;
    for tag in ["bogus", "*", "\"a\", \"b\""] {
        let change = server.client.patch(format!("{}/v1/tag", server.url)).header("if-match", tag);
        let told = Answer::of(change).await.json();
        let detail = "a text is not one entity-tag in quotes; neither `*` nor a list is taken";
        assert_eq!((&told["code"], &told["detail"]), (&json!("invalid-request"), &json!(detail)), "{tag}");
    }
}
