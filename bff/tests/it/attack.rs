//! What a stranger or a greedy user may try, and what it must not bring them.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::post;
use bff::config::Config;
use bff::identity::DEMO_PASSWORD;
use bff::upstream;
use futures_util::stream::{StreamExt, once, unfold};
use reqwest::Method;
use serde_json::json;
use tokio::sync::broadcast;

use crate::harness::{Answer, Backend, Caller, CookieUser, Server, TokenUser, grpc_frame, grpc_reply};
use crate::issuers::{self, fake::FakeIssuer};

const USER: &str = "user@shop.test";
const OPERATOR: &str = "operator@shop.test";

const VIEWS: &str = "
view: order-status
route: GET /v1/orders/{id}/status
access: [user, operator]
params:
  id: { in: path, type: string, max: 64 }
stream:
  grpc: orders/orders.v1.OrderService.WatchOrders
  request: { order_id: $params.id }
  as: change
shape:
  orderId: change.order_id
---
view: order
route: GET /v1/orders/{id}
deadline: 20s
access: [user, operator]
params:
  id: { in: path, type: string, max: 64 }
calls:
  order:
    grpc: orders/orders.v1.OrderService.GetOrder
    request: { id: $params.id }
shape:
  note: order.note
";

/// `order_id: "o1"`
const CHANGE: &[u8] = b"\x0a\x02o1";

async fn server(backend: &Backend) -> Server {
    server_with(backend, |_| {}).await
}

async fn server_with(backend: &Backend, change: impl FnOnce(&mut Config)) -> Server {
    let url = backend.url();
    Server::start_with(|mut config| {
        change(&mut config);
        std::fs::write(format!("{}/orders.yaml", config.views.dir), VIEWS).unwrap();
        let protos = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../proto").to_owned());
        let source = upstream::Config { grpc: Some(url), protos, timeout_ms: 20_000, ..upstream::Config::default() };
        config.sources.insert("orders".to_owned(), source);
        config
    })
    .await
}

/// One change at once, and one more for every `()` that is sent.
async fn orders(changes: &broadcast::Sender<()>) -> Backend {
    let changes = changes.clone();
    let watch = move || {
        let more = unfold(changes.subscribe(), |mut changes| async move {
            changes.recv().await.ok()?;
            Some((Ok::<_, std::io::Error>(grpc_frame(CHANGE)), changes))
        });
        let frames = once(async { Ok(grpc_frame(CHANGE)) }).chain(more);
        let response = Response::builder().header("content-type", "application/grpc");
        async { response.body(Body::from_stream(frames)).unwrap() }
    };
    let routes = Router::new()
        .route("/orders.v1.OrderService/WatchOrders", post(watch))
        .route("/orders.v1.OrderService/GetOrder", post(|| async { grpc_reply(b"") }));
    Backend::start(routes).await
}

/// What every stream begins with says how soon to come back.
async fn open(caller: &impl Caller) -> reqwest::Response {
    let mut stream = caller.request(Method::GET, "/v1/orders/o1/status").send().await.unwrap();
    if stream.status() == 200 {
        assert!(stream.chunk().await.unwrap().unwrap().starts_with(b"retry: "));
    }
    stream
}

#[tokio::test]
async fn one_account_cannot_take_every_stream() {
    let (changes, _) = broadcast::channel(8);
    let backend = orders(&changes).await;
    let server = server(&backend).await;
    let greedy = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let again = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    let other = TokenUser::login(&server, OPERATOR, DEMO_PASSWORD).await;

    let mut streams = Vec::new();
    for _ in 0..32 {
        let stream = open(&greedy).await;
        assert_eq!(stream.status(), 200);
        streams.push(stream);
    }
    let refused = again.get("/v1/orders/o1/status").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "5"));
    assert_eq!(refused.json()["code"], "too-many-streams");
    assert_eq!(greedy.get("/v1/orders/o1").await.status, 200);
    assert_eq!(open(&other).await.status(), 200);

    // A page that is closed makes room for the next.
    drop(streams);
    while open(&again).await.status() != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_session_that_opened_it() {
    let (changes, _) = broadcast::channel(8);
    let backend = orders(&changes).await;
    let server = server(&backend).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let mut stream = open(&user).await;
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "data: {\"orderId\":\"o1\"}\n\n");
    assert_eq!(user.post("/v1/auth/logout", json!({})).await.status, 204);
    // Although nothing happens on it.
    let last = stream.text().await.unwrap();
    assert!(last.starts_with("event: problem\n") && last.contains("\"code\":\"invalid-session\""), "{last}");
    assert!(!last.contains("orderId"), "{last}");
}

#[tokio::test]
async fn a_visitor_s_stream_ends_with_his_token() {
    let (changes, _) = broadcast::channel(8);
    let backend = orders(&changes).await;
    let issuer = FakeIssuer::start().await;
    let server = server_with(&backend, |settings| {
        settings.identity.issuers = [("staff".to_owned(), issuers::fake::config(&issuer))].into();
    })
    .await;
    let visitor = |name: &str, seconds: i64| {
        let mut claims = issuer.claims(name);
        claims["exp"] = json!(claims["iat"].as_i64().unwrap() + seconds);
        TokenUser { server: &server, access_token: issuer.token(&claims), refresh_token: String::new() }
    };
    let [eve, adam] = [visitor("eve", 5), visitor("adam", 3_000)];
    let (mut short, mut long) = (open(&eve).await, open(&adam).await);
    for stream in [&mut short, &mut long] {
        assert_eq!(stream.chunk().await.unwrap().unwrap(), "data: {\"orderId\":\"o1\"}\n\n");
    }
    let last = short.text().await.unwrap();
    assert!(last.ends_with("\n\n") && last.contains("\"code\":\"invalid-session\""), "{last}");
    // Nobody has looked in vain for a session of the other one meanwhile.
    changes.send(()).unwrap();
    assert_eq!(long.chunk().await.unwrap().unwrap(), "data: {\"orderId\":\"o1\"}\n\n");
}

#[tokio::test]
async fn a_stream_keeps_the_view_that_opened_it_when_the_files_change() {
    let (changes, _) = broadcast::channel(8);
    let backend = orders(&changes).await;
    let server = server(&backend).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let mut stream = open(&user).await;
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "data: {\"orderId\":\"o1\"}\n\n");

    let views = server.folder.path().join("views/orders.yaml");
    std::fs::write(views, VIEWS.replace("orderId:", "renamed:")).unwrap();
    let reloaded = Answer::of(server.client.post(format!("{}/reload", server.admin_url))).await;
    assert_eq!(reloaded.json()["changed"], json!(["order-status"]));
    changes.send(()).unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "data: {\"orderId\":\"o1\"}\n\n");
    let mut new = open(&user).await;
    assert_eq!(new.chunk().await.unwrap().unwrap(), "data: {\"renamed\":\"o1\"}\n\n");
}

#[tokio::test]
async fn a_body_is_an_object_and_its_mistakes_are_told_in_the_client_s_terms() {
    let server = Server::start().await;
    let known = "is not known; known: `identifier`, `password`, `session`";
    let kinds = "must be one of `token` or `cookie`";
    for (body, pointer, code, message) in [
        (r#"["user@shop.test", "correct-horse-battery", "token"]"#, "", "type", "must be an object"),
        ("null", "", "type", "must be an object"),
        (r#"{"identifier": 1, "password": "x"}"#, "/identifier", "type", "must be a string"),
        (r#"{"identifier": "a@shop.test"}"#, "/password", "missing", "is required"),
        (r#"{"identifier": "a", "identifier": "a"}"#, "/identifier", "duplicate", "is given more than once"),
        (r#"{"identifier": "a", "a/b": 1}"#, "/a~1b", "unknown", known),
        (r#"{"identifier": "a", "password": "b", "session": "none"}"#, "/session", "type", kinds),
        (
            r#"{"identifier": "a", "password": "b", "session": null}"#,
            "/session",
            "type",
            "must be one of the values that are listed for it",
        ),
    ] {
        let answer = login_with(&server, body).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("invalid-body")), "{body}");
        let errors = json!([{ "pointer": pointer, "code": code, "message": message }]);
        assert_eq!((&answer.json()["errors"], answer.json().get("detail")), (&errors, None), "{body}");
    }
    for body in ["{", "", "{} {}", r#"{"identifier": nul}"#] {
        let answer = login_with(&server, body).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("invalid-json")), "{body}");
    }
}

async fn login_with(server: &Server, body: &'static str) -> Answer {
    let request = server.anonymous().request(Method::POST, "/v1/auth/login");
    Answer::of(request.header("content-type", "application/json").body(body)).await
}

#[tokio::test]
async fn a_query_s_mistakes_are_told_in_the_client_s_terms() {
    let server = Server::start().await;
    let admin = TokenUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
    let roles = "must be one of `user`, `operator`, `auditor`, `admin`";
    let known = "is not known; known: `pageSize` or `pageToken`";
    for (path, parameter, code, message) in [
        ("/v1/admin/users?role=king", "role", "type", roles),
        ("/v1/admin/users?pageSize=many", "pageSize", "type", "must be a whole number"),
        ("/v1/admin/users?pageSize=99999999999", "pageSize", "range", "is too large"),
        ("/v1/admin/audit?pageToken=x", "pageToken", "invalid", "expected `nextPageToken` of the page before"),
        ("/v1/auth/me/logins?pageSize=1&pageSize=2", "pageSize", "duplicate", "is given more than once"),
        ("/v1/auth/me/logins?page=1", "page", "unknown", known),
    ] {
        let answer = admin.get(path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("invalid-query")), "{path}");
        let errors = json!([{ "parameter": parameter, "code": code, "message": message }]);
        assert_eq!((&answer.json()["errors"], answer.json().get("detail")), (&errors, None), "{path}");
    }
    let refused = admin.delete("/v1/auth/sessions?keep=foo").await.json();
    let error = json!({ "parameter": "keep", "code": "type", "message": "must be one of `current` or `none`" });
    assert_eq!(refused["errors"], json!([error]));
}

#[tokio::test]
async fn a_stranger_cannot_send_much() {
    let server = Server::start().await;
    let body = format!(r#"{{"identifier": "a@shop.test", "password": "{}"}}"#, "x".repeat(20_000));
    let request = server.anonymous().request(Method::POST, "/v1/auth/login");
    let answer = Answer::of(request.header("content-type", "application/json").body(body)).await;
    assert_eq!((answer.status, &answer.json()["code"]), (413, &json!("body-too-large")));
}
