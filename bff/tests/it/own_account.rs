//! What the owner of an account does to it, through the front door.

use std::time::Duration;

use bff::identity::DEMO_PASSWORD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::conformance::eventually;
use crate::harness::{Answer, Caller, CookieUser, Server, TokenUser};

pub const USER: &str = "user@shop.test";
const NEW: &str = "a sentence nobody guesses";

pub fn text(answer: &Answer, name: &str) -> String {
    answer.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", answer.json())).to_owned()
}

async fn login(server: &Server, password: &str) -> Answer {
    server.anonymous().post("/v1/auth/login", json!({ "identifier": USER, "password": password })).await
}

async fn refresh(server: &Server, token: &str) -> Answer {
    server.anonymous().post("/v1/auth/refresh", json!({ "refreshToken": token })).await
}

/// A request with a JSON body, of a method that the harness sends without one.
pub async fn send(caller: &impl Caller, method: Method, path: &str, body: Value) -> Answer {
    Answer::of(caller.request(method, path).json(&body)).await
}

async fn change_password(caller: &impl Caller, current: &str, new: &str) -> Answer {
    caller.post("/v1/auth/update-password", json!({ "currentPassword": current, "newPassword": new })).await
}

/// The session cookie that an answer sets.
fn new_cookie<'a>(server: &'a Server, answer: &Answer) -> CookieUser<'a> {
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    CookieUser { server, cookie }
}

#[tokio::test]
async fn a_profile_changes_and_says_what_is_wrong_with_a_change() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let changed = user.patch("/v1/auth/me", json!({ "name": "  Ada King ", "locale": "de-CH" })).await;
    assert_eq!(
        (changed.status, text(&changed, "name"), text(&changed, "locale")),
        (200, "Ada King".into(), "de-CH".into())
    );
    let changed = user.patch("/v1/auth/me", json!({ "locale": null })).await;
    assert_eq!((text(&changed, "name"), &changed.json()["locale"]), ("Ada King".into(), &Value::Null));
    assert_eq!(user.patch("/v1/auth/me", json!({})).await.json(), user.get("/v1/auth/me").await.json());

    let long = "x".repeat(201);
    for (body, pointer) in [
        (json!({ "name": " " }), "/name"),
        (json!({ "name": long }), "/name"),
        (json!({ "name": "a\u{0}b" }), "/name"),
        (json!({ "name": "a\u{202e}b" }), "/name"),
        (json!({ "locale": "" }), "/locale"),
        (json!({ "locale": "english please" }), "/locale"),
        (json!({ "locale": "d" }), "/locale"),
    ] {
        let refused = user.patch("/v1/auth/me", body.clone()).await;
        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (400, &json!(pointer)), "{body}");
    }
    assert_eq!(user.patch("/v1/auth/me", json!({ "role": "admin" })).await.status, 400);
    assert_eq!(server.anonymous().patch("/v1/auth/me", json!({ "name": "x" })).await.status, 401);
}

#[tokio::test]
async fn a_new_password_keeps_this_session_and_ends_the_others() {
    let server = Server::start().await;
    let here = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);

    let changed = change_password(&here, DEMO_PASSWORD, NEW).await;
    assert_eq!((changed.status, changed.header("set-cookie")), (204, ""));
    assert_eq!(here.get("/v1/auth/me").await.status, 200);
    assert_eq!(refresh(&server, &here.refresh_token).await.status, 200);
    for ended in [app.get("/v1/auth/me").await, browser.get("/v1/auth/me").await] {
        assert_eq!((ended.status, text(&ended, "code").as_str()), (401, "invalid-session"));
    }
    assert_eq!(refresh(&server, &app.refresh_token).await.status, 401);
    assert_eq!((login(&server, DEMO_PASSWORD).await.status, login(&server, NEW).await.status), (401, 200));

    let told = eventually(async || {
        let url = format!("{}/dev/messages?to={USER}", server.admin_url);
        let mail = Answer::of(server.client.get(url)).await.json();
        mail.as_array().unwrap().first().cloned()
    });
    assert_eq!(told.await["purpose"], "password-changed");
}

#[tokio::test]
async fn a_browser_gets_a_new_session_with_its_new_password() {
    let server = Server::start().await;
    let old = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    let id = |answer: Answer| answer.json()["sessions"][0]["id"].as_str().unwrap().to_owned();
    let old_id = id(old.get("/v1/auth/sessions").await);
    let changed = change_password(&old, DEMO_PASSWORD, NEW).await;
    assert_eq!(changed.status, 204);
    let new = new_cookie(&server, &changed);
    assert_ne!(new.cookie, old.cookie);
    assert_eq!(old.get("/v1/auth/me").await.status, 401);
    assert_eq!(new.get("/v1/auth/me").await.status, 200);
    assert_ne!(id(new.get("/v1/auth/sessions").await), old_id);

    let staff = CookieUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
    let changed = change_password(&staff, DEMO_PASSWORD, NEW).await;
    assert_eq!(new_cookie(&server, &changed).get("/v1/admin/users").await.status, 200);
}

#[tokio::test]
async fn a_password_is_replaced_only_by_who_knows_it_and_by_a_fit_one() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let wrong = change_password(&user, "wrong", NEW).await;
    assert_eq!((wrong.status, text(&wrong, "code").as_str()), (403, "wrong-password"));
    let (long, many) = ("x y".repeat(43), "é€😀 ".repeat(60));
    for unfit in ["short", "password1234", "ada-lovelace", "user@shop.test", &long, &many] {
        let refused = change_password(&user, DEMO_PASSWORD, unfit).await;
        let error = &refused.json()["errors"][0];
        assert_eq!((refused.status, &error["code"]), (400, &json!("unfit-password")), "{unfit}");
        assert_eq!(error["pointer"], "/newPassword");
    }
    assert_eq!(change_password(&server.anonymous(), DEMO_PASSWORD, NEW).await.status, 401);
    assert_eq!(login(&server, DEMO_PASSWORD).await.status, 200, "nothing has changed");
}

#[tokio::test]
async fn the_current_password_is_no_new_one() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let other = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let refused = change_password(&user, DEMO_PASSWORD, DEMO_PASSWORD).await;
    let error = &refused.json()["errors"][0];
    assert_eq!((refused.status, &error["pointer"]), (400, &json!("/newPassword")));
    assert_eq!(error["message"], "this is the current password; choose another");
    assert_eq!(other.get("/v1/auth/me").await.status, 200, "no session has ended");
    let guess = change_password(&user, NEW, NEW).await;
    assert_eq!(text(&guess, "code"), "wrong-password", "who does not know it is not told");
}

#[tokio::test]
async fn all_of_a_password_counts_what_stands_behind_a_nul_too() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(change_password(&user, DEMO_PASSWORD, "one sentence\0and another").await.status, 204);
    for (tried, status) in [("one sentence", 401), ("one sentence\0or none", 401), ("one sentence\0and another", 200)] {
        assert_eq!(login(&server, tried).await.status, status, "{tried:?}");
    }
}

#[tokio::test]
async fn of_two_new_passwords_at_once_one_counts() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let other = "another sentence altogether";
    let (one, two) =
        tokio::join!(change_password(&user, DEMO_PASSWORD, NEW), change_password(&user, DEMO_PASSWORD, other));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204, "{statuses:?}");
    assert!([403, 503].contains(&statuses[1]), "{statuses:?}");
    let fits = if one.status == 204 { NEW } else { other };
    assert_eq!(login(&server, fits).await.status, 200);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let server = Server::start().await;
    let here = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let stranger = TokenUser::login(&server, "operator@shop.test", DEMO_PASSWORD).await;
    let listed = async |caller: &TokenUser<'_>| {
        caller.get("/v1/auth/sessions").await.json()["sessions"].as_array().unwrap().clone()
    };
    let sessions = listed(&here).await;
    assert_eq!(sessions.len(), 3);
    let of = |current: bool| sessions.iter().filter(move |session| session["current"] == current);
    let mine = of(true).collect::<Vec<_>>();
    assert_eq!(mine.len(), 1);
    assert_eq!((&mine[0]["kind"], &mine[0]["address"]), (&json!("token"), &json!("127.0.0.0/24")));
    assert_eq!(mine[0]["createdAt"], "2026-01-01T12:00:00Z");
    let browsers = of(false).find(|session| session["kind"] == "cookie").unwrap();
    let path = format!("/v1/auth/sessions/{}", browsers["id"].as_str().unwrap());

    assert_eq!(stranger.delete(&path).await.status, 404, "another's session is not there");
    assert_eq!(here.delete("/v1/auth/sessions/nonsense").await.status, 404);
    assert_eq!(here.delete(&path).await.status, 204);
    assert_eq!(here.delete(&path).await.status, 404);
    assert_eq!(browser.get("/v1/auth/me").await.status, 401);
    assert_eq!(listed(&here).await.len(), 2);

    for query in ["", "?keep=all", "?keep=current&x=1"] {
        assert_eq!(here.delete(&format!("/v1/auth/sessions{query}")).await.status, 400, "{query}");
    }
    assert_eq!(here.delete("/v1/auth/sessions?keep=current").await.status, 204);
    assert_eq!((app.get("/v1/auth/me").await.status, here.get("/v1/auth/me").await.status), (401, 200));

    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    let all = browser.delete("/v1/auth/sessions?keep=none").await;
    assert_eq!(all.status, 204);
    assert!(all.header("set-cookie").starts_with("sid=;"));
    assert_eq!((browser.get("/v1/auth/me").await.status, here.get("/v1/auth/me").await.status), (401, 401));
    assert_eq!(stranger.get("/v1/auth/me").await.status, 200);
}

#[tokio::test]
async fn with_one_session_too_many_the_one_used_longest_ago_ends() {
    let server = Server::start_with(|mut config| {
        config.identity.sessions.per_account = 3;
        config
    })
    .await;
    let later = || server.clock.advance(Duration::from_secs(1));
    let stranger = TokenUser::login(&server, "operator@shop.test", DEMO_PASSWORD).await;
    let first = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    later();
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    later();
    let second = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    later();
    // The first to begin, and the last to be used.
    let used = text(&refresh(&server, &first.refresh_token).await, "refreshToken");
    let third = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(browser.get("/v1/auth/me").await.status, 401);
    for caller in [&first, &second, &third, &stranger] {
        assert_eq!(caller.get("/v1/auth/me").await.status, 200);
    }
    assert_eq!(refresh(&server, &used).await.status, 200);
    assert_eq!(third.get("/v1/auth/sessions").await.json()["sessions"].as_array().unwrap().len(), 3);

    let _fourth = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(
        (second.get("/v1/auth/me").await.status, refresh(&server, &second.refresh_token).await.status),
        (401, 401)
    );
}

#[tokio::test]
async fn where_there_is_room_for_one_session_the_newest_is_it() {
    let server = Server::start_with(|mut config| {
        config.identity.sessions.per_account = 1;
        config
    })
    .await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(TokenUser::login(&server, USER, DEMO_PASSWORD).await);
        assert_eq!(sessions.last().unwrap().get("/v1/auth/me").await.status, 200);
    }
    for ended in &sessions[..2] {
        assert_eq!(ended.get("/v1/auth/me").await.status, 401);
    }
}

#[tokio::test]
async fn a_deleted_account_is_signed_out_everywhere_and_its_address_is_free() {
    let server = Server::start().await;
    let here = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let wrong = send(&here, Method::DELETE, "/v1/auth/me", json!({ "password": "wrong" })).await;
    assert_eq!((wrong.status, text(&wrong, "code").as_str()), (403, "wrong-password"));
    let bare = here.delete("/v1/auth/me").await;
    assert_eq!(bare.status, 415, "the password must be said again");
    assert!(text(&bare, "detail").starts_with("This request needs a JSON body"), "{}", bare.json());

    let gone = send(&here, Method::DELETE, "/v1/auth/me", json!({ "password": DEMO_PASSWORD })).await;
    assert_eq!(gone.status, 204);
    assert!(gone.header("set-cookie").starts_with("sid=;"));
    assert_eq!((here.get("/v1/auth/me").await.status, app.get("/v1/auth/me").await.status), (401, 401));
    assert_eq!(refresh(&server, &app.refresh_token).await.status, 401);
    assert_eq!(login(&server, DEMO_PASSWORD).await.status, 401);
}

#[tokio::test]
async fn another_site_cannot_change_anything_with_a_browser_s_cookie() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    for (method, path) in [
        (Method::PATCH, "/v1/auth/me"),
        (Method::DELETE, "/v1/auth/me"),
        (Method::DELETE, "/v1/auth/sessions?keep=none"),
        (Method::POST, "/v1/auth/update-password"),
    ] {
        let request = server.anonymous().request(method, path).header("cookie", &browser.cookie);
        let answer = Answer::of(request.header("origin", "http://evil.test").json(&json!({}))).await;
        assert_eq!((answer.status, text(&answer, "code").as_str()), (403, "cross-site"), "{path}");
    }
}
