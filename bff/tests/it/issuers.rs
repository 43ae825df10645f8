//! Callers whom another issuer vouches for: who they are here, and whose tokens are refused.

pub mod fake;
mod forged;
mod provider;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use bff::config::Config;
use bff::identity::{DEMO_PASSWORD, Role};
use bff::upstream;
use http::HeaderMap;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::conformance::eventually;
use crate::harness::{Answer, Backend, Caller, Server, TokenUser};
use fake::{AUDIENCE, FakeIssuer, config};

const VIEWS: &str = "
view: whoami
route: GET /v1/whoami
access: user
shape:
  sub: $auth.sub
  email: $auth.email
  scopes: $auth.scopes
---
view: business
route: GET /v1/business
access: operator
shape:
  role: $auth.role
---
view: notes
route: GET /v1/notes
access: user
deadline: 25s
calls:
  notes:
    http: notes/listNotes
shape:
  text: notes.text
";

const NOTES: &str = r#"{
  "openapi": "3.1.0", "info": { "title": "notes", "version": "1" },
  "paths": { "/notes": { "get": { "operationId": "listNotes", "responses": { "200": {
    "description": "ok", "content": { "application/json": { "schema": {
      "type": "object", "required": ["text"], "properties": { "text": { "type": "string" } } } } } } } } } }
}"#;

fn views(config: &Config) {
    let views = VIEWS.split("---\n").take(2).collect::<Vec<_>>().join("---\n");
    std::fs::write(format!("{}/visitors.yaml", config.views.dir), views).unwrap();
}

/// A server that takes the tokens of these issuers.
async fn server(issuers: &[(&str, &FakeIssuer)], change: impl FnOnce(&mut Config)) -> Server {
    Server::start_with(|mut settings| {
        views(&settings);
        settings.identity.issuers =
            issuers.iter().map(|(name, issuer)| ((*name).to_owned(), config(issuer))).collect::<BTreeMap<_, _>>();
        change(&mut settings);
        settings
    })
    .await
}

fn visitor(server: &Server, access_token: String) -> TokenUser<'_> {
    TokenUser { server, access_token, refresh_token: String::new() }
}

#[tokio::test]
async fn a_visitor_has_the_name_that_his_issuer_gives_him() {
    let issuer = FakeIssuer::start().await;
    let server = server(&[("staff", &issuer)], |_| {}).await;
    let eve = visitor(&server, issuer.token(&issuer.claims("eve")));
    let answer = eve.get("/v1/whoami").await;
    let expected = json!({ "sub": "staff:eve", "email": "eve@shop.test", "scopes": ["orders:read", "orders:write"] });
    assert_eq!((answer.status, answer.json()), (200, expected));

    let mut unverified = issuer.claims("eve");
    unverified["email_verified"] = json!(false);
    let answer = visitor(&server, issuer.token(&unverified)).get("/v1/whoami").await;
    assert_eq!(answer.json()["email"], Value::Null);
    assert_eq!(eve.get("/v1/business").await.status, 403);
}

#[tokio::test]
async fn roles_count_where_the_configuration_translates_them() {
    let issuer = FakeIssuer::start().await;
    let server = server(&[("staff", &issuer)], |settings| {
        let staff = settings.identity.issuers.get_mut("staff").unwrap();
        staff.claims.role = "/realm_access/roles".to_owned();
        staff.roles = [("shop-staff".to_owned(), Role::Operator), ("customer".to_owned(), Role::User)].into();
        staff.default_role = None;
    })
    .await;
    let status = async |roles: Value, path: &str| {
        let mut claims = issuer.claims("eve");
        claims["realm_access"] = json!({ "roles": roles });
        visitor(&server, issuer.token(&claims)).get(path).await.status
    };
    assert_eq!(status(json!(["x", "shop-staff"]), "/v1/business").await, 200);
    assert_eq!(status(json!("customer shop-staff"), "/v1/business").await, 200);
    assert_eq!(status(json!(["customer"]), "/v1/business").await, 403);
    assert_eq!(status(json!(["customer"]), "/v1/whoami").await, 200);
    // Neither our own words for roles nor anything else is one.
    for none in [json!(["operator", "admin"]), json!([]), json!(7), json!({ "shop-staff": true })] {
        assert_eq!(status(none.clone(), "/v1/business").await, 401, "{none}");
    }
}

#[tokio::test]
async fn nobody_takes_the_name_of_an_account_or_of_another_issuer_s_subject() {
    let (one, other) = (FakeIssuer::start().await, FakeIssuer::start().await);
    let server = server(&[("one", &one), ("other", &other)], |_| {}).await;
    let user = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    let account = user.get("/v1/whoami").await.json()["sub"].as_str().unwrap().to_owned();
    let name = async |issuer: &FakeIssuer, sub: &str| {
        let answer = visitor(&server, issuer.token(&issuer.claims(sub))).get("/v1/whoami").await;
        answer.json()["sub"].as_str().unwrap().to_owned()
    };
    assert_eq!(name(&one, &account).await, format!("one:{account}"));
    assert_eq!(name(&other, &account).await, format!("other:{account}"));
    assert_eq!(name(&other, "one:eve").await, "other:one:eve");

    // Whatever concerns an account is not for visitors.
    let mallory = visitor(&server, one.token(&one.claims(&account)));
    let answer = mallory.get("/v1/auth/me").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("account-elsewhere")));
    assert_eq!(mallory.post("/v1/auth/logout", json!({})).await.status, 403);
    assert_eq!(user.get("/v1/auth/me").await.status, 200);
}

#[tokio::test]
async fn services_are_told_who_the_visitor_is() {
    let issuer = FakeIssuer::start().await;
    let told: Arc<Mutex<Option<String>>> = Arc::default();
    let seen = Arc::clone(&told);
    let routes = Router::new().route(
        "/notes",
        get(async move |headers: HeaderMap| {
            let token = headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
            *seen.lock().unwrap() = Some(token);
            axum::Json(json!({ "text": "hello" }))
        }),
    );
    let backend = Backend::start(routes).await;
    let server = server(&[("staff", &issuer)], |settings| {
        std::fs::write(format!("{}/visitors.yaml", settings.views.dir), VIEWS).unwrap();
        let contract = format!("{}/../notes.json", settings.views.dir);
        std::fs::write(&contract, NOTES).unwrap();
        let source = upstream::Config {
            http: Some(backend.url()),
            openapi: Some(contract),
            identity: upstream::Identity::Token,
            timeout_ms: 20_000,
            ..upstream::Config::default()
        };
        settings.sources.insert("notes".to_owned(), source);
    })
    .await;
    let eve = visitor(&server, issuer.token(&issuer.claims("eve")));
    assert_eq!(eve.get("/v1/notes").await.json(), json!({ "text": "hello" }));

    let token = told.lock().unwrap().take().unwrap();
    let keys: JwkSet = serde_json::from_slice(&server.anonymous().get("/.well-known/jwks.json").await.body).unwrap();
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["notes"]);
    validation.set_issuer(&[&server.url]);
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims;
    for (name, value) in
        [("sub", "staff:eve"), ("role", "user"), ("client_id", "shop-app"), ("scope", "orders:read orders:write")]
    {
        assert_eq!(claims[name], value, "{name}");
    }
    assert!(claims.get("sid").is_none() && claims.get("email").is_none());
    // It opens no door of ours, whoever it speaks for.
    assert_eq!(visitor(&server, token).get("/v1/whoami").await.status, 401);
}

#[tokio::test]
async fn a_new_key_is_looked_for_but_not_for_every_stranger() {
    let issuer = FakeIssuer::start().await;
    let server = server(&[("staff", &issuer)], |_| {}).await;
    let old = visitor(&server, issuer.token(&issuer.claims("eve")));
    assert_eq!(old.get("/v1/whoami").await.status, 200);

    let renewed = issuer.turned("second");
    let new = visitor(&server, renewed.token(&renewed.claims("eve")));
    assert_eq!(new.get("/v1/whoami").await.status, 200);
    assert_eq!(old.get("/v1/whoami").await.status, 401, "its key is gone, known token or not");

    let asked = issuer.asked();
    let third = issuer.turned("third");
    for _ in 0..20 {
        assert_eq!(visitor(&server, third.token(&third.claims("eve"))).get("/v1/whoami").await.status, 401);
    }
    assert!(issuer.asked() - asked <= 1, "asked {} times", issuer.asked() - asked);
}

#[tokio::test]
async fn known_keys_outlast_their_issuer_and_without_any_nobody_is_judged() {
    let issuer = FakeIssuer::start().await;
    let up = server(&[("staff", &issuer)], |_| {}).await;
    let eve = visitor(&up, issuer.token(&issuer.claims("eve")));
    assert_eq!(eve.get("/v1/whoami").await.status, 200);
    let issuer = issuer.stopped().await;
    let anew = visitor(&up, issuer.token(&issuer.claims("adam")));
    assert_eq!((eve.get("/v1/whoami").await.status, anew.get("/v1/whoami").await.status), (200, 200));

    let late = server(&[("staff", &issuer)], |_| {}).await;
    let eve = visitor(&late, issuer.token(&issuer.claims("eve")));
    let answer = eve.get("/v1/whoami").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "10"));
    // Others do not notice.
    let user = TokenUser::login(&late, "user@shop.test", DEMO_PASSWORD).await;
    assert_eq!(user.get("/v1/whoami").await.status, 200);
    let ready = Answer::of(late.client.get(format!("{}/readyz", late.admin_url))).await;
    assert_eq!(ready.status, 200);
    assert!(ready.json()["away"]["issuer staff"].as_str().unwrap().contains("cannot be read"));

    let issuer = issuer.started().await;
    eventually(async || (eve.get("/v1/whoami").await.status == 200).then_some(())).await;
    let metrics = Answer::of(late.client.get(format!("{}/metrics", late.admin_url))).await.body;
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    for outcome in ["ok", "error"] {
        let line = format!("bff_issuer_fetches_total{{issuer=\"staff\",outcome=\"{outcome}\"}} ");
        assert!(metrics.lines().any(|it| it.strip_prefix(&line).is_some_and(|count| count != "0")), "{metrics}");
    }
    drop(issuer);
}

#[tokio::test]
async fn an_issuer_can_be_required() {
    let issuer = FakeIssuer::start().await.stopped().await;
    let server = server(&[("staff", &issuer)], |settings| {
        settings.identity.issuers.get_mut("staff").unwrap().required = true;
    })
    .await;
    let ready = async || Answer::of(server.client.get(format!("{}/readyz", server.admin_url))).await.status;
    assert_eq!(ready().await, 503);
    let issuer = issuer.started().await;
    eventually(async || (ready().await == 200).then_some(())).await;
    drop(issuer);
}

#[tokio::test]
async fn a_team_with_its_own_issuer_needs_no_accounts_here() {
    let issuer = FakeIssuer::start().await;
    let server = server(&[("staff", &issuer)], |settings| {
        settings.identity.accounts = false;
        settings.identity.issuers.get_mut("staff").unwrap().bare_subject = true;
    })
    .await;
    let eve = visitor(&server, issuer.token(&issuer.claims("eve")));
    assert_eq!(eve.get("/v1/whoami").await.json()["sub"], "eve");
    for path in ["/v1/auth/login", "/v1/auth/refresh", "/v1/auth/logout"] {
        let answer = server.anonymous().post(path, json!({})).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (404, Some("not-found")), "{path}");
    }
    assert_eq!(eve.get("/v1/auth/me").await.status, 404);
    assert_eq!(server.anonymous().get("/.well-known/jwks.json").await.status, 200, "services verify our tokens");
    let document = server.anonymous().get("/openapi.json").await.json();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert!(!paths.iter().any(|path| path.starts_with("/v1/auth") || path.starts_with("/v1/admin/users")), "{paths:?}");
    assert!(document["components"]["securitySchemes"].get("cookie").is_none());
    let bearer = document["components"]["securitySchemes"]["bearer"]["description"].as_str().unwrap();
    assert!(bearer.contains(&issuer.url) && !bearer.contains("login"), "{bearer}");
    assert!(AUDIENCE.starts_with("https://"));
}

#[tokio::test]
async fn what_is_wrong_with_an_issuer_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = FakeIssuer::start().await;
    let mut settings = crate::harness::bare_config(&folder);
    let mut wrong = config(&issuer);
    wrong.issuer = "staff.shop.test".to_owned();
    wrong.audience = String::new();
    wrong.roles.insert("shop".to_owned(), Role::Partner);
    wrong.leeway_s = 301;
    wrong.bare_subject = true;
    settings.identity.issuers = [("Staff".to_owned(), wrong), ("one".to_owned(), config(&issuer))].into();
    settings.identity.issuers.insert("two".to_owned(), config(&issuer));
    let told = bff::app::check(&settings).unwrap_err().to_string();
    let expected = [
        "identity.issuers.Staff: its name must be 1 to 32 of a-z, 0-9 and -".to_owned(),
        "identity.issuers.Staff.issuer: must be the https address that its tokens name as `iss`".to_owned(),
        "identity.issuers.Staff.audience: must name whom its tokens for this server are for".to_owned(),
        "identity.issuers.Staff.roles: nobody signs in as a partner".to_owned(),
        "identity.issuers.Staff.leeway_s: must be at most 300".to_owned(),
        "identity.issuers.Staff.bare_subject: needs `identity.accounts = false` and no other issuer, so that no two \
         callers share a name"
            .to_owned(),
        format!("identity.issuers.two.issuer: {} is another issuer's, or this server's", issuer.url),
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}
