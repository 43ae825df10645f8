//! Another role counts on the next request and signs nobody out: tokens are refreshed, a browser gets another cookie.

use std::collections::BTreeSet;
use std::time::Duration;

use bff::identity::DEMO_PASSWORD;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Caller, CookieUser, Server, TokenUser};
use crate::own_account::{USER, text};

const AUDITOR: &str = "auditor@shop.test";
const AUDIT: &str = "/v1/admin/audit";

/// Makes one of the demo accounts something else.
pub async fn turn_into(server: &Server, account: &str, role: &str) {
    let admin = TokenUser::login(server, "admin@shop.test", DEMO_PASSWORD).await;
    let found = admin.get(&format!("/v1/admin/users?identifier={account}")).await.json();
    let path = format!("/v1/admin/users/{}", found["users"][0]["id"].as_str().unwrap());
    assert_eq!(admin.patch(&path, json!({ "role": role })).await.status, 200);
}

/// The session cookies that an answer sets, as `name=value`.
pub fn cookies(answer: &Answer) -> Vec<String> {
    let set = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let pairs = set.map(|cookie| cookie.split(';').next().unwrap().to_owned());
    pairs.filter(|pair| pair.starts_with("sid=")).collect()
}

/// The same browser, with the one cookie of this answer.
fn with<'a>(browser: &CookieUser<'a>, answer: &Answer) -> CookieUser<'a> {
    let cookies = cookies(answer);
    assert_eq!((cookies.len(), answer.header("cache-control")), (1, "no-store"), "{answer:?}");
    CookieUser { server: browser.server, cookie: cookies[0].clone() }
}

pub async fn refreshed<'a>(user: &TokenUser<'a>) -> TokenUser<'a> {
    let answer = user.server.anonymous().post("/v1/auth/refresh", json!({ "refreshToken": user.refresh_token })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let (access_token, refresh_token) = (text(&answer, "accessToken"), text(&answer, "refreshToken"));
    TokenUser { server: user.server, access_token, refresh_token }
}

#[tokio::test]
async fn an_app_refreshes_its_token_and_has_the_other_role() {
    let server = Server::start().await;
    let auditor = TokenUser::login(&server, AUDITOR, DEMO_PASSWORD).await;
    assert_eq!(auditor.get(AUDIT).await.status, 200);
    turn_into(&server, AUDITOR, "user").await;
    let refused = auditor.get(AUDIT).await;
    assert_eq!((refused.status, text(&refused, "code").as_str()), (401, "invalid-session"));
    assert_eq!(auditor.get("/v1/auth/me").await.status, 401, "as if it had expired");
    let user = refreshed(&auditor).await;
    assert_eq!((user.get(AUDIT).await.status, text(&user.get("/v1/auth/me").await, "role").as_str()), (403, "user"));

    turn_into(&server, AUDITOR, "auditor").await;
    assert_eq!(user.get("/v1/auth/me").await.status, 401);
    let auditor = refreshed(&user).await;
    assert_eq!(auditor.get(AUDIT).await.status, 200);
    assert_eq!(user.get("/v1/auth/me").await.status, 401, "what was signed before stays refused");
}

#[tokio::test]
async fn a_token_from_before_stays_refused_after_a_restart() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    turn_into(&server, USER, "operator").await;
    let (access, refresh) = (user.access_token.clone(), user.refresh_token.clone());
    let server = server.restart().await;
    let user = TokenUser { server: &server, access_token: access, refresh_token: refresh };
    assert_eq!(user.get("/v1/auth/me").await.status, 401);
    assert_eq!(text(&refreshed(&user).await.get("/v1/auth/me").await, "role"), "operator");
}

#[tokio::test]
async fn a_browser_gets_another_cookie_with_the_next_answer() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, AUDITOR, DEMO_PASSWORD).await;
    assert_eq!(browser.get(AUDIT).await.status, 200);
    let before = browser.get("/v1/auth/sessions").await.json()["sessions"].to_string();
    turn_into(&server, AUDITOR, "user").await;
    let refused = browser.get(AUDIT).await;
    assert_eq!(refused.status, 403, "the role counts at once");
    let next = with(&browser, &refused);
    assert_ne!(next.cookie, browser.cookie);

    // Requests under way still carry the old one; all are told of the same.
    let late = browser.get("/v1/auth/me").await;
    assert_eq!((late.status, text(&late, "role").as_str()), (200, "user"));
    assert_eq!(with(&browser, &late).cookie, next.cookie);
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(browser.get("/v1/auth/me").await.status, 401);

    let sessions = next.get("/v1/auth/sessions").await;
    assert!(cookies(&sessions).is_empty(), "once is enough");
    let sessions = sessions.json()["sessions"].as_array().unwrap().clone();
    assert_eq!((sessions.len(), &sessions[0]["current"]), (1, &json!(true)));
    assert!(!before.contains(sessions[0]["id"].as_str().unwrap()), "it is another session");

    turn_into(&server, AUDITOR, "auditor").await;
    let admitted = next.get(AUDIT).await;
    assert_eq!(admitted.status, 200);
    assert_eq!(with(&next, &admitted).get(AUDIT).await.status, 200);
}

#[tokio::test]
async fn requests_at_once_agree_on_one_cookie_and_none_is_refused() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    turn_into(&server, USER, "operator").await;
    let answers = join_all((0..20).map(|_| browser.get("/v1/auth/me"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && text(answer, "role") == "operator"));
    let set: BTreeSet<String> = answers.iter().flat_map(cookies).collect();
    assert_eq!(set.len(), 1);
}

#[tokio::test]
async fn a_view_tells_of_the_new_cookie_too_and_so_does_an_error() {
    let who = "view: who\nroute: GET /v1/who\naccess: public\nshape: { role: $auth.role }\n";
    let server = Server::start_with(|config| {
        std::fs::write(format!("{}/who.yaml", config.views.dir), who).unwrap();
        config
    })
    .await;
    let [first, second] =
        [CookieUser::login(&server, USER, DEMO_PASSWORD).await, CookieUser::login(&server, USER, DEMO_PASSWORD).await];
    turn_into(&server, USER, "operator").await;
    let answer = first.get("/v1/who").await;
    assert_eq!(answer.json(), json!({ "role": "operator" }));
    assert_eq!(text(&with(&first, &answer).get("/v1/who").await, "role"), "operator");
    let missing = second.get("/v1/auth/me/logins?pageSize=0").await;
    assert_eq!(missing.status, 400);
    with(&second, &missing);
}

#[tokio::test]
async fn a_session_in_the_hands_of_staff_is_no_longer_than_theirs() {
    let server = Server::start().await;
    let (browser, app) =
        (CookieUser::login(&server, USER, DEMO_PASSWORD).await, TokenUser::login(&server, USER, DEMO_PASSWORD).await);
    server.clock.advance(Duration::from_secs(3 * 24 * 3_600));
    turn_into(&server, USER, "operator").await;
    let next = with(&browser, &browser.get("/v1/auth/me").await);
    let app = refreshed(&app).await;
    let minutes = |minutes: u64| server.clock.advance(Duration::from_secs(minutes * 60));
    minutes(29);
    assert_eq!(next.get("/v1/auth/me").await.status, 200);
    minutes(31);
    assert_eq!(next.get("/v1/auth/me").await.status, 401, "half an hour idle");
    let body = json!({ "refreshToken": app.refresh_token });
    assert_eq!(server.anonymous().post("/v1/auth/refresh", body).await.status, 401);
}

#[tokio::test]
async fn a_role_that_is_lost_prolongs_nothing() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, AUDITOR, DEMO_PASSWORD).await;
    turn_into(&server, AUDITOR, "user").await;
    let next = with(&browser, &browser.get("/v1/auth/me").await);
    server.clock.advance(Duration::from_secs(12 * 3_600 - 1));
    assert_eq!(next.get("/v1/auth/me").await.status, 200, "a user may be idle for longer");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(next.get("/v1/auth/me").await.status, 401, "but twelve hours were all it had");
}

#[tokio::test]
async fn what_a_handler_does_to_the_cookie_counts_more() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    turn_into(&server, USER, "operator").await;
    let change = json!({ "currentPassword": DEMO_PASSWORD, "newPassword": "a sentence nobody guesses" });
    let changed = browser.post("/v1/auth/update-password", change).await;
    assert_eq!((changed.status, cookies(&changed).len()), (204, 1));
    let next = CookieUser { server: &server, cookie: cookies(&changed)[0].clone() };
    assert_eq!(next.get("/v1/auth/me").await.status, 200);
    assert_eq!(browser.get("/v1/auth/me").await.status, 401);
}

#[tokio::test]
async fn signing_out_with_the_old_cookie_ends_the_new_session() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    turn_into(&server, USER, "operator").await;
    let next = with(&browser, &browser.get("/v1/auth/me").await);
    let left = Answer::of(browser.request(Method::POST, "/v1/auth/logout")).await;
    assert_eq!((left.status, cookies(&left)), (204, vec!["sid=".to_owned()]));
    assert_eq!((browser.get("/v1/auth/me").await.status, next.get("/v1/auth/me").await.status), (401, 401));
}
