//! Events: written with what they tell of, published at least once, and the login history that is made of them.

use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use bff::events::{Event, LoginRefusal, Origin, What};
use bff::store::{Accompanying, SessionKind};
use futures_util::StreamExt;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::conformance::Backend::{Nats, Postgres};
use crate::conformance::wire::Wire;
use crate::conformance::{Place, eventually};
use crate::harness::{Answer, Caller, CookieUser, Server, TokenUser};
use crate::store::host_of;

const USER: &str = "user@shop.test";
const PASSWORD: &str = "correct-horse-battery";
const NOON: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

fn event(what: What) -> Event {
    let account = Some(Uuid::from_u128(1));
    Event { account, actor: None, at: NOON, origin: Origin::default(), what }
}

async fn sign_in(server: &Server, password: &str, agent: &str) -> u16 {
    let body = json!({ "identifier": USER, "password": password });
    let request = server.anonymous().request(reqwest::Method::POST, "/v1/auth/login").json(&body);
    Answer::of(request.header("user-agent", agent)).await.status
}

/// The history once it has so many entries.
async fn history(caller: &impl Caller, count: usize) -> Vec<Value> {
    eventually(async || {
        let answer = caller.get("/v1/auth/me/logins").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let logins = answer.json()["logins"].as_array().unwrap().clone();
        (logins.len() >= count).then_some(logins)
    })
    .await
}

#[tokio::test]
async fn an_owner_sees_who_signed_in_and_who_tried() {
    let server = Server::start().await;
    assert_eq!(sign_in(&server, "a wrong password", "curl/8").await, 401);
    server.clock.advance(Duration::from_secs(1));
    let browser = CookieUser::login(&server, USER, PASSWORD).await;
    server.clock.advance(Duration::from_secs(1));
    let app = TokenUser::login(&server, USER, PASSWORD).await;
    let other = TokenUser::login(&server, "operator@shop.test", PASSWORD).await;

    let logins = history(&app, 3).await;
    let told = |entry: &Value| {
        ["at", "kind", "network", "result"].map(|name| entry[name].as_str().unwrap_or_default().to_owned())
    };
    let network = "127.0.0.0/24";
    let expected = [
        ["2026-01-01T12:00:02Z", "token", network, "ok"],
        ["2026-01-01T12:00:01Z", "cookie", network, "ok"],
        ["2026-01-01T12:00:00Z", "token", network, "invalid-credentials"],
    ];
    assert_eq!(logins.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(logins[2]["userAgent"], "curl/8");
    assert_eq!(history(&browser, 3).await, logins, "however one is signed in");
    assert_eq!(history(&other, 1).await.len(), 1, "nobody sees another's");
    assert_eq!(server.anonymous().get("/v1/auth/me/logins").await.status, 401);
}

#[tokio::test]
async fn the_history_is_read_page_by_page() {
    let server = Server::start().await;
    let app = TokenUser::login(&server, USER, PASSWORD).await;
    for _ in 0..4 {
        sign_in(&server, "a wrong password", "curl/8").await;
    }
    let all = history(&app, 5).await;
    let mut pages = Vec::new();
    let mut path = "/v1/auth/me/logins?pageSize=2".to_owned();
    loop {
        let page = app.get(&path).await.json();
        pages.push(page["logins"].as_array().unwrap().clone());
        let Some(next) = page["nextPageToken"].as_str() else { break };
        path = format!("/v1/auth/me/logins?pageSize=2&pageToken={next}");
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), all);
    for query in ["pageSize=0", "pageSize=101", "pageSize=x", "pageToken=x", "pageToken=", "account=1"] {
        let answer = app.get(&format!("/v1/auth/me/logins?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
}

#[tokio::test]
async fn what_was_gathered_survives_a_stop() {
    let server = Server::start().await;
    assert_eq!(sign_in(&server, "a wrong password", "curl/8").await, 401);
    let server = server.restart().await;
    let app = TokenUser::login(&server, USER, PASSWORD).await;
    assert_eq!(history(&app, 2).await.len(), 2);
}

#[tokio::test]
async fn a_login_is_told_to_whoever_listens_to_the_stream() {
    Place::with(&[Postgres, Nats], &async |place: &Place| {
        let store = place.config.clone();
        let server = Server::start_with(|mut config| {
            config.identity.master_key_file = Some(format!("{}.key", config.views.dir).into());
            bff::config::Config { store, ..config }
        })
        .await;
        let app = TokenUser::login(&server, USER, PASSWORD).await;
        assert_eq!(sign_in(&server, "a wrong password", "curl/8").await, 401);
        assert_eq!(history(&app, 2).await.len(), 2);

        let context = async_nats::jetstream::new(async_nats::connect(Nats.url().unwrap()).await.unwrap());
        let namespace = &place.config.namespace;
        let stream = context.get_stream(format!("{namespace}_events")).await.unwrap();
        let consumer = stream.create_consumer(pull::Config::default()).await.unwrap();
        let mut messages = consumer.fetch().max_messages(2).messages().await.unwrap();
        let mut subjects = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.unwrap();
            let id = message.headers.as_ref().unwrap().get("Nats-Msg-Id").unwrap().as_str();
            assert!(String::from_utf8_lossy(&message.payload).contains(id), "the event has the same id");
            subjects.push(message.subject.to_string());
        }
        subjects.sort();
        assert_eq!(subjects, ["logged-in", "login-failed"].map(|name| format!("{namespace}.events.v1.{name}")));
        assert_eq!(place.ask("SELECT count(*) FROM outbox").await, 0, "what is published is removed");
    })
    .await;
}

#[tokio::test]
async fn events_wait_in_the_outbox_for_a_publisher() {
    let server = Server::start().await;
    let app = TokenUser::login(&server, USER, PASSWORD).await;
    history(&app, 1).await;
    let account = app.get("/v1/auth/me").await.json()["id"].as_str().unwrap().parse().unwrap();
    drop(app);
    let store = bff::store::Config {
        database_url: format!("sqlite:{}", server.folder.path().join("bff.db").display()).into(),
        ..bff::store::Config::default()
    };
    // As a replica that dies after its transaction leaves it.
    let stores = bff::store::Stores::open(&store, server.clock.clone()).await.unwrap();
    let what = What::LoginFailed { reason: LoginRefusal::Disabled, kind: SessionKind::Cookie };
    let left = Event { account: Some(account), ..event(what) };
    let accompanying = Accompanying { events: vec![left.outbox()], ..Accompanying::default() };
    stores.accounts.note(&accompanying).await.unwrap();
    stores.close().await;
    let server = server.restart().await;
    let app = TokenUser::login(&server, USER, PASSWORD).await;
    let results: Vec<Value> = history(&app, 3).await.into_iter().map(|login| login["result"].clone()).collect();
    assert!(results.contains(&json!("disabled")), "{results:?}");
}

#[tokio::test]
async fn nobody_waits_for_a_nats_that_is_away() {
    Place::with(&[Nats], &async |place: &Place| {
        let target = host_of(Nats).unwrap();
        let wire = Wire::to(target.clone()).await;
        let address = wire.address;
        let namespace = place.config.namespace.clone();
        let server = Server::start_with(|mut config| {
            config.store.nats_url = Some(format!("nats://{address}").into());
            config.store.namespace = namespace;
            config.store.timeout_ms = 500;
            config
        })
        .await;
        wire.cut().await;
        assert_eq!(sign_in(&server, "a wrong password", "curl/8").await, 401);
        let app = TokenUser::login(&server, USER, PASSWORD).await;
        assert_eq!(app.get("/v1/auth/me/logins").await.json()["logins"], json!([]));
        let _wire = Wire::at(address, target).await;
        assert_eq!(history(&app, 2).await.len(), 2);
    })
    .await;
}
