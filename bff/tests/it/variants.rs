//! A view in several shapes: asked for by the query or a header, described, and refused where there is none.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Caller, Server};

const VIEW: &str = "\
view: greeting
route: GET /v1/greeting
access: public
params:
  name: { in: query, type: string, default: world }
shape:
  text: concat(\"Hello, \", $params.name)
  length: len($params.name)
variants:
  short: { params.name.default: you, omit: [length] }
";

async fn server() -> Server {
    Server::start_with(|config| {
        std::fs::write(format!("{}/greeting.yaml", config.views.dir), VIEW).unwrap();
        config
    })
    .await
}

#[tokio::test]
async fn the_query_or_a_header_chooses_a_variant() {
    let server = server().await;
    let anonymous = server.anonymous();
    let whole = anonymous.get("/v1/greeting").await;
    assert_eq!(whole.json(), json!({ "text": "Hello, world", "length": 5 }));
    let events = anonymous.request(Method::GET, "/v1/greeting").header("accept", "text/event-stream");
    for answer in [&whole, &Answer::of(events).await] {
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert!(vary.iter().any(|name| *name == "accept"), "{vary:?}");
        assert!(vary.iter().any(|name| *name == "bff-variant"), "{vary:?}");
    }
    let short = json!({ "text": "Hello, you" });
    assert_eq!(anonymous.get("/v1/greeting?variant=short").await.json(), short);
    let request = anonymous.request(Method::GET, "/v1/greeting").header("bff-variant", "short");
    assert_eq!(Answer::of(request).await.json(), short);
}

#[tokio::test]
async fn an_unknown_variant_is_refused_by_name() {
    let server = server().await;
    let answer = server.anonymous().get("/v1/greeting?variant=shrt").await;
    assert_eq!(answer.status, 400);
    let problem = answer.json();
    assert_eq!(problem["errors"][0]["code"], "unknown");
    assert_eq!(problem["errors"][0]["message"], "is not a variant of this view; did you mean `short`?");
}

#[tokio::test]
async fn the_document_has_the_parameter_and_a_schema_for_each() {
    let server = server().await;
    let document = server.anonymous().get("/openapi.json").await.json();
    let operation = &document["paths"]["/v1/greeting"]["get"];
    let variant = operation["parameters"].as_array().unwrap().iter().find(|p| p["name"] == "variant").unwrap();
    assert_eq!(variant["schema"]["enum"], json!(["short"]));
    let schemas = &operation["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"];
    assert_eq!(schemas[0]["title"], "greeting");
    assert_eq!(schemas[1]["title"], "short");
    assert!(schemas[1]["properties"]["length"].is_null());
}
