//! Messages to people: what becomes of one after it was left in the queue.

mod settings;
mod sms;
mod smtp;

use std::time::Duration;

use bff::clock::Clock;
use bff::config::Config;
use bff::notify::{Channel, CodePurpose, Deliver, Message, Template};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::harness::{Answer, Caller, Server};

fn code(to: &str, code: &str, clock: &Clock) -> Message {
    Message {
        id: Uuid::now_v7(),
        channel: if to.starts_with('+') { Channel::Sms } else { Channel::Email },
        to: to.to_owned(),
        template: Template::Code { purpose: CodePurpose::Register, code: code.into() },
        locale: None,
        expires_at: clock.now() + Duration::from_secs(600),
    }
}

async fn messages(server: &Server, query: &str) -> Vec<Value> {
    let answer = Answer::of(server.client.get(format!("{}/dev/messages{query}", server.admin_url))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits until so many have arrived.
async fn arrived(server: &Server, query: &str, count: usize) -> Vec<Value> {
    for _ in 0..1000 {
        let found = messages(server, query).await;
        if found.len() >= count {
            return found;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} messages do not arrive: {:?}", messages(server, query).await);
}

async fn metrics(server: &Server) -> String {
    let answer = Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await;
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// Waits until a measure has this value.
async fn counted(server: &Server, measure: &str, value: usize) {
    let line = format!("{measure} {value}");
    for _ in 0..3000 {
        if metrics(server).await.lines().any(|found| found == line) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let name = measure.split('{').next().unwrap();
    let found: Vec<String> =
        metrics(server).await.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect();
    panic!("`{line}` does not come about: {found:#?}");
}

#[tokio::test]
async fn development_has_a_mailbox_instead_of_a_provider() {
    let server = Server::start().await;
    server.notify.enqueue(&code("ada@shop.test", "012345", &server.clock)).await.unwrap();
    arrived(&server, "?to=ada@shop.test", 1).await;
    server.clock.advance(Duration::from_secs(60));
    server.notify.enqueue(&code("ada@shop.test", "678901", &server.clock)).await.unwrap();
    server.notify.enqueue(&code("+15550100001", "555555", &server.clock)).await.unwrap();

    let found = arrived(&server, "?to=Ada@SHOP.test", 2).await;
    let expected = [("678901", "2026-01-01T12:01:00Z"), ("012345", "2026-01-01T12:00:00Z")].map(|(code, sent)| {
        json!({ "to": "ada@shop.test", "channel": "email", "purpose": "register", "code": code, "sentAt": sent })
    });
    assert_eq!(found, expected, "newest first");
    let found = arrived(&server, "?to=%2B1 (555) 010-0001", 1).await;
    assert_eq!((&found[0]["channel"], &found[0]["code"]), (&json!("sms"), &json!("555555")));
    assert_eq!(arrived(&server, "?to=+15550100001", 1).await, found, "as it is typed");
    assert_eq!(messages(&server, "").await.len(), 3);
    counted(&server, r#"bff_messages_total{channel="email",template="register",result="sent"}"#, 2).await;
}

#[tokio::test]
async fn what_tells_no_code_is_there_too() {
    let server = Server::start().await;
    let notice =
        Message::notice(Channel::Email, "ada@shop.test".into(), Template::PasswordChanged, None, server.clock.now());
    server.notify.enqueue(&notice).await.unwrap();
    let found = arrived(&server, "", 1).await;
    assert_eq!((&found[0]["purpose"], &found[0]["code"]), (&json!("password-changed"), &Value::Null));
}

#[tokio::test]
async fn a_message_that_is_left_twice_arrives_once() {
    let server = Server::start().await;
    let twice = code("ada@shop.test", "012345", &server.clock);
    server.notify.enqueue(&twice).await.unwrap();
    server.notify.enqueue(&twice).await.unwrap();
    server.notify.enqueue(&code("ada@shop.test", "678901", &server.clock)).await.unwrap();
    let found = arrived(&server, "", 2).await;
    assert_eq!(found.len(), 2, "{found:?}");
}

#[tokio::test]
async fn a_message_whose_code_is_over_is_dropped() {
    let server = Server::start().await;
    let mut late = code("ada@shop.test", "012345", &server.clock);
    late.expires_at = server.clock.now();
    server.notify.enqueue(&late).await.unwrap();
    server.notify.enqueue(&code("ada@shop.test", "678901", &server.clock)).await.unwrap();
    counted(&server, r#"bff_messages_total{channel="email",template="register",result="expired"}"#, 1).await;
    let found = arrived(&server, "", 1).await;
    assert_eq!((found.len(), &found[0]["code"]), (1, &json!("678901")));
}

async fn production(change: impl FnOnce(&mut Config)) -> Server {
    Server::start_with(|mut config| {
        let key = format!("{}.key", config.views.dir);
        std::fs::write(&key, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
        config.environment = bff::config::Environment::Production;
        config.identity.master_key_file = Some(key.clone().into());
        config.identity.pepper_file = Some(key.into());
        change(&mut config);
        config
    })
    .await
}

#[tokio::test]
async fn production_has_no_mailbox() {
    let answer = |server: Server| async move {
        Answer::of(server.client.get(format!("{}/dev/messages", server.admin_url))).await.status
    };
    assert_eq!(answer(Server::start().await).await, 200);
    assert_eq!(answer(production(|_| {}).await).await, 404);
}

#[tokio::test]
async fn a_code_that_nothing_would_deliver_is_refused() {
    let smtp = |config: &mut Config| {
        config.notify.smtp.server = Some("127.0.0.1:1".to_owned());
        config.notify.smtp.from = Some("Shop <no-reply@shop.test>".to_owned());
    };
    let gateway = |config: &mut Config| {
        config.notify.sms.url = Some("https://127.0.0.1:1/".to_owned());
        config.identity.codes.budgets.sms_per_day = [("+1".to_owned(), 10)].into();
    };
    let by_email = production(smtp).await;
    let by_sms = production(gateway).await;
    let neither = production(|config| {
        smtp(config);
        gateway(config);
        config.notify.deliver = Deliver::Off;
    })
    .await;
    let (email, phone) = ("user@shop.test", "+15550100001");
    let cases = [
        (&by_email, email, None),
        (&by_email, phone, Some("accounts here are reached by e-mail only")),
        (&by_sms, phone, None),
        (&by_sms, email, Some("accounts here are reached by SMS only")),
        (&neither, email, Some("no codes are sent here")),
        (&neither, phone, Some("no codes are sent here")),
    ];
    for (server, identifier, refused) in cases {
        let register = json!({ "identifier": identifier, "purpose": "register" });
        for (path, body) in [("verify-code", register), ("reset-password", json!({ "identifier": identifier }))] {
            let answer = server.anonymous().post(&format!("/v1/auth/{path}"), body).await;
            match refused {
                None => assert_eq!(answer.status, 202, "{path} {identifier}: {answer:?}"),
                Some(reason) => {
                    let problem = answer.json();
                    assert_eq!((answer.status, &problem["code"]), (400, &json!("channel-unavailable")), "{identifier}");
                    assert_eq!(problem["detail"], reason);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_message_whose_worker_died_is_sent_once_more_and_not_twice() {
    let server = Server::start().await;
    let url = format!("sqlite:{}", server.folder.path().join("bff.db").display());
    let store = bff::store::Config { database_url: url.into(), timeout_ms: 10_000, ..bff::store::Config::default() };
    let stores = bff::store::Stores::open(&store, server.clock.clone()).await.unwrap();
    let count =
        |result: &str| format!(r#"bff_messages_total{{channel="email",template="register",result="{result}"}}"#);
    // As a worker leaves it that dies with the message in its hands, for the first time and again, or before it can
    // say that it is sent.
    for (left, result, times) in [("begun", "sent", 1), ("begun again", "repeated", 1), ("sent", "repeated", 2)] {
        let message = code("ada@shop.test", "012345", &server.clock);
        let key = format!("message:{}", message.id);
        stores.key_value.put(&key, left.as_bytes(), Duration::from_secs(600)).await.unwrap();
        server.notify.enqueue(&message).await.unwrap();
        counted(&server, &count(result), times).await;
    }
    assert_eq!(messages(&server, "").await.len(), 1);
    stores.close().await;
}
