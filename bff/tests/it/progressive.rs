//! Answers in parts: a page whose client asks for events has what must be there at once, and the rest when it comes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::routing::get;
use bff::config::Config;
use bff::identity::DEMO_PASSWORD;
use bff::upstream;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{Answer, Backend, Caller, Server, TokenUser, contract, http2_client};

const CONTRACT: &str = r#"
openapi: 3.0.3
info: { title: things, version: "1" }
paths:
  /things/{id}:
    get:
      operationId: getThing
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      responses:
        "200":
          description: ok
          content: { application/json: { schema: { type: object, required: [name], properties: { name: { type: string } } } } }
"#;

const VIEWS: &str = "
view: page
route: GET /v1/page
access: user
params: { first: { in: query, type: string, default: first } }
calls:
  first: { http: things/getThing, request: { path.id: $params.first } }
  late: { http: things/getThing, request: { path.id: '\"late\"' }, on_fail: null }
  failing: { http: things/getThing, request: { path.id: '\"failing\"' }, on_fail: null }
shape:
  first: first.name
  late: late?.name
  failing: { of: failing, pick: [name] }
---
view: plain
route: GET /v1/plain
access: public
calls:
  first: { http: things/getThing, request: { path.id: '\"first\"' }, cache: { scope: shared, ttl: 1m } }
shape: { first: first.name }
---
view: change
route: POST /v1/change
access: user
shape: { who: $auth.sub }
";

/// Answers at once, but for `late`, which waits to be let.
async fn things(let_through: &Arc<Semaphore>) -> Backend {
    let gate = Arc::clone(let_through);
    let thing = move |Path(id): Path<String>| async move {
        match id.as_str() {
            "late" => gate.acquire().await.unwrap().forget(),
            "failing" => return StatusCode::NOT_FOUND.into_response(),
            "gone" => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
            _ => {}
        }
        axum::Json(json!({ "name": id })).into_response()
    };
    Backend::start(Router::new().route("/things/{id}", get(thing))).await
}

async fn server(backend: &Backend) -> Server {
    server_with(backend, |_| ()).await
}

async fn server_with(backend: &Backend, change: impl FnOnce(&mut Config)) -> Server {
    Server::start_with_views(VIEWS, |config| {
        let (http, openapi) = (Some(backend.url()), contract(config, CONTRACT));
        let source = upstream::Config { http, openapi, timeout_ms: 20_000, ..Default::default() };
        config.sources.insert("things".to_owned(), source);
        config.views.deadline_ms = 25_000;
        change(config);
    })
    .await
}

async fn ask(user: &TokenUser<'_>, path: &str, accept: &str) -> reqwest::Response {
    user.request(Method::GET, path).header("accept", accept).send().await.unwrap()
}

/// The next event: its name and its data.
async fn event(answer: &mut reqwest::Response, pending: &mut String) -> (String, Value) {
    while !pending.contains("\n\n") {
        let chunk = answer.chunk().await.unwrap().expect("another event");
        pending.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let (event, rest) = pending.split_once("\n\n").unwrap();
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let (name, data) = (field("event: "), serde_json::from_str(&field("data: ")).unwrap());
    let rest = rest.to_owned();
    *pending = rest;
    (name, data)
}

#[tokio::test]
async fn what_is_late_outlasts_idle_connections() {
    let gate = Arc::new(Semaphore::new(0));
    let backend = things(&gate).await;
    let server = server_with(&backend, |config| config.http.idle_timeout_ms = 200).await;
    let user = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    for client in [&server.client, &http2_client()] {
        let request = client.get(format!("{}/v1/page", server.url)).bearer_auth(&user.access_token);
        let mut answer = request.header("accept", "text/event-stream").send().await.unwrap();
        let mut pending = String::new();
        assert_eq!(event(&mut answer, &mut pending).await.0, "");
        tokio::time::sleep(Duration::from_secs(2)).await;
        gate.add_permits(1);
        while event(&mut answer, &mut pending).await.0 != "end" {}
    }
}

#[tokio::test]
async fn what_must_be_there_comes_first_and_the_rest_when_it_is_there() {
    let gate = Arc::new(Semaphore::new(0));
    let backend = things(&gate).await;
    let server = server(&backend).await;
    let user = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    let mut answer = ask(&user, "/v1/page", "text/event-stream").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"text/event-stream".parse().unwrap())
    );
    assert_eq!(
        (&answer.headers()["cache-control"], &answer.headers()["vary"]),
        (&"no-store".parse().unwrap(), &"accept".parse().unwrap())
    );
    let mut pending = String::new();
    let (name, first) = event(&mut answer, &mut pending).await;
    assert_eq!((name.as_str(), first), ("", json!({"first": "first", "late": null, "failing": null})));
    let missing = json!([{"path": "/failing", "call": "failing", "reason": "not-found"}]);
    assert_eq!(event(&mut answer, &mut pending).await, ("partial".to_owned(), missing));

    gate.add_permits(1);
    let patch = json!([{"op": "replace", "path": "/late", "value": "late"}]);
    assert_eq!(event(&mut answer, &mut pending).await, ("patch".to_owned(), patch));
    assert_eq!(event(&mut answer, &mut pending).await, ("end".to_owned(), json!({})));
    assert_eq!(answer.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_failure_of_what_must_be_there_is_an_ordinary_problem() {
    let gate = Arc::new(Semaphore::new(0));
    let backend = things(&gate).await;
    let server = server(&backend).await;
    let user = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    let answer = ask(&user, "/v1/page?first=gone", "text/event-stream").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (503, &"application/problem+json".parse().unwrap())
    );
    let answer = ask(&user, "/v1/page?frist=gone", "text/event-stream").await;
    assert_eq!(answer.status(), 400);
    let stranger = server.anonymous().request(Method::GET, "/v1/page").header("accept", "text/event-stream");
    assert_eq!(Answer::of(stranger).await.status, 401);
}

#[tokio::test]
async fn others_are_answered_as_ever() {
    let gate = Arc::new(Semaphore::new(100));
    let backend = things(&gate).await;
    let server = server(&backend).await;
    let user = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    for accept in ["application/json", "*/*", "text/html, */*;q=0.8", "text/event-stream;q=0.5, application/json"] {
        let answer = Answer::of(user.request(Method::GET, "/v1/page").header("accept", accept)).await;
        assert_eq!(answer.json(), json!({"first": "first", "late": "late", "failing": null}), "{accept}");
        assert_eq!(answer.header("bff-partial"), "\"/failing\";call=failing;reason=not-found", "{accept}");
    }
    // What may be kept is kept by what was asked for.
    let plain = server.anonymous().get("/v1/plain").await;
    assert_eq!((plain.header("cache-control"), plain.header("vary")), ("public, max-age=60", "accept"));
    let events = server.anonymous().request(Method::GET, "/v1/plain").header("accept", "text/event-stream");
    let events = Answer::of(events).await;
    assert_eq!(&events.body[..], b"data: {\"first\":\"first\"}\n\nevent: end\ndata: {}\n\n");
    let change = user.request(Method::POST, "/v1/change").header("accept", "text/event-stream");
    assert_eq!(Answer::of(change).await.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let gate = Arc::new(Semaphore::new(0));
    let backend = things(&gate).await;
    let server = server(&backend).await;
    let user = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    let mut answer = ask(&user, "/v1/page", "text/event-stream").await;
    answer.chunk().await.unwrap();
    drop(answer);
    loop {
        let measures = Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await;
        let measures = String::from_utf8_lossy(&measures.body).into_owned();
        if measures.contains("bff_upstream_in_flight{source=\"things\"} 0") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_description_says_what_comes() {
    let gate = Arc::new(Semaphore::new(0));
    let backend = things(&gate).await;
    let server = server(&backend).await;
    let document = server.anonymous().get("/openapi.json").await.json();
    let success = &document["paths"]["/v1/page"]["get"]["responses"]["200"]["content"];
    let events = &success["text/event-stream"]["x-events"];
    let answer = events["message"]["$ref"].as_str().unwrap().trim_start_matches('#');
    assert_eq!(document.pointer(answer).unwrap(), &success["application/json"]["schema"]);
    for (event, component) in [("patch", "JsonPatch"), ("partial", "Missing"), ("problem", "Problem")] {
        assert_eq!(events[event]["$ref"], format!("#/components/schemas/{component}"), "{event}");
        assert!(document["components"]["schemas"][component].is_object(), "{component}");
    }
    assert!(document["paths"]["/v1/change"]["post"]["responses"]["200"]["content"]["text/event-stream"].is_null());
}
