//! Text messages, over an HTTP gateway that does not always do what it should.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use bff::config::Config;
use bff::notify::{BodyType, SmsConfig};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::{code, counted};
use crate::harness::{Backend, Server};

struct Request {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// Answers with these statuses one after the other, then with 200; 0 is silence.
async fn gateway(statuses: &[u16]) -> (Backend, UnboundedReceiver<Request>) {
    let (sender, requests) = unbounded_channel();
    let statuses = Arc::new(Mutex::new(VecDeque::from(statuses.to_vec())));
    let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let status = statuses.lock().unwrap().pop_front().unwrap_or(200);
        let _ = sender.send(Request { method, uri, headers, body });
        async move {
            if status == 0 {
                sleep(Duration::from_secs(3600)).await;
            }
            StatusCode::from_u16(status).unwrap()
        }
    };
    (Backend::start(Router::new().fallback(answer)).await, requests)
}

async fn over(settings: SmsConfig) -> Server {
    Server::start_with(|mut config: Config| {
        config.notify.site = "Shop".to_owned();
        config.notify.sms = settings;
        config
    })
    .await
}

async fn next(requests: &mut UnboundedReceiver<Request>) -> Request {
    timeout(Duration::from_secs(60), requests.recv()).await.unwrap().unwrap()
}

fn label(result: &str) -> String {
    format!(r#"bff_messages_total{{channel="sms",template="register",result="{result}"}}"#)
}

#[tokio::test]
async fn a_gateway_is_called_as_the_configuration_says() {
    let (backend, mut requests) = gateway(&[]).await;
    let server = over(SmsConfig {
        url: Some(format!("{}/messages", backend.url())),
        bearer: Some("a secret".into()),
        headers: [("x-tenant".to_owned(), "shop".to_owned().into())].into(),
        ..SmsConfig::default()
    })
    .await;
    let message = code("+15550100001", "012345", &server.clock);
    server.notify.enqueue(&message).await.unwrap();
    let request = next(&mut requests).await;
    assert_eq!((request.method, request.uri.path()), (Method::POST, "/messages"));
    assert_eq!(request.headers["authorization"], "Bearer a secret");
    assert_eq!(
        (&request.headers["x-tenant"], &request.headers["content-type"]),
        (&"shop".parse().unwrap(), &"application/json".parse().unwrap())
    );
    let text = "Shop: your code is 012345, valid for 10 min. Tell it to nobody.";
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({ "to": "+15550100001", "text": text, "reference": message.id }));
    counted(&server, &label("sent"), 1).await;
}

#[tokio::test]
async fn a_gateway_may_want_a_form_or_a_query() {
    let (backend, mut requests) = gateway(&[]).await;
    let form = over(SmsConfig {
        url: Some(format!("{}/send", backend.url())),
        method: "PUT".to_owned(),
        username: Some("shop".to_owned()),
        password: Some("a secret".into()),
        body_type: BodyType::Form,
        body: "phone={to}&message={text}&from=Shop".to_owned(),
        ..SmsConfig::default()
    })
    .await;
    form.notify.enqueue(&code("+15550100001", "012345", &form.clock)).await.unwrap();
    let request = next(&mut requests).await;
    assert_eq!(
        (request.method, &request.headers["content-type"]),
        (Method::PUT, &"application/x-www-form-urlencoded".parse().unwrap())
    );
    assert_eq!(request.headers["authorization"], "Basic c2hvcDphIHNlY3JldA==");
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    assert!(body.starts_with("phone=%2B15550100001&message=Shop%3A%20your%20code%20is%20012345%2C"), "{body}");
    assert!(body.ends_with("&from=Shop"), "{body}");

    let query = over(SmsConfig {
        url: Some(format!("{}/send?to={{to}}&text={{text}}", backend.url())),
        method: "GET".to_owned(),
        body: String::new(),
        ..SmsConfig::default()
    })
    .await;
    query.notify.enqueue(&code("+15550100001", "678901", &query.clock)).await.unwrap();
    let request = next(&mut requests).await;
    assert!(request.uri.query().unwrap().starts_with("to=%2B15550100001&text=Shop%3A%20your%20code%20is%20678901"));
    assert!(request.body.is_empty() && !request.headers.contains_key("content-type"));
}

#[tokio::test]
async fn a_gateway_that_fails_is_tried_again() {
    let (backend, mut requests) = gateway(&[503, 0, 429, 401, 302]).await;
    let url = Some(format!("{}/messages", backend.url()));
    let server = over(SmsConfig { url, timeout_ms: 500, ..SmsConfig::default() }).await;
    server.notify.enqueue(&code("+15550100001", "012345", &server.clock)).await.unwrap();
    for retried in 1..=5 {
        next(&mut requests).await;
        counted(&server, &label("retried"), retried).await;
        counted(&server, r#"bff_degraded{part="sms"}"#, 1).await;
        server.clock.advance(Duration::from_secs(16));
    }
    next(&mut requests).await;
    counted(&server, &label("sent"), 1).await;
    counted(&server, r#"bff_degraded{part="sms"}"#, 0).await;
}

#[tokio::test]
async fn what_a_gateway_refuses_is_dropped() {
    let (backend, mut requests) = gateway(&[400, 422]).await;
    let server = over(SmsConfig { url: Some(backend.url()), ..SmsConfig::default() }).await;
    for _ in 0..2 {
        server.notify.enqueue(&code("+15550100001", "012345", &server.clock)).await.unwrap();
        next(&mut requests).await;
    }
    counted(&server, &label("refused"), 2).await;
    server.notify.enqueue(&code("+15550100002", "012345", &server.clock)).await.unwrap();
    next(&mut requests).await;
    counted(&server, &label("sent"), 1).await;
}

#[tokio::test]
async fn a_gateway_that_is_slow_holds_up_no_mail() {
    let (backend, mut requests) = gateway(&[0; 50]).await;
    let server = over(SmsConfig { url: Some(backend.url()), ..SmsConfig::default() }).await;
    for _ in 0..20 {
        server.notify.enqueue(&code("+15550100001", "012345", &server.clock)).await.unwrap();
    }
    next(&mut requests).await;
    server.notify.enqueue(&code("ada@shop.test", "678901", &server.clock)).await.unwrap();
    super::arrived(&server, "?to=ada@shop.test", 1).await;
}
