//! Calls that ask for the same at the same time are one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::routing::get;
use bff::identity::DEMO_PASSWORD;
use bff::upstream;
use futures_util::future::join_all;
use http::StatusCode;

use crate::harness::{Answer, Backend, Caller, Server, TokenUser, contract};

const CONTRACT: &str = "
openapi: 3.0.3
info: { title: Things, version: 1.0.0 }
paths:
  /things/{id}:
    get:
      operationId: getThing
      parameters: [ { name: id, in: path, required: true, schema: { type: string } } ]
      responses:
        '200':
          description: A thing
          content: { application/json: { schema: { type: object, required: [name], properties: { name: { type: string } } } } }
    delete:
      operationId: deleteThing
      parameters: [ { name: id, in: path, required: true, schema: { type: string } } ]
      responses: { '204': { description: Gone } }
";

const VIEWS: &str = "
view: thing
route: GET /v1/things/{id}
access: public
params: { id: { in: path, type: string } }
calls: { thing: { http: things/getThing, request: { path.id: $params.id } } }
shape: { name: thing.name }
---
view: mine
route: GET /v1/mine
access: [user, admin]
calls: { thing: { http: things/getThing, request: { path.id: '\"mine\"' } } }
shape: { name: thing.name }
---
view: ours
route: GET /v1/ours
access: [user, admin]
calls:
  thing:
    http: things/getThing
    request: { path.id: '\"ours\"' }
    cache: { scope: shared, ttl: 1s }
shape: { name: thing.name }
---
view: gone
route: DELETE /v1/things/{id}
access: public
params: { id: { in: path, type: string } }
calls: { thing: { http: things/deleteThing, request: { path.id: $params.id } } }
status: 204
";

struct World {
    server: Server,
    _backend: Backend,
    calls: Arc<AtomicUsize>,
}

async fn world(coalesce: bool) -> World {
    let calls = Arc::new(AtomicUsize::new(0));
    let (got, deleted) = (Arc::clone(&calls), Arc::clone(&calls));
    let thing = move |Path(id): Path<String>, headers: HeaderMap| async move {
        let number = got.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(400)).await;
        let tenant = headers.get("x-tenant").and_then(|tenant| tenant.to_str().ok()).unwrap_or("-");
        format!(r#"{{"name":"{id} {tenant} {number}"}}"#)
    };
    let delete = move || async move {
        deleted.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
        StatusCode::NO_CONTENT
    };
    let backend = Backend::start(Router::new().route("/things/{id}", get(thing).delete(delete))).await;
    let server = Server::start_with_views(VIEWS, |config| {
        let (http, openapi) = (Some(backend.url()), contract(config, CONTRACT));
        let forward = vec!["x-tenant".to_owned()];
        let things = upstream::Config { http, openapi, forward, timeout_ms: 20_000, ..upstream::Config::default() };
        config.sources.insert("things".to_owned(), things);
        config.views.coalesce = coalesce;
        config.views.deadline_ms = 25_000;
    })
    .await;
    World { server, _backend: backend, calls }
}

impl World {
    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

/// Whatever was answered, each once.
fn distinct(answers: Vec<Answer>) -> usize {
    let bodies: std::collections::BTreeSet<_> = answers.iter().map(|answer| answer.body.clone()).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    bodies.len()
}

#[tokio::test]
async fn the_same_call_at_the_same_time_is_made_once() {
    let world = world(true).await;
    let anonymous = world.server.anonymous();
    let answers = join_all((0..20).map(|_| anonymous.get("/v1/things/a"))).await;
    assert_eq!((distinct(answers), world.calls()), (1, 1));
    let page = Answer::of(world.server.client.get(format!("{}/metrics", world.server.admin_url))).await;
    let counted = r#"bff_cache_requests_total{call="thing.thing",result="coalesced"} 19"#;
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(page.lines().any(|line| line == counted), "{page}");

    anonymous.get("/v1/things/a").await;
    assert_eq!(world.calls(), 1, "what has ended is not kept");
    let paths: Vec<String> = (0..5).map(|id| format!("/v1/things/{id}")).collect();
    let answers = join_all(paths.iter().map(|path| anonymous.get(path))).await;
    assert_eq!((distinct(answers), world.calls()), (5, 5), "another id is another call");
}

#[tokio::test]
async fn callers_share_only_what_the_view_calls_shared() {
    let world = world(true).await;
    let ada = TokenUser::login(&world.server, "user@shop.test", DEMO_PASSWORD).await;
    let admin = TokenUser::login(&world.server, "admin@shop.test", DEMO_PASSWORD).await;
    for (path, calls) in [("/v1/mine", 2), ("/v1/ours", 1)] {
        let (own, others) =
            tokio::join!(join_all((0..5).map(|_| ada.get(path))), join_all((0..5).map(|_| admin.get(path))));
        let answers: Vec<Answer> = own.into_iter().chain(others).collect();
        assert_eq!((distinct(answers), world.calls()), (calls, calls), "{path}");
    }
}

#[tokio::test]
async fn a_header_that_is_handed_on_keeps_calls_apart() {
    let world = world(true).await;
    let url = format!("{}/v1/things/a", world.server.url);
    let asked = ["a", "b", "a", "b"].map(|tenant| world.server.client.get(&url).header("x-tenant", tenant));
    let answers = join_all(asked.map(Answer::of)).await;
    assert_eq!(world.calls(), 2);
    assert!(answers.iter().all(|answer| answer.headers.get_all("vary").iter().any(|name| name == "x-tenant")));
    let names: Vec<String> = answers.iter().map(|answer| answer.json()["name"].to_string()).collect();
    assert!(names[0].contains("a a ") && names[1].contains("a b ") && names[0] == names[2] && names[1] == names[3]);
}

#[tokio::test]
async fn whoever_has_changed_something_joins_nothing_that_began_before() {
    let world = world(true).await;
    let anonymous = world.server.anonymous();
    let change_and_look = async {
        // While the first reading is under way.
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.server.client.delete(format!("{}/v1/things/b", world.server.url)).send().await.unwrap();
        anonymous.get("/v1/things/a").await
    };
    // A reading takes longer than a change.
    let (before, after) = tokio::join!(anonymous.get("/v1/things/a"), change_and_look);
    assert_ne!(before.body, after.body);
}

#[tokio::test]
async fn changes_are_made_as_often_as_they_are_asked_for_and_so_is_everything_where_it_is_off() {
    let on = world(true).await;
    let url = format!("{}/v1/things/a", on.server.url);
    join_all((0..5).map(|_| Answer::of(on.server.client.delete(&url)))).await;
    assert_eq!(on.calls(), 5);

    let off = world(false).await;
    let anonymous = off.server.anonymous();
    join_all((0..5).map(|_| anonymous.get("/v1/things/a"))).await;
    assert_eq!(off.calls(), 5);
}
