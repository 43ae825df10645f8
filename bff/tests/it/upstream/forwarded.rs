//! Which of the client's headers reach a service.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use bff::upstream;
use http::HeaderMap;

use crate::harness::{Answer, Backend, Server, contract};

const CONTRACT: &str = "
openapi: 3.0.3
info: { title: Things, version: 1.0.0 }
paths:
  /thing:
    get:
      operationId: getThing
      responses:
        '200':
          description: A thing
          content: { application/json: { schema: { type: object, required: [name], properties: { name: { type: string } } } } }
";

const VIEW: &str = "
view: thing
route: GET /v1/thing
access: public
calls:
  thing: { http: things/getThing }
shape: { name: thing.name }
";

#[tokio::test]
async fn those_that_are_named_and_no_others() {
    let kept = Arc::new(Mutex::new(HeaderMap::new()));
    let shared = Arc::clone(&kept);
    let answer = move |request: Request| {
        *shared.lock().unwrap() = request.headers().clone();
        std::future::ready(([("content-type", "application/json")], r#"{"name": "x"}"#))
    };
    let backend = Backend::start(Router::new().route("/thing", any(answer))).await;
    let server = Server::start_with_views(VIEW, |config| {
        let source = upstream::Config {
            http: Some(backend.url()),
            openapi: contract(config, CONTRACT),
            forward: vec!["accept-language".to_owned(), "X-Experiment".to_owned()],
            api_key: Some("s3cret".into()),
            ..upstream::Config::default()
        };
        config.sources.insert("things".to_owned(), source);
    })
    .await;
    let request = server.client.get(format!("{}/v1/thing", server.url));
    let sent = [
        ("accept-language", "tlh"),
        ("x-experiment", "b"),
        ("x-api-key", "the client's"),
        ("cookie", "a=b"),
        ("x-other", "y"),
        ("x-request-timeout-ms", "1"),
    ];
    let request = sent.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    assert_eq!(Answer::of(request).await.status, 200);
    let seen = kept.lock().unwrap().clone();
    assert_eq!((&seen["accept-language"], &seen["x-experiment"]), (&"tlh".parse().unwrap(), &"b".parse().unwrap()));
    assert_eq!(seen["x-api-key"], "s3cret");
    assert!(!seen.contains_key("cookie") && !seen.contains_key("x-other") && !seen.contains_key("authorization"));
    assert_ne!(seen["x-request-timeout-ms"], "1");
}
