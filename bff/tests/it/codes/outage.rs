//! What becomes of codes when a part is away: nothing is spent that was not used.

use std::time::Duration;

use bff::app::{self, Audience};
use bff::clock::Clock;
use time::macros::datetime;

use super::{NEW, challenge, code, message, messages, problem, register, registration, reset_password, verify_code};
use crate::conformance::wire::Wire;
use crate::conformance::{Backend, Place, eventually};
use crate::harness::{Answer, Server, bare_config};
use crate::store::host_of;
use crate::store::outage::over;

/// A server that reaches one of its stores over a wire.
async fn server(place: &Place, backend: Backend, wire: &Wire) -> Server {
    let store = over(place, backend, wire.address);
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("master.key");
    std::fs::write(&key, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n").unwrap();
    let server = Server::start_with(|mut config| {
        config.store = store;
        config.identity.master_key_file = Some(key);
        config
    })
    .await;
    // The key is read at the start.
    drop(folder);
    server
}

async fn unavailable(answer: &Answer) -> bool {
    (answer.status, answer.header("retry-after").is_empty()) == (503, false)
}

#[tokio::test]
async fn without_the_queue_no_code_is_promised_and_nothing_is_spent() {
    let test = async |place: &Place| {
        let target = host_of(Backend::Nats).unwrap();
        let wire = Wire::to(target.clone()).await;
        let address = wire.address;
        let server = server(place, Backend::Nats, &wire).await;
        wire.cut().await;
        for _ in 0..10 {
            assert!(unavailable(&verify_code(&server, NEW, "register").await).await);
        }
        let _wire = Wire::at(address, target).await;
        let asked = eventually(async || {
            let answer = verify_code(&server, NEW, "register").await;
            (answer.status != 503).then_some(answer)
        })
        .await;
        assert_eq!(asked.json()["resendAfter"], 60, "the first");
        let body = registration(&challenge(&asked), &code(&server, NEW, 1).await, NEW);
        assert_eq!(register(&server, body).await.status, 201);
    };
    Place::with(&[Backend::Nats], &test).await;
}

#[tokio::test]
async fn without_the_database_a_code_is_not_used_up() {
    let test = async |place: &Place| {
        let target = host_of(Backend::Postgres).unwrap();
        let wire = Wire::to(target.clone()).await;
        let address = wire.address;
        let server = server(place, Backend::Postgres, &wire).await;
        let id = challenge(&verify_code(&server, NEW, "register").await);
        let right = code(&server, NEW, 1).await;
        wire.cut().await;
        for _ in 0..7 {
            assert!(unavailable(&register(&server, registration(&id, &right, NEW)).await).await);
        }
        // A start does not need it, and its errand waits for it.
        assert_eq!(reset_password(&server, "admin@shop.test").await.status, 202);
        let _wire = Wire::at(address, target).await;
        let done = eventually(async || {
            let answer = register(&server, registration(&id, &right, NEW)).await;
            (answer.status != 503).then_some(answer)
        })
        .await;
        assert_eq!(done.status, 201, "{done:?}");
        assert_eq!(message(&server, "admin@shop.test", 1).await["purpose"], "reset-password");
    };
    Place::with(&[Backend::Postgres, Backend::Redis, Backend::Nats], &test).await;
}

#[tokio::test]
async fn without_redis_nothing_is_asked_for_and_nothing_compared() {
    let test = async |place: &Place| {
        let target = host_of(Backend::Redis).unwrap();
        let wire = Wire::to(target.clone()).await;
        let address = wire.address;
        let server = server(place, Backend::Redis, &wire).await;
        let id = challenge(&verify_code(&server, NEW, "register").await);
        let right = code(&server, NEW, 1).await;
        wire.cut().await;
        assert!(unavailable(&verify_code(&server, "other@shop.test", "register").await).await);
        for _ in 0..7 {
            assert!(unavailable(&register(&server, registration(&id, "000000", NEW)).await).await);
        }
        let _wire = Wire::at(address, target).await;
        let done = eventually(async || {
            let answer = register(&server, registration(&id, &right, NEW)).await;
            (answer.status != 503).then_some(answer)
        })
        .await;
        assert_eq!(done.status, 201, "{done:?}");
    };
    Place::with(&[Backend::Redis], &test).await;
}

/// Asked for before anybody works.
#[tokio::test]
async fn a_code_that_is_late_is_not_sent() {
    app::install_crypto();
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(datetime!(2026-01-01 12:00 UTC));
    let (config, listeners) = app::bind(bare_config(&folder)).await.unwrap();
    let urls = (format!("http://{}", config.http.listen), format!("http://{}", config.admin.listen));
    let app = app::build(config, clock.clone(), Audience::Log).await.unwrap();
    let ask = |identifier: &str| bff::identity::Ask {
        purpose: bff::identity::Purpose::Register,
        identifier: bff::identity::Identifier::parse(identifier).unwrap(),
        account: None,
        asker: bff::identity::Asker::Stranger,
        address: None,
        locale: None,
    };
    app.identity().ask_for_code(ask(NEW)).await.unwrap();
    clock.advance(Duration::from_secs(600));
    app.identity().ask_for_code(ask("later@shop.test")).await.unwrap();
    let server = Server::run(app, listeners, urls, clock, folder);
    message(&server, "later@shop.test", 1).await;
    assert!(messages(&server, NEW).await.is_empty());
    let page = Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await;
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(page.contains(r#"bff_auth_events_total{event="code-errand",result="expired"} 1"#), "{page}");
}

#[tokio::test]
async fn an_identifier_must_be_one() {
    let server = Server::start().await;
    for nobody in ["", "ada", "@shop.test", "+1", "0044 7700 900000"] {
        assert_eq!(problem(&reset_password(&server, nobody).await), (400, "invalid-request".to_owned()), "{nobody}");
    }
}
