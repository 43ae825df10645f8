//! What admins do to the accounts of others, and what auditors see of it.

use std::time::Duration;

use bff::identity::DEMO_PASSWORD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, CookieUser, Server, TokenUser};
use crate::own_account::{USER, text};

const ADMIN: &str = "admin@shop.test";
const OPERATOR: &str = "operator@shop.test";

fn id(number: u8) -> String {
    format!("01890000-0000-7000-8000-00000000000{number}")
}

fn path(number: u8) -> String {
    format!("/v1/admin/users/{}", id(number))
}

async fn admin(server: &Server) -> TokenUser<'_> {
    TokenUser::login(server, ADMIN, DEMO_PASSWORD).await
}

/// The e-mail addresses that a search finds.
async fn found(admin: &TokenUser<'_>, query: &str) -> Vec<String> {
    let answer = admin.get(&format!("/v1/admin/users?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.json());
    let users = answer.json()["users"].as_array().unwrap().clone();
    users.iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect()
}

async fn audit(caller: &TokenUser<'_>, query: &str) -> Vec<Value> {
    let answer = caller.get(&format!("/v1/admin/audit?{query}")).await;
    assert_eq!(answer.status, 200);
    answer.json()["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn these_routes_are_for_admins_and_the_audit_for_auditors_too() {
    let server = Server::start().await;
    let session = format!("{}/sessions", path(1));
    let routes = [
        (Method::GET, "/v1/admin/users".to_owned()),
        (Method::GET, path(1)),
        (Method::PATCH, path(1)),
        (Method::DELETE, path(1)),
        (Method::GET, session.clone()),
        (Method::DELETE, session.clone()),
        (Method::DELETE, format!("{session}/{}", id(9))),
    ];
    for role in ["user", "operator", "auditor"] {
        let caller = TokenUser::login(&server, &format!("{role}@shop.test"), DEMO_PASSWORD).await;
        for (method, path) in &routes {
            let answer = Answer::of(caller.request(method.clone(), path).json(&json!({}))).await;
            assert_eq!(answer.status, 403, "{role}: {method} {path}");
        }
        let may_read = role == "auditor";
        assert_eq!(caller.get("/v1/admin/audit").await.status, if may_read { 200 } else { 403 }, "{role}");
    }
    assert_eq!(server.anonymous().get("/v1/admin/users").await.status, 401);
    assert_eq!(admin(&server).await.get("/v1/admin/audit").await.status, 200);
}

#[tokio::test]
async fn accounts_are_found_in_pages() {
    let server = Server::start().await;
    let admin = admin(&server).await;
    assert_eq!(found(&admin, "").await.len(), 4);
    assert_eq!(found(&admin, "identifier=User@SHOP.test").await, [USER]);
    assert_eq!(found(&admin, "identifier=%2B15550100001").await, [USER]);
    assert_eq!(found(&admin, "name=grace").await, [OPERATOR]);
    assert_eq!(found(&admin, "role=admin&state=active").await, [ADMIN]);
    assert_eq!(found(&admin, "state=disabled").await, [""; 0]);

    let mut seen = Vec::new();
    let mut query = "pageSize=3".to_owned();
    loop {
        let page = admin.get(&format!("/v1/admin/users?{query}")).await.json();
        seen.extend(page["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextPageToken"].as_str() else { break };
        query = format!("pageSize=3&pageToken={next}");
    }
    seen.sort();
    assert_eq!(seen, [1, 2, 3, 4].map(id));
    let full = admin.get("/v1/admin/users?pageSize=4").await.json();
    assert_eq!(
        (full["users"].as_array().unwrap().len(), &full["nextPageToken"]),
        (4, &Value::Null),
        "no empty page follows"
    );
    for wrong in ["pageSize=0", "pageSize=101", "pageToken=x", "identifier=x", "role=partner", "page=2"] {
        assert_eq!(admin.get(&format!("/v1/admin/users?{wrong}")).await.status, 400, "{wrong}");
    }
    let wrong = admin.get("/v1/admin/users?identifier=x").await.json();
    assert_eq!(wrong["errors"][0]["parameter"], "identifier", "{wrong}");
    let long = "x".repeat(501);
    let in_body = admin.patch(&path(1), json!({ "reason": long })).await.json();
    assert_eq!((&in_body["code"], &in_body["errors"][0]["pointer"]), (&json!("invalid-request"), &json!("/reason")));
    let in_query = admin.delete(&format!("{}?reason={long}", path(1))).await.json();
    assert_eq!(in_query["errors"][0]["parameter"], "reason");
    assert_eq!(admin.get(&path(1)).await.json()["email"], USER);
    for missing in [path(9), "/v1/admin/users/x".to_owned()] {
        assert_eq!(admin.get(&missing).await.status, 404, "{missing}");
    }
}

#[tokio::test]
async fn the_audit_tells_of_another_role() {
    let server = Server::start().await;
    let admin = admin(&server).await;
    let changed = admin.patch(&path(3), json!({ "role": "user", "reason": "has left" })).await;
    assert_eq!((changed.status, text(&changed, "role").as_str()), (200, "user"));
    assert_eq!(admin.patch(&path(3), json!({ "role": "auditor" })).await.status, 200);
    let lines = audit(&admin, &format!("target={}", id(3))).await;
    assert_eq!(
        (&lines[0]["action"], &lines[1]["action"]),
        (&json!("role-changed: user -> auditor"), &json!("role-changed: auditor -> user"))
    );
    assert_eq!((&lines[1]["actor"], &lines[1]["reason"]), (&json!(id(4)), &json!("has left")));
    assert_eq!((&lines[1]["network"], &lines[1]["result"]), (&json!("127.0.0.0/24"), &json!("ok")));
    // Nothing to change is nothing to note.
    admin.patch(&path(3), json!({ "role": "auditor", "disabled": false })).await;
    assert_eq!(audit(&admin, &format!("target={}", id(3))).await.len(), 2);
}

#[tokio::test]
async fn who_is_disabled_is_out_until_enabled() {
    let server = Server::start().await;
    let admin = admin(&server).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let changed = admin.patch(&path(1), json!({ "disabled": true })).await;
    assert_eq!((changed.status, text(&changed, "disabledAt").as_str()), (200, "2026-01-01T12:00:00Z"));
    assert_eq!(user.get("/v1/auth/me").await.status, 401);
    let login = async |password: &'static str| {
        let body = json!({ "identifier": USER, "password": password });
        let answer = server.anonymous().post("/v1/auth/login", body).await;
        (answer.status, text(&answer, "code"))
    };
    assert_eq!(login(DEMO_PASSWORD).await, (403, "account-disabled".to_owned()));
    assert_eq!(login("wrong").await, (401, "invalid-credentials".to_owned()), "only who knows the password is told");
    assert_eq!(admin.patch(&path(1), json!({ "disabled": false })).await.status, 200);
    assert_eq!(user.get("/v1/auth/me").await.status, 401, "what ended stays ended");
    TokenUser::login(&server, USER, DEMO_PASSWORD).await;
}

#[tokio::test]
async fn the_last_admin_stays_one() {
    let server = Server::start().await;
    let only = admin(&server).await;
    let refused = [
        only.patch(&path(4), json!({ "role": "user" })).await,
        only.patch(&path(4), json!({ "disabled": true })).await,
        only.delete(&path(4)).await,
        crate::own_account::send(&only, Method::DELETE, "/v1/auth/me", json!({ "password": DEMO_PASSWORD })).await,
    ];
    for answer in refused {
        assert_eq!((answer.status, text(&answer, "code").as_str()), (409, "last-admin"));
    }
    assert_eq!(only.get("/v1/admin/users").await.status, 200);
    let lines = audit(&only, &format!("target={}", id(4))).await;
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line["result"] == "refused: last admin"));

    assert_eq!(only.patch(&path(1), json!({ "role": "admin" })).await.status, 200);
    let second = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(second.delete(&path(4)).await.status, 204);
    assert_eq!(only.get("/v1/admin/users").await.status, 401);
    assert_eq!(second.patch(&path(1), json!({ "disabled": true })).await.status, 409);
}

#[tokio::test]
async fn a_deleted_account_is_still_shown_but_changes_no_more() {
    let server = Server::start().await;
    let admin = admin(&server).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(admin.delete(&format!("{}?reason=asked%20for", path(1))).await.status, 204);
    assert_eq!(user.get("/v1/auth/me").await.status, 401);
    assert_eq!(text(&admin.get(&path(1)).await, "deletedAt"), "2026-01-01T12:00:00Z");
    assert_eq!(found(&admin, "state=deleted").await, [USER]);
    let sessions = format!("{}/sessions", path(1));
    for answer in [
        admin.delete(&path(1)).await,
        admin.patch(&path(1), json!({ "disabled": true })).await,
        admin.get(&sessions).await,
        admin.delete(&sessions).await,
    ] {
        assert_eq!(answer.status, 404);
    }
    assert_eq!(audit(&admin, &format!("target={}", id(1))).await[0]["reason"], "asked for");
}

#[tokio::test]
async fn an_admin_signs_somebody_out() {
    let server = Server::start().await;
    let admin = admin(&server).await;
    let (app, browser) =
        (TokenUser::login(&server, USER, DEMO_PASSWORD).await, CookieUser::login(&server, USER, DEMO_PASSWORD).await);
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
    let sessions = format!("{}/sessions", path(1));
    let listed = admin.get(&sessions).await.json()["sessions"].as_array().unwrap().clone();
    assert!(listed.len() == 2 && listed.iter().all(|session| session["current"] == false));
    let of_browser = listed.iter().find(|session| session["kind"] == "cookie").unwrap()["id"].as_str().unwrap();
    let one = format!("{sessions}/{of_browser}");
    assert_eq!((admin.delete(&one).await.status, admin.delete(&one).await.status), (204, 404));
    assert_eq!((browser.get("/v1/auth/me").await.status, app.get("/v1/auth/me").await.status), (401, 200));
    assert_eq!(admin.delete(&sessions).await.status, 204);
    assert_eq!(app.get("/v1/auth/me").await.status, 401);
    assert_eq!(admin.get("/v1/auth/me").await.status, 200);
}

#[tokio::test]
async fn the_audit_tells_of_every_change_in_pages() {
    let server = Server::start().await;
    let admin = admin(&server).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    user.patch("/v1/auth/me", json!({ "name": "Ada King" })).await;
    server.clock.advance(Duration::from_secs(1));
    let new = json!({ "currentPassword": DEMO_PASSWORD, "newPassword": "a sentence nobody guesses" });
    user.post("/v1/auth/update-password", new).await;
    server.clock.advance(Duration::from_secs(1));
    user.delete("/v1/auth/sessions?keep=none").await;

    let first = admin.get("/v1/admin/audit?pageSize=2").await.json();
    let actions = |page: &Value| {
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(actions(&first), ["sessions-revoked", "password-changed"]);
    assert_eq!(first["entries"][0]["actor"], id(1));
    let next = first["nextPageToken"].as_str().unwrap();
    let second = admin.get(&format!("/v1/admin/audit?pageSize=2&pageToken={next}")).await.json();
    assert_eq!(actions(&second), ["profile-changed"]);
    assert_eq!(second["nextPageToken"], Value::Null);
    assert!(!format!("{first}{second}").contains("sentence"), "no password is in it");
}
