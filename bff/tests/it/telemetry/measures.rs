//! `GET /metrics`: what is counted, and under which labels.

use bff::config;
use reqwest::Method;
use serde_json::json;

use super::screen::Services;
use crate::harness::{Answer, Caller, Server, TokenUser};

const USER: &str = "user@shop.test";

async fn server(services: &Services) -> Server {
    Server::start_with(|mut config| {
        let folder = std::path::Path::new(&config.views.dir).parent().unwrap().to_owned();
        let settings = folder.join("settings.toml");
        std::fs::write(&settings, services.settings(&folder)).unwrap();
        config.sources = config::load(&[settings], &Default::default()).unwrap().sources;
        config
    })
    .await
}

/// The page, and the one line of it that begins with `series`.
struct Page(String);

impl Page {
    async fn read(server: &Server) -> Self {
        let answer = Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        Self(String::from_utf8(answer.body.to_vec()).unwrap())
    }

    fn value(&self, series: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{}", self.0))
    }
}

#[tokio::test]
async fn requests_calls_and_missing_parts_are_counted() {
    let services = Services::start().await;
    let server = server(&services).await;
    for id in ["one", "two"] {
        let answer = server.anonymous().get(&format!("/v1/screens/{id}")).await;
        let expected = json!({ "name": "Ada", "points": 7, "extra": null, "extraAgain": null });
        assert_eq!((answer.status, answer.json()), (200, expected));
    }
    let page = Page::read(&server).await;
    assert_eq!(page.value(r#"bff_http_requests_total{route="/v1/screens/{id}",method="GET",status="200"}"#), "2");
    assert_eq!(page.value(r#"bff_http_request_duration_seconds_count{route="/v1/screens/{id}"}"#), "2");
    assert_eq!(
        page.value(r#"bff_http_request_duration_seconds_bucket{route="/v1/screens/{id}",le="+Inf"}"#),
        "2",
        "a histogram, not a summary"
    );
    let profile = r#"source="profiles",operation="getProfile""#;
    assert_eq!(page.value(&format!(r#"bff_upstream_calls_total{{{profile},outcome="ok"}}"#)), "2");
    assert_eq!(page.value(&format!("bff_upstream_call_duration_seconds_count{{{profile}}}")), "2");
    let points = r#"source="points",operation="points.v1.PointsService.Get",outcome="ok""#;
    assert_eq!(page.value(&format!("bff_upstream_calls_total{{{points}}}")), "2");
    let extra = r#"source="profiles",operation="getExtra",outcome="not_found""#;
    assert_eq!(page.value(&format!("bff_upstream_calls_total{{{extra}}}")), "2");
    let partial = r#"bff_view_partial_total{view="screen",call="extra",reason="not-found"}"#;
    assert_eq!(page.value(partial), "2", "once an answer, however many places it leaves empty");
    assert_eq!(page.value(r#"bff_upstream_in_flight{source="profiles"}"#), "0");
}

#[tokio::test]
async fn what_clients_make_up_is_no_label() {
    let server = Server::start().await;
    for path in ["/nowhere", "/v1/nowhere?secret=1"] {
        assert_eq!(server.anonymous().get(path).await.status, 404);
    }
    let request = server.anonymous().request(Method::from_bytes(b"BREW").unwrap(), "/healthz");
    assert_eq!(Answer::of(request).await.status, 405);
    let page = Page::read(&server).await;
    assert_eq!(page.value(r#"bff_http_requests_total{route="none",method="GET",status="404"}"#), "2");
    assert_eq!(page.value(r#"bff_http_requests_total{route="/healthz",method="other",status="405"}"#), "1");
    assert!(!page.0.contains("nowhere") && !page.0.contains("BREW"), "{}", page.0);
}

#[tokio::test]
async fn sign_ins_are_counted_by_how_they_end() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, bff::identity::DEMO_PASSWORD).await;
    let wrong = json!({ "identifier": USER, "password": "wrong" });
    assert_eq!(server.anonymous().post("/v1/auth/login", wrong).await.status, 401);
    let refresh = |token: &str| json!({ "refreshToken": token });
    assert_eq!(user.post("/v1/auth/refresh", refresh(&user.refresh_token)).await.status, 200);
    assert_eq!(user.post("/v1/auth/refresh", refresh("st1.nonsense")).await.status, 401);
    assert_eq!(user.post("/v1/auth/logout", json!({})).await.status, 204);
    let page = Page::read(&server).await;
    for (event, result) in
        [("login", "ok"), ("login", "invalid-credentials"), ("refresh", "ok"), ("refresh", "refused"), ("logout", "ok")]
    {
        let series = format!(r#"bff_auth_events_total{{event="{event}",result="{result}"}}"#);
        assert_eq!(page.value(&series), "1", "{series}");
    }
    assert_eq!(page.value("bff_password_queue_depth"), "0");
    assert!(!page.0.contains("shop.test"), "nobody is named");
}

#[tokio::test]
async fn a_part_that_is_away_shows_and_only_a_required_one_ends_readiness() {
    let services = Services::start().await;
    let server = server(&services).await;
    let ready = || async { Answer::of(server.client.get(format!("{}/readyz", server.admin_url))).await };
    let page = Page::read(&server).await;
    assert_eq!(page.value(r#"bff_degraded{part="points"}"#), "0");
    assert_eq!(page.value(r#"bff_degraded{part="profiles"}"#), "0");
    assert_eq!(ready().await.json(), json!({ "status": "ready", "away": {} }));

    services.backend.kill().await;
    let page = Page::read(&server).await;
    assert_eq!(page.value(r#"bff_degraded{part="points"}"#), "1");
    assert_eq!(page.value(r#"bff_degraded{part="profiles"}"#), "1");
    let answer = ready().await;
    let refused = "cannot connect: connection refused";
    assert_eq!(
        (answer.status, answer.json()),
        (503, json!({ "status": "unavailable", "away": { "points": refused, "profiles": refused } }))
    );
}

#[tokio::test]
async fn a_part_that_is_not_required_is_only_named() {
    let services = Services::start().await;
    let server = Server::start_with(|mut config| {
        let http = Some(services.backend.url());
        let source = bff::upstream::Config { http, required: false, ..Default::default() };
        config.sources.insert("loyalty".to_owned(), source);
        config
    })
    .await;
    services.backend.kill().await;
    let answer = Answer::of(server.client.get(format!("{}/readyz", server.admin_url))).await;
    let away = json!({ "loyalty": "cannot connect: connection refused" });
    assert_eq!((answer.status, answer.json()), (200, json!({ "status": "ready", "away": away })));
}

#[tokio::test]
async fn two_servers_in_one_process_count_apart() {
    let (one, other) = (Server::start().await, Server::start().await);
    assert_eq!(one.anonymous().get("/healthz").await.status, 200);
    let series = r#"bff_http_requests_total{route="/healthz",method="GET",status="200"}"#;
    assert_eq!(Page::read(&one).await.value(series), "1");
    assert!(!Page::read(&other).await.0.contains(series));
}
