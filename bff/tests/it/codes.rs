//! One-time codes through the front door: signing up, resetting a password, taking another address.

mod attack;
mod contention;
mod known_device;
mod outage;
mod silence;
mod trail;

use std::time::Duration;

use bff::clock::Clock;
use bff::identity::DEMO_PASSWORD;
use serde_json::{Value, json};

use crate::conformance::eventually;
use crate::harness::{Answer, Caller, CookieUser, Server, TokenUser};

const USER: &str = "user@shop.test";
const NEW: &str = "grace@shop.test";
const PHONE: &str = "+15550100042";
const PASSWORD: &str = "seven green bottles";

async fn verify_code(server: &Server, identifier: &str, purpose: &str) -> Answer {
    server.anonymous().post("/v1/auth/verify-code", json!({ "identifier": identifier, "purpose": purpose })).await
}

async fn reset_password(server: &Server, identifier: &str) -> Answer {
    server.anonymous().post("/v1/auth/reset-password", json!({ "identifier": identifier })).await
}

/// The challenge of a code that was asked for.
fn challenge(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["challengeId"].as_str().unwrap().to_owned()
}

/// What was sent there, newest first.
async fn messages(server: &Server, to: &str) -> Vec<Value> {
    let request = server.client.get(format!("{}/dev/messages?to={}", server.admin_url, to.replace('+', "%2B")));
    serde_json::from_slice(&Answer::of(request).await.body).unwrap()
}

/// The newest of so many messages, once they are there.
async fn message(server: &Server, to: &str, count: usize) -> Value {
    eventually(async || messages(server, to).await.into_iter().rev().nth(count - 1)).await
}

/// The code of the newest of so many messages.
async fn code(server: &Server, to: &str, count: usize) -> String {
    message(server, to, count).await["code"].as_str().unwrap().to_owned()
}

fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

fn registration(challenge: &str, code: &str, identifier: &str) -> Value {
    json!({
        "challengeId": challenge, "code": code, "identifier": identifier, "password": PASSWORD, "name": "Grace Hopper",
    })
}

fn new_password(challenge: &str, code: &str, identifier: &str) -> Value {
    json!({ "challengeId": challenge, "code": code, "identifier": identifier, "newPassword": PASSWORD })
}

async fn register(server: &Server, body: Value) -> Answer {
    server.anonymous().post("/v1/auth/register", body).await
}

async fn confirm_reset(server: &Server, body: Value) -> Answer {
    server.anonymous().post("/v1/auth/confirm-reset-password", body).await
}

fn problem(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap().to_owned())
}

fn wrong_code() -> (u16, String) {
    (400, "invalid-code".to_owned())
}

#[tokio::test]
async fn an_address_or_a_number_signs_up_and_is_verified() {
    let server = Server::start().await;
    for (identifier, member, channel, life) in [(NEW, "email", "email", 600), (PHONE, "phone", "sms", 300)] {
        let asked = verify_code(&server, identifier, "register").await;
        let sent = asked.json();
        assert_eq!((sent["expiresIn"].as_i64(), sent["resendAfter"].as_i64()), (Some(life), Some(60)));
        let message = message(&server, identifier, 1).await;
        assert_eq!((&message["channel"], &message["purpose"]), (&json!(channel), &json!("register")));

        let body = registration(&challenge(&asked), message["code"].as_str().unwrap(), identifier);
        let answer = register(&server, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let signed_up = answer.json();
        assert_eq!(signed_up["user"]["role"], "user");
        assert_eq!(signed_up["user"][member], identifier);
        assert_eq!(signed_up["tokenType"], "Bearer");

        let access_token = signed_up["accessToken"].as_str().unwrap().to_owned();
        let me = TokenUser { server: &server, access_token, refresh_token: String::new() }.get("/v1/auth/me").await;
        assert_eq!(me.json()[format!("{member}VerifiedAt")], "2026-01-01T12:00:00Z");
        TokenUser::login(&server, identifier, PASSWORD).await;
    }
}

#[tokio::test]
async fn who_signs_up_is_shown_as_is_kept() {
    let server = Server::start_at(Clock::system(), |config| config).await;
    let id = challenge(&verify_code(&server, NEW, "register").await);
    let answer = register(&server, registration(&id, &code(&server, NEW, 1).await, NEW)).await.json();
    let access_token = answer["accessToken"].as_str().unwrap().to_owned();
    let me = TokenUser { server: &server, access_token, refresh_token: String::new() }.get("/v1/auth/me").await;
    assert_eq!(me.json(), answer["user"], "to the microsecond");
}

#[tokio::test]
async fn a_browser_that_signs_up_gets_a_cookie_if_it_is_on_our_own_pages() {
    let server = Server::start().await;
    let id = challenge(&verify_code(&server, NEW, "register").await);
    let mut body = registration(&id, &code(&server, NEW, 1).await, NEW);
    body["session"] = json!("cookie");
    assert_eq!(problem(&register(&server, body.clone()).await), (403, "cross-site".to_owned()));
    let request = server.anonymous().request(reqwest::Method::POST, "/v1/auth/register");
    let answer = Answer::of(request.header("sec-fetch-site", "same-origin").json(&body)).await;
    assert_eq!(answer.status, 201);
    assert!(answer.json().get("accessToken").is_none());
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(CookieUser { server: &server, cookie }.get("/v1/auth/me").await.status, 200);
}

#[tokio::test]
async fn nobody_signs_up_as_more_than_a_user() {
    let server = Server::start().await;
    let id = challenge(&verify_code(&server, NEW, "register").await);
    let code = code(&server, NEW, 1).await;
    for (name, value) in [("roles", json!(["admin"])), ("emailVerifiedAt", json!(1)), ("id", json!(USER))] {
        let mut body = registration(&id, &code, NEW);
        body[name] = value;
        assert_eq!(problem(&register(&server, body).await), (400, "invalid-body".to_owned()), "{name}");
    }
    let mut body = registration(&id, &code, NEW);
    body["role"] = json!("admin");
    let answer = register(&server, body).await;
    assert_eq!((answer.status, &answer.json()["user"]["role"]), (201, &json!("user")));
}

#[tokio::test]
async fn a_refused_password_or_name_costs_no_code() {
    let server = Server::start().await;
    let id = challenge(&verify_code(&server, NEW, "register").await);
    let code = code(&server, NEW, 1).await;
    for (name, value) in [("password", "short"), ("name", " "), ("name", "a\nb")] {
        let mut body = registration(&id, &code, NEW);
        body[name] = json!(value);
        let answer = register(&server, body).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (400, &json!(format!("/{name}"))));
    }
    assert_eq!(register(&server, registration(&id, &code, NEW)).await.status, 201);
}

#[tokio::test]
async fn the_owner_of_an_address_hears_at_most_hourly_that_it_has_an_account() {
    let server = Server::start().await;
    let id = challenge(&verify_code(&server, USER, "register").await);
    let told = message(&server, USER, 1).await;
    assert_eq!((&told["purpose"], &told["code"]), (&json!("already-registered"), &Value::Null));
    assert_eq!(problem(&register(&server, registration(&id, "000000", USER)).await), wrong_code());

    server.clock.advance(Duration::from_secs(60));
    challenge(&verify_code(&server, USER, "register").await);
    challenge(&verify_code(&server, NEW, "register").await);
    message(&server, NEW, 1).await;
    assert_eq!(messages(&server, USER).await.len(), 1, "told once");
    server.clock.advance(Duration::from_secs(3_600));
    challenge(&verify_code(&server, USER, "register").await);
    message(&server, USER, 2).await;
}

#[tokio::test]
async fn a_reset_password_ends_every_session_and_begins_none() {
    let server = Server::start().await;
    let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);

    let id = challenge(&reset_password(&server, USER).await);
    let code = code(&server, USER, 1).await;
    let done = confirm_reset(&server, new_password(&id, &code, USER)).await;
    assert_eq!((done.status, done.body.len()), (204, 0));
    assert_eq!(done.header("set-cookie"), "", "nobody is signed in by it");
    assert_eq!(app.get("/v1/auth/me").await.status, 401);
    assert_eq!(browser.get("/v1/auth/me").await.status, 401);

    let login = |password: &str| json!({ "identifier": USER, "password": password });
    assert_eq!(server.anonymous().post("/v1/auth/login", login(DEMO_PASSWORD)).await.status, 401);
    assert_eq!(server.anonymous().post("/v1/auth/login", login(PASSWORD)).await.status, 200);
    assert_eq!(message(&server, USER, 2).await["purpose"], "password-changed");
    assert_eq!(problem(&confirm_reset(&server, new_password(&id, &code, USER)).await), wrong_code(), "used");
}

#[tokio::test]
async fn a_number_resets_a_password_as_an_address_does() {
    let server = Server::start().await;
    let number = "+1 (555) 010-0001";
    let id = challenge(&reset_password(&server, number).await);
    let code = code(&server, "+15550100001", 1).await;
    assert_eq!(confirm_reset(&server, new_password(&id, &code, number)).await.status, 204);
    TokenUser::login(&server, USER, PASSWORD).await;
}

#[tokio::test]
async fn who_is_signed_in_takes_another_address_or_number() {
    let server = Server::start().await;
    let ada = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    for (identifier, purpose, member) in [(PHONE, "verify-phone", "phone"), (NEW, "verify-email", "email")] {
        let ask = json!({ "identifier": identifier, "purpose": purpose });
        assert_eq!(verify_code(&server, identifier, purpose).await.status, 401, "nobody is signed in");
        let id = challenge(&ada.post("/v1/auth/verify-code", ask).await);
        let code = code(&server, identifier, 1).await;
        server.clock.advance(Duration::from_secs(1));
        let body = json!({ "challengeId": id, "code": code, "identifier": identifier });
        assert_eq!(server.anonymous().post("/v1/auth/confirm-identifier", body.clone()).await.status, 401);
        assert_eq!(ada.post("/v1/auth/confirm-identifier", body.clone()).await.status, 204);
        let me = ada.get("/v1/auth/me").await.json();
        assert_eq!(me[member], identifier);
        assert_ne!(me[format!("{member}VerifiedAt")], "2026-01-01T12:00:00Z");
        assert_eq!(problem(&ada.post("/v1/auth/confirm-identifier", body).await), wrong_code(), "used");
    }
    assert_eq!(message(&server, USER, 1).await["purpose"], "identifier-changed", "the old address is told");
    TokenUser::login(&server, NEW, DEMO_PASSWORD).await;
    let old = json!({ "identifier": USER, "password": DEMO_PASSWORD });
    assert_eq!(server.anonymous().post("/v1/auth/login", old).await.status, 401);
}

#[tokio::test]
async fn a_purpose_has_its_kind_of_identifier() {
    let server = Server::start().await;
    let ada = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    for (identifier, purpose) in [(PHONE, "verify-email"), (NEW, "verify-phone"), ("nobody", "register")] {
        let answer = ada.post("/v1/auth/verify-code", json!({ "identifier": identifier, "purpose": purpose })).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (400, &json!("/identifier")));
    }
    for purpose in ["step-up", "reset-password", "login"] {
        assert_eq!(verify_code(&server, NEW, purpose).await.status, 400, "{purpose} is not asked for here");
    }
}
