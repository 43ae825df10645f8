//! One key, one change: what a second request with the same key is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bff::config::Config;
use bff::idempotency::{Begun, Fingerprint, Idempotency, Key};
use bff::identity::DEMO_PASSWORD;
use bff::upstream;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::Semaphore;

use crate::conformance::wire::Wire;
use crate::conformance::{Backend as Store, Place, eventually};
use crate::harness::{Answer, Backend, Caller, Server, TokenUser};

const CONTRACT: &str = r##"
openapi: 3.1.0
info: { title: orders, version: "1" }
paths:
  /orders:
    post:
      operationId: placeOrder
      requestBody: { content: { application/json: { schema: { $ref: "#/components/schemas/Order" } } } }
      responses:
        "200":
          description: One.
          content:
            application/json:
              schema: { type: object, required: [number], properties: { number: { type: integer, format: int32 } } }
components:
  schemas:
    Order: { type: object, required: [item], properties: { item: { type: string } } }
"##;

const VIEWS: &str = r#"
view: place
route: POST /v1/place
access: [user, operator]
idempotency: required
body: { like: orders/Order }
calls:
  one: { http: orders/placeOrder, request: { ...: $body } }
status: 201
headers: { x-number: 'string(one.number)' }
shape: { number: one.number }
---
view: place-elsewhere
route: POST /v1/elsewhere/{id}
access: [user, operator]
idempotency: required
params: { id: { in: path, type: string, max: 10 } }
body: { like: orders/Order }
calls:
  one: { http: orders/placeOrder, request: { ...: $body } }
shape: { number: one.number }
"#;

/// The service: counts what it is asked for, and answers when it is let.
#[derive(Clone)]
struct Orders {
    placed: Arc<AtomicUsize>,
    status: Arc<AtomicU16>,
    gate: Arc<Semaphore>,
    keys: Arc<std::sync::Mutex<Vec<String>>>,
}

impl Orders {
    fn placed(&self) -> usize {
        self.placed.load(Ordering::SeqCst)
    }
}

async fn place(State(orders): State<Orders>, headers: HeaderMap) -> Response {
    let number = orders.placed.fetch_add(1, Ordering::SeqCst) + 1;
    orders.keys.lock().unwrap().push(headers["idempotency-key"].to_str().unwrap().to_owned());
    orders.gate.acquire().await.unwrap().forget();
    let status = StatusCode::from_u16(orders.status.load(Ordering::SeqCst)).unwrap();
    (status, axum::Json(json!({ "number": number }))).into_response()
}

async fn service() -> (Backend, Orders) {
    let orders = Orders {
        placed: Arc::default(),
        status: Arc::new(AtomicU16::new(200)),
        gate: Arc::new(Semaphore::new(100)),
        keys: Arc::default(),
    };
    let routes = Router::new().route("/orders", post(place)).with_state(orders.clone());
    (Backend::start(routes).await, orders)
}

fn with_views(config: Config, service: &Backend) -> Config {
    let folder = config.views.dir.clone();
    let contract = format!("{folder}/../orders.yaml");
    std::fs::write(&contract, CONTRACT).unwrap();
    std::fs::write(format!("{folder}/views.yaml"), VIEWS).unwrap();
    let mut config = config;
    config.views.deadline_ms = 20_000;
    let source = upstream::Config {
        http: Some(service.url()),
        openapi: Some(contract),
        timeout_ms: 20_000,
        retries: 0,
        ..Default::default()
    };
    config.sources.insert("orders".to_owned(), source);
    config
}

async fn ask(user: &impl Caller, path: &str, key: &str, body: Value) -> Answer {
    Answer::of(user.request(http::Method::POST, path).header("idempotency-key", key).json(&body)).await
}

async fn user(server: &Server) -> TokenUser<'_> {
    TokenUser::login(server, "user@shop.test", DEMO_PASSWORD).await
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_same_request_is_carried_out_once_and_answered_alike_for_a_day() {
    let (service, orders) = service().await;
    let server = Server::start_with(|config| with_views(config, &service)).await;
    let user = user(&server).await;
    let first = ask(&user, "/v1/place", "k1", json!({ "item": "tea" })).await;
    assert_eq!((first.status, first.json()), (201, json!({ "number": 1 })));
    assert_eq!((first.header("x-number"), first.header("idempotent-replayed")), ("1", ""));
    for _ in 0..3 {
        let again = ask(&user, "/v1/place", "k1", json!({ "item": "tea" })).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!((again.header("x-number"), again.header("idempotent-replayed")), ("1", "true"));
        for name in ["content-type", "cache-control", "vary"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
    }
    assert_eq!((orders.placed(), orders.keys.lock().unwrap().as_slice()), (1, &["k1".to_owned()][..]));

    let other = ask(&user, "/v1/place", "k1", json!({ "item": "coffee" })).await;
    assert_eq!(code(&other), (422, "idempotency-key-used".to_owned()));
    // Somebody else's key, another route's, another key.
    let operator = TokenUser::login(&server, "operator@shop.test", DEMO_PASSWORD).await;
    assert_eq!(ask(&operator, "/v1/place", "k1", json!({ "item": "tea" })).await.json()["number"], 2);
    assert_eq!(ask(&user, "/v1/elsewhere/a", "k1", json!({ "item": "tea" })).await.json()["number"], 3);
    assert_eq!(ask(&user, "/v1/elsewhere/b", "k1", json!({ "item": "tea" })).await.status, 422, "another path");
    assert_eq!(ask(&user, "/v1/place", "k2", json!({ "item": "tea" })).await.json()["number"], 4);

    server.clock.advance(Duration::from_secs(24 * 3_600));
    let user = self::user(&server).await;
    assert_eq!(ask(&user, "/v1/place", "k1", json!({ "item": "coffee" })).await.json()["number"], 5, "a day later");
}

#[tokio::test]
async fn a_key_that_is_forgotten_leaves_nothing_behind() {
    let (service, _) = service().await;
    let server = Server::start_with(|config| with_views(config, &service)).await;
    assert_eq!(ask(&user(&server).await, "/v1/place", "k", json!({ "item": "tea" })).await.status, 201);
    let url = format!("sqlite:{}", server.folder.path().join("bff.db").display());
    let kept = async || {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let sql = "SELECT count(*) FROM expiring_values WHERE key LIKE 'idempotency:%'";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap()
    };
    assert_eq!(kept().await, 1);
    server.clock.advance(Duration::from_secs(24 * 3_600));
    let _server = server.restart_with(|config| with_views(config, &service)).await;
    eventually(async || (kept().await == 0).then_some(())).await;
}

#[tokio::test]
async fn whoever_comes_while_the_first_runs_is_told_to_wait() {
    let (service, orders) = service().await;
    orders.gate.forget_permits(100);
    let server = Server::start_with(|config| with_views(config, &service)).await;
    let user = user(&server).await;
    let first = ask(&user, "/v1/place", "k1", json!({ "item": "tea" }));
    let others = async {
        eventually(async || (orders.placed() == 1).then_some(())).await;
        let same = ask(&user, "/v1/place", "k1", json!({ "item": "tea" })).await;
        assert_eq!(code(&same), (409, "idempotency-key-running".to_owned()));
        assert_eq!(same.header("retry-after"), "1");
        let other = ask(&user, "/v1/place", "k1", json!({ "item": "coffee" })).await;
        assert_eq!(code(&other), (422, "idempotency-key-used".to_owned()));
        orders.gate.add_permits(100);
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!((first.status, orders.placed()), (201, 1));
    assert_eq!(ask(&user, "/v1/place", "k1", json!({ "item": "tea" })).await.header("idempotent-replayed"), "true");
}

#[tokio::test]
async fn of_many_at_the_same_time_one_is_carried_out() {
    let (service, orders) = service().await;
    let server = Server::start_with(|config| with_views(config, &service)).await;
    let user = user(&server).await;
    let answers = join_all((0..20).map(|_| ask(&user, "/v1/place", "k1", json!({ "item": "tea" })))).await;
    assert_eq!(orders.placed(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)), "{answers:?}");
}

#[tokio::test]
async fn after_a_failure_the_same_key_may_be_used_at_once() {
    let (service, orders) = service().await;
    let server = Server::start_with(|config| with_views(config, &service)).await;
    let user = user(&server).await;
    assert_eq!(ask(&user, "/v1/place", "k1", json!({})).await.status, 400);
    assert_eq!(orders.placed(), 0, "nothing was asked for");
    for (status, told) in [(503, 503), (409, 409), (500, 502)] {
        orders.status.store(status, Ordering::SeqCst);
        assert_eq!(ask(&user, "/v1/place", "k1", json!({ "item": "tea" })).await.status, told);
    }
    orders.status.store(200, Ordering::SeqCst);
    assert_eq!(ask(&user, "/v1/place", "k1", json!({ "item": "tea" })).await.status, 201);
    assert_eq!(orders.keys.lock().unwrap().as_slice(), ["k1"; 4], "the service was told the same key each time");
}

#[tokio::test]
async fn an_answer_that_nobody_waited_for_is_kept() {
    let (service, orders) = service().await;
    orders.gate.forget_permits(100);
    let server = Server::start_with(|config| with_views(config, &service)).await;
    let user = user(&server).await;
    let impatient = ask(&user, "/v1/place", "k1", json!({ "item": "tea" }));
    let leave = eventually(async || (orders.placed() == 1).then_some(()));
    tokio::select! {
        _ = impatient => panic!("it was answered"),
        () = leave => {}
    }
    orders.gate.add_permits(100);
    let again = eventually(async || {
        let again = ask(&user, "/v1/place", "k1", json!({ "item": "tea" })).await;
        (again.status != 409).then_some(again)
    });
    let again = again.await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(orders.placed(), 1);
}

#[tokio::test]
async fn a_reservation_of_a_process_that_died_ends_after_a_minute() {
    let (service, orders) = service().await;
    let server = Server::start_with(|config| with_views(config, &service)).await;
    let user = user(&server).await;
    let me = user.get("/v1/auth/me").await.json()["id"].as_str().unwrap().to_owned();
    // As another process over the same file would have left it.
    let store = bff::store::Config {
        database_url: format!("sqlite:{}", server.folder.path().join("bff.db").display()).into(),
        ..Default::default()
    };
    let stores = bff::store::Stores::open(&store, server.clock.clone()).await.unwrap();
    let dead = Idempotency::new(stores.key_value.clone(), server.clock.clone());
    let fingerprint = Fingerprint::of(&[b"/v1/place", b"", b"{\"item\":\"tea\"}"]);
    let begun = dead.begin(Key::new(&me, "POST /v1/place", b"k1"), fingerprint).await;
    assert!(matches!(begun, Ok(Begun::First(_))));
    stores.close().await;

    let again = async || ask(&user, "/v1/place", "k1", json!({ "item": "tea" })).await;
    assert_eq!(code(&again().await), (409, "idempotency-key-running".to_owned()));
    server.clock.advance(Duration::from_secs(59));
    assert_eq!((again().await.status, orders.placed()), (409, 0));
    server.clock.advance(Duration::from_secs(1));
    assert_eq!((again().await.status, orders.placed()), (201, 1));
}

#[tokio::test]
async fn a_key_is_given_once_and_may_be_quoted() {
    let (service, orders) = service().await;
    let server = Server::start_with(|config| with_views(config, &service)).await;
    let user = user(&server).await;
    let place = || user.request(http::Method::POST, "/v1/place").json(&json!({ "item": "tea" }));
    let twice = Answer::of(place().header("idempotency-key", "k1").header("idempotency-key", "k2")).await;
    assert_eq!((twice.status, &twice.json()["errors"][0]["parameter"]), (400, &json!("Idempotency-Key")));
    assert_eq!(ask(&user, "/v1/place", "\"\"", json!({ "item": "tea" })).await.status, 400);
    assert_eq!(orders.placed(), 0);

    let quoted = ask(&user, "/v1/place", "\"k1\"", json!({ "item": "tea" })).await;
    assert_eq!((quoted.status, quoted.header("idempotent-replayed")), (201, ""));
    let plain = ask(&user, "/v1/place", "k1", json!({ "item": "tea" })).await;
    assert_eq!((plain.status, plain.header("idempotent-replayed")), (201, "true"));
    assert_eq!(orders.keys.lock().unwrap().as_slice(), ["k1"]);
}

#[tokio::test]
async fn the_document_tells_of_409_and_422() {
    let (service, _orders) = service().await;
    let server = Server::start_with(|config| with_views(config, &service)).await;
    let document = server.anonymous().get("/openapi.json").await.json();
    let responses = &document["paths"]["/v1/place"]["post"]["responses"];
    assert_eq!(responses["201"]["headers"]["idempotent-replayed"]["schema"]["const"], "true");
    assert_eq!(responses["422"]["$ref"], "#/components/responses/unprocessable");
    assert_eq!(responses["409"]["$ref"], "#/components/responses/conflict");
    let limited = &document["components"]["responses"]["too-many-requests"]["headers"];
    assert!(limited["RateLimit"].is_object() && limited["Retry-After"].is_object(), "{limited}");
}

#[tokio::test]
async fn two_replicas_carry_a_request_out_once_and_none_without_redis() {
    let test = async |place: &Place| {
        let (service, orders) = service().await;
        let folder = tempfile::tempdir().unwrap();
        let master_key = folder.path().join("master.key");
        std::fs::write(&master_key, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n").unwrap();
        let target = Store::Redis.url().unwrap().trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let wire = Wire::to(target.clone()).await;
        let address = wire.address;
        let replica = async || {
            Server::start_with(|config| {
                let mut config = with_views(config, &service);
                config.store = place.config.clone();
                config.store.redis_url = Some(format!("redis://{address}").into());
                config.store.timeout_ms = 5_000;
                config.identity.master_key_file = Some(master_key.clone());
                config.http.public_url = Some("http://shop.test".to_owned());
                config
            })
            .await
        };
        let (here, there) = (replica().await, replica().await);
        let user = user(&here).await;
        let elsewhere = TokenUser {
            server: &there,
            access_token: user.access_token.clone(),
            refresh_token: user.refresh_token.clone(),
        };
        let tries = (0..20).map(async |number| {
            let user = if number % 2 == 0 { &user } else { &elsewhere };
            ask(user, "/v1/place", "k1", json!({ "item": "tea" })).await.status
        });
        let statuses = join_all(tries).await;
        assert!(statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
        assert_eq!(orders.placed(), 1);
        let again = ask(&elsewhere, "/v1/place", "k1", json!({ "item": "tea" })).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));

        wire.cut().await;
        let refused = ask(&user, "/v1/place", "k2", json!({ "item": "tea" })).await;
        assert_eq!((refused.status, refused.header("retry-after"), orders.placed()), (503, "1", 1));
        let _wire = Wire::at(address, target).await;
        let served = eventually(async || {
            let answer = ask(&user, "/v1/place", "k2", json!({ "item": "tea" })).await;
            (answer.status == 201).then_some(())
        });
        served.await;
        assert_eq!(orders.placed(), 2);
    };
    Place::with(&[Store::Postgres, Store::Redis], &test).await;
}
