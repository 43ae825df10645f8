//! How often callers may ask, and what they are told of it.

mod replicas;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bff::config::Config;
use bff::http::Network;
use bff::limits::{Enforce, Quota};
use bff::upstream;

use crate::harness::{Answer, Backend, Caller, Server, TokenUser, bare_config};

const PASSWORD: &str = "correct-horse-battery";

const CONTRACT: &str = r#"
openapi: 3.1.0
info: { title: catalog, version: "1" }
paths:
  /title:
    get:
      operationId: getTitle
      responses:
        "200":
          description: One.
          content:
            application/json:
              schema: { type: object, required: [title], properties: { title: { type: string } } }
"#;

const VIEWS: &str = r#"
view: title
route: GET /v1/title
access: public
calls:
  one: { http: catalog/getTitle }
shape: { title: one.title }
---
view: mine
route: GET /v1/mine
access: [user, operator]
calls:
  one: { http: catalog/getTitle }
shape: { title: one.title }
"#;

async fn catalog() -> Backend {
    Backend::start(Router::new().route("/title", get(|| async { axum::Json(serde_json::json!({ "title": "A" })) })))
        .await
}

/// The views over the catalog, limits on, and this machine a trusted proxy.
fn limited(config: Config, catalog: &Backend) -> Config {
    let folder = config.views.dir.clone();
    let contract = format!("{folder}/../catalog.yaml");
    std::fs::write(&contract, CONTRACT).unwrap();
    std::fs::write(format!("{folder}/views.yaml"), VIEWS).unwrap();
    let source = upstream::Config { http: Some(catalog.url()), openapi: Some(contract), ..Default::default() };
    let mut config = config;
    config.sources.insert("catalog".to_owned(), source);
    config.limits.enforce = Enforce::On;
    config.http.trusted_proxies = vec![Network::try_from("127.0.0.1".to_owned()).unwrap()];
    config
}

async fn ask_from(server: &Server, path: &str, address: &str) -> Answer {
    Answer::of(server.anonymous().request(http::Method::GET, path).header("x-forwarded-for", address)).await
}

#[tokio::test]
async fn an_account_has_one_bucket_for_views_and_account_routes() {
    let catalog = catalog().await;
    let server = Server::start_with(|config| {
        let mut config = limited(config, &catalog);
        config.limits.caller = Quota::of(3, 30);
        config.limits.roles.operator = Some(Quota::of(5, 60));
        config
    })
    .await;
    let user = TokenUser::login(&server, "user@shop.test", PASSWORD).await;
    let first = user.get("/v1/auth/me").await;
    assert_eq!(first.header("ratelimit-policy"), "\"caller\";q=3;w=30");
    assert_eq!(first.header("ratelimit"), "\"caller\";r=2;t=10");
    let second = user.get("/v1/mine").await;
    assert_eq!((second.status, second.header("ratelimit")), (200, "\"caller\";r=1;t=20"));
    // Another session of the account is the same caller.
    let again = TokenUser::login(&server, "user@shop.test", PASSWORD).await;
    assert_eq!(again.get("/v1/title").await.header("ratelimit"), "\"caller\";r=0;t=30");

    for path in ["/v1/auth/me", "/v1/mine", "/v1/title"] {
        let refused = user.get(path).await;
        assert_eq!((refused.status, refused.header("content-type")), (429, "application/problem+json"), "{path}");
        assert_eq!(refused.json()["code"], "too-many-requests");
        assert_eq!(refused.header("retry-after"), "10");
        assert_eq!(refused.header("ratelimit"), "\"caller\";r=0;t=30");
        assert_eq!(refused.header("ratelimit-policy"), "\"caller\";q=3;w=30");
    }
    let operator = TokenUser::login(&server, "operator@shop.test", PASSWORD).await;
    assert_eq!(operator.get("/v1/mine").await.header("ratelimit"), "\"caller\";r=4;t=12", "a role has its own");

    server.clock.advance(Duration::from_secs(10));
    assert_eq!(user.get("/v1/mine").await.status, 200, "when it was told to");
    assert_eq!(user.get("/v1/mine").await.status, 429);
    let measures = Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await;
    let measures = String::from_utf8(measures.body.to_vec()).unwrap();
    assert!(measures.contains("bff_rate_limited_total{policy=\"caller\"} 4"), "{measures}");
}

#[tokio::test]
async fn a_view_has_a_bucket_for_each_account_and_each_address() {
    let catalog = catalog().await;
    let server = Server::start_with(|config| {
        let mut config = limited(config, &catalog);
        config.limits.views = BTreeMap::from([("title".to_owned(), Quota::of(1, 60))]);
        config
    })
    .await;
    let answer = ask_from(&server, "/v1/title", "198.51.100.1").await;
    assert_eq!((answer.status, answer.header("ratelimit")), (200, "\"view:title\";r=0;t=60"));
    let refused = ask_from(&server, "/v1/title", "198.51.100.1").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "60"));
    assert_eq!(ask_from(&server, "/v1/title", "198.51.100.2").await.status, 200);
    assert_eq!(ask_from(&server, "/v1/title", "2001:db8::1").await.status, 200);
    assert_eq!(ask_from(&server, "/v1/title", "2001:db8::2").await.status, 429, "one household");

    let user = TokenUser::login(&server, "user@shop.test", PASSWORD).await;
    let both = user.get("/v1/title").await;
    let fields = |name| both.headers.get_all(name).iter().map(|field| field.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(fields("ratelimit"), ["\"caller\";r=1199;t=1", "\"view:title\";r=0;t=60"]);
    assert_eq!(fields("ratelimit-policy"), ["\"caller\";q=1200;w=60", "\"view:title\";q=1;w=60"]);
    assert_eq!(user.get("/v1/title").await.status, 429);
    assert_eq!(user.get("/v1/mine").await.status, 200, "another view");
}

#[tokio::test]
async fn a_limit_for_no_view_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog().await;
    let mut config = limited(bare_config(&folder), &catalog);
    config.limits.views = BTreeMap::from([("titel".to_owned(), Quota::of(1, 60))]);
    let problem = bff::app::check(&config).unwrap_err().to_string();
    assert_eq!(problem, "limits.views.titel: there is no view `titel`; did you mean `title`?");
}

#[tokio::test]
async fn who_is_not_limited_is_told_nothing() {
    let catalog = catalog().await;
    let server = Server::start_with(|config| {
        let mut config = limited(config, &catalog);
        config.limits.enforce = Enforce::Auto;
        config
    })
    .await;
    let user = TokenUser::login(&server, "user@shop.test", PASSWORD).await;
    let answer = user.get("/v1/mine").await;
    assert_eq!((answer.status, answer.header("ratelimit"), answer.header("ratelimit-policy")), (200, "", ""));
}
