//! The trace that a request belongs to, from the client to the services.

use axum::Router;
use axum::routing::get;
use bff::upstream;
use http::HeaderMap;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Backend, Caller, Server, contract};

const CONTRACT: &str = "
openapi: 3.0.3
info: { title: Echo, version: 1.0.0 }
paths:
  /echo:
    get:
      operationId: echo
      responses:
        '200':
          description: The headers that came
          content:
            application/json:
              schema:
                type: object
                required: [parent, state]
                properties:
                  parent: { type: string }
                  state: { type: string }
";

const VIEW: &str = "
view: echo
route: GET /v1/echo
access: public
calls:
  echo:
    http: echo/echo
shape:
  parent: echo.parent
  state: echo.state
";

async fn echo(headers: HeaderMap) -> axum::Json<Value> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    axum::Json(json!({ "parent": text("traceparent"), "state": text("tracestate") }))
}

/// What a service was told by a request with these headers.
async fn told(server: &Server, headers: &[(&str, &str)]) -> (String, String) {
    let request = server.anonymous().request(Method::GET, "/v1/echo");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = Answer::of(request).await.json();
    (answer["parent"].as_str().unwrap().to_owned(), answer["state"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_trace_goes_on_or_begins() {
    let backend = Backend::start(Router::new().route("/echo", get(echo))).await;
    let server = Server::start_with_views(VIEW, |config| {
        let (http, openapi) = (Some(backend.url()), contract(config, CONTRACT));
        config.sources.insert("echo".to_owned(), upstream::Config { http, openapi, ..upstream::Config::default() });
    })
    .await;

    let trace = "0af7651916cd43dd8448eb211c80319c";
    for (flags, sent) in [("01", "01"), ("00", "00"), ("03", "01")] {
        let parent = format!("00-{trace}-b7ad6b7169203331-{flags}");
        let (told, state) =
            told(&server, &[("traceparent", &parent), ("tracestate", "a=1"), ("tracestate", "b=2")]).await;
        assert!(told.starts_with(&format!("00-{trace}-")) && told.ends_with(&format!("-{sent}")), "{told}");
        assert!(!told.contains("b7ad6b7169203331"), "this server's own step is the parent");
        assert_eq!((told.len(), state.as_str()), (55, "a=1,b=2"));
    }
    let newer = format!("cc-{trace}-b7ad6b7169203331-01-what-ever");
    assert!(told(&server, &[("traceparent", &newer)]).await.0.starts_with(&format!("00-{trace}-")));

    let wrong = [
        "",
        "00",
        &format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
        &format!("00-{trace}-{}-01", "0".repeat(16)),
        &format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
        &format!("ff-{trace}-b7ad6b7169203331-01"),
        &format!("00-{trace}-b7ad6b7169203331-01-more"),
        &format!("cc-{trace}-b7ad6b7169203331-01more"),
        &format!("00-{trace}-b7ad6b716920333g-01"),
        &format!("00-{trace}-+7ad6b7169203331-01"),
    ];
    for wrong in wrong {
        let (told, state) = told(&server, &[("traceparent", wrong), ("tracestate", "a=1")]).await;
        assert_eq!((told.len(), state.as_str()), (55, ""), "{wrong}");
        assert!(!told.contains(trace), "{wrong}");
    }
}
