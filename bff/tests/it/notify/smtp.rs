//! E-mail, over a real mail server.

use std::time::Duration;

use bff::config::Config;
use bff::notify::{Channel, Message, SmtpConfig, Template, Tls};
use serde_json::json;

use super::{code, counted};
use crate::harness::{MailServer, Server};

fn smtp(port: u16) -> SmtpConfig {
    SmtpConfig {
        server: Some(format!("localhost:{port}")),
        tls: Tls::None,
        from: Some("Shop <no-reply@shop.test>".to_owned()),
        ..SmtpConfig::default()
    }
}

async fn over(settings: SmtpConfig) -> Server {
    Server::start_with(|mut config: Config| {
        config.notify.site = "Shop".to_owned();
        config.notify.smtp = settings;
        config
    })
    .await
}

fn label(result: &str) -> String {
    format!(r#"bff_messages_total{{channel="email",template="register",result="{result}"}}"#)
}

#[tokio::test]
async fn a_code_arrives_in_the_language_of_its_receiver() {
    let Some(mut mails) = MailServer::start(&[]) else { return };
    let server = over(smtp(mails.port)).await;
    let english = code("ada@shop.test", "012345", &server.clock);
    server.notify.enqueue(&english).await.unwrap();
    let mail = mails.next("message").await;
    assert_eq!((&mail["sender"], &mail["to"]), (&json!("no-reply@shop.test"), &json!("ada@shop.test")));
    let headers = &mail["headers"];
    assert_eq!((&headers["from"], &headers["to"]), (&json!("Shop <no-reply@shop.test>"), &json!("ada@shop.test")));
    assert_eq!(headers["subject"], "Your code for Shop");
    assert_eq!(headers["message-id"], json!(format!("<{}@shop.test>", english.id)));
    assert_eq!(headers["date"], "Thu, 01 Jan 2026 12:00:00 +0000");
    assert_eq!(headers["auto-submitted"], "auto-generated");
    let text = mail["text"].as_str().unwrap().replace("\r\n", "\n");
    assert!(
        text.starts_with("Your code to create an account at Shop:\n\n012345\n\nIt is valid for 10 minutes."),
        "{text}"
    );
    let html = mail["html"].as_str().unwrap();
    assert!(html.contains("<html lang=\"en\">") && html.contains(">012345</p>"), "{html}");

    let russian =
        Message { locale: Some("de, ru-RU;q=0.8".to_owned()), ..code("ada@shop.test", "678901", &server.clock) };
    server.notify.enqueue(&russian).await.unwrap();
    let mail = mails.next("message").await;
    assert_eq!(mail["headers"]["subject"], "Ваш код для Shop");
    assert!(mail["text"].as_str().unwrap().contains("678901"), "{mail}");
    counted(&server, &label("sent"), 2).await;
    let answer = server.client.get(format!("{}/dev/messages", server.admin_url)).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "[]", "what is sent is not kept");
}

#[tokio::test]
async fn a_login_goes_over_tls_alone_and_the_connection_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut mails) = MailServer::start_guarded(folder.path(), "shop:a secret") else { return };
    let settings = SmtpConfig {
        tls: Tls::Starttls,
        tls_ca: Some(folder.path().join("mail.crt")),
        username: Some("shop".to_owned()),
        password: Some("a secret".into()),
        ..smtp(mails.port)
    };
    let server = over(settings).await;
    let mut connections = Vec::new();
    for number in 0..3 {
        server.notify.enqueue(&code("ada@shop.test", &format!("00000{number}"), &server.clock)).await.unwrap();
        let mail = mails.next("message").await;
        assert_eq!((&mail["tls"], &mail["login"]), (&json!(true), &json!("shop")));
        connections.push(mail["connection"].as_u64().unwrap());
        // Until it is counted, the connection may not be back.
        counted(&server, &label("sent"), number + 1).await;
    }
    connections.dedup();
    assert_eq!(connections.len(), 1, "{connections:?}");
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_cannot_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let Some(guarded) = MailServer::start_guarded(folder.path(), "shop:a secret") else { return };
    let Some(open) = MailServer::start(&[]) else { return };
    let trusted = Some(folder.path().join("mail.crt"));
    let login = |password: &str| (Some("shop".to_owned()), Some(password.to_owned().into()));
    for (port, tls_ca, (username, password)) in [
        (open.port, trusted.clone(), login("a secret")),
        (guarded.port, None, login("a secret")),
        (guarded.port, trusted, login("another")),
    ] {
        let settings = SmtpConfig { tls: Tls::Starttls, tls_ca, username, password, ..smtp(port) };
        let bff = over(settings).await;
        bff.notify.enqueue(&code("ada@shop.test", "012345", &bff.clock)).await.unwrap();
        counted(&bff, &label("retried"), 1).await;
        counted(&bff, r#"bff_degraded{part="smtp"}"#, 1).await;
    }
    for mut server in [guarded, open] {
        assert!(!server.so_far().iter().any(|event| event["event"] == "asked"), "no mail was begun");
    }
}

#[tokio::test]
async fn trouble_that_passes_is_waited_for() {
    let Some(mut mails) = MailServer::start(&[]) else { return };
    let server = over(SmtpConfig { timeout_ms: 500, ..smtp(mails.port) }).await;
    for (number, to) in ["busy@shop.test", "cut@shop.test", "slow@shop.test"].into_iter().enumerate() {
        let message = code(to, "012345", &server.clock);
        server.notify.enqueue(&message).await.unwrap();
        counted(&server, &label("retried"), number + 1).await;
        counted(&server, r#"bff_degraded{part="smtp"}"#, 1).await;
        server.clock.advance(Duration::from_secs(1));
        let mail = mails.next("message").await;
        assert_eq!(mail["to"], to);
        assert_eq!(mail["headers"]["message-id"], json!(format!("<{}@shop.test>", message.id)));
        counted(&server, &label("sent"), number + 1).await;
        counted(&server, r#"bff_degraded{part="smtp"}"#, 0).await;
    }
}

#[tokio::test]
async fn a_receiver_that_is_refused_is_not_tried_again() {
    let Some(mut mails) = MailServer::start(&[]) else { return };
    let server = over(smtp(mails.port)).await;
    server.notify.enqueue(&code("gone@shop.test", "012345", &server.clock)).await.unwrap();
    server.notify.enqueue(&code("ada@shop.test\r\nBcc: eve@evil.test", "012345", &server.clock)).await.unwrap();
    counted(&server, &label("refused"), 2).await;
    counted(&server, r#"bff_degraded{part="smtp"}"#, 0).await;
    server.clock.advance(Duration::from_secs(120));
    server.notify.enqueue(&code("ada@shop.test", "012345", &server.clock)).await.unwrap();
    mails.next("message").await;
    let asked: Vec<_> = mails.so_far().into_iter().filter(|event| event["event"] == "asked").collect();
    assert_eq!(
        asked.iter().map(|event| event["to"].as_str().unwrap()).collect::<Vec<_>>(),
        ["gone@shop.test", "ada@shop.test"]
    );
}

#[tokio::test]
async fn a_server_that_stays_away_is_tried_until_the_code_is_over() {
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = over(smtp(port)).await;
    server.notify.enqueue(&code("ada@shop.test", "012345", &server.clock)).await.unwrap();
    for retried in 1..5 {
        counted(&server, &label("retried"), retried).await;
        server.clock.advance(Duration::from_secs(20));
    }
    server.clock.advance(Duration::from_secs(600));
    counted(&server, &label("expired"), 1).await;
}

#[tokio::test]
async fn a_message_outlives_the_server_that_took_it() {
    let Some(mut mails) = MailServer::start(&[]) else { return };
    let port = mails.port;
    let server = over(smtp(port)).await;
    server.notify.enqueue(&code("busy@shop.test", "012345", &server.clock)).await.unwrap();
    counted(&server, &label("retried"), 1).await;
    let server = server.restart_with(|mut config| {
        config.notify.smtp = smtp(port);
        config
    });
    let server = server.await;
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(mails.next("message").await["to"], "busy@shop.test");
    counted(&server, &label("sent"), 1).await;
}

#[tokio::test]
async fn a_number_without_a_gateway_goes_to_the_mailbox() {
    let Some(mails) = MailServer::start(&[]) else { return };
    let server = over(smtp(mails.port)).await;
    let now = server.clock.now();
    let text = Message::notice(Channel::Sms, "+15550100001".to_owned(), Template::PasswordChanged, None, now);
    server.notify.enqueue(&text).await.unwrap();
    assert_eq!(super::arrived(&server, "?to=%2B15550100001", 1).await[0]["channel"], "sms");
}
