//! Signing in and out through the front door.

use std::time::Duration;

use bff::identity::DEMO_PASSWORD;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::harness::{Answer, Caller, CookieUser, Server, TokenUser};

const USER: &str = "user@shop.test";
const USER_ID: &str = "01890000-0000-7000-8000-000000000001";
const NOON: &str = "2026-01-01T12:00:00Z";

async fn login(server: &Server, body: Value) -> Answer {
    server.anonymous().post("/v1/auth/login", body).await
}

async fn refresh(server: &Server, token: &str) -> Answer {
    server.anonymous().post("/v1/auth/refresh", json!({ "refreshToken": token })).await
}

fn text(answer: &Answer, name: &str) -> String {
    answer.json()[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn signs_in_by_e_mail_and_by_phone() {
    let server = Server::start().await;
    for identifier in ["user@shop.test", " User@SHOP.test", "+15550100001", "+1 (555) 010-0001"] {
        let answer = login(&server, json!({ "identifier": identifier, "password": DEMO_PASSWORD })).await;
        assert_eq!(answer.status, 200, "{identifier}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let mut body = answer.json();
        for token in ["accessToken", "refreshToken"] {
            let token = body.as_object_mut().unwrap().remove(token).unwrap();
            assert!(token.as_str().unwrap().len() > 80);
        }
        assert_eq!(
            body,
            json!({
                "user": {
                    "id": USER_ID, "name": "Ada Lovelace", "email": USER, "phone": "+15550100001", "role": "user",
                    "locale": "en", "createdAt": NOON, "emailVerifiedAt": NOON, "phoneVerifiedAt": NOON,
                },
                "tokenType": "Bearer",
                "expiresIn": 600,
            })
        );
    }
}

#[tokio::test]
async fn a_cookie_is_all_that_a_browser_gets() {
    let server = Server::start().await;
    let body = json!({ "identifier": USER, "password": DEMO_PASSWORD, "session": "cookie" });
    let request = server.anonymous().request(Method::POST, "/v1/auth/login").header("origin", &server.url).json(&body);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["user"]);

    let (pair, attributes) = answer.header("set-cookie").split_once("; ").unwrap();
    assert!(pair.starts_with("sid=st1."), "{pair}");
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000");

    let me = CookieUser { server: &server, cookie: pair.to_owned() }.get("/v1/auth/me").await;
    assert_eq!((me.status, text(&me, "id").as_str()), (200, USER_ID));
}

#[tokio::test]
async fn me_is_the_account_as_it_is_kept() {
    let server = Server::start().await;
    let me = TokenUser::login(&server, USER, DEMO_PASSWORD).await.get("/v1/auth/me").await;
    assert_eq!(
        me.json(),
        json!({
            "id": USER_ID,
            "name": "Ada Lovelace",
            "email": USER,
            "phone": "+15550100001",
            "role": "user",
            "locale": "en",
            "emailVerifiedAt": "2026-01-01T12:00:00Z",
            "phoneVerifiedAt": "2026-01-01T12:00:00Z",
            "createdAt": "2026-01-01T12:00:00Z",
        })
    );
    let nobody = server.anonymous().get("/v1/auth/me").await;
    assert_eq!((nobody.status, text(&nobody, "code").as_str()), (401, "unauthorized"));
}

#[tokio::test]
async fn every_demo_account_has_its_role() {
    let server = Server::start().await;
    for role in ["user", "operator", "auditor", "admin"] {
        let email = format!("{role}@shop.test");
        let by_token = TokenUser::login(&server, &email, DEMO_PASSWORD).await.get("/v1/auth/me").await;
        let by_cookie = CookieUser::login(&server, &email, DEMO_PASSWORD).await.get("/v1/auth/me").await;
        assert_eq!((text(&by_token, "role"), text(&by_cookie, "role")), (role.to_owned(), role.to_owned()));
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_look_alike() {
    let server = Server::start().await;
    let mut seen = Vec::new();
    for (identifier, password) in [(USER, "wrong"), ("nobody@shop.test", DEMO_PASSWORD), ("+15550199999", "wrong")] {
        let answer = login(&server, json!({ "identifier": identifier, "password": password })).await;
        let mut body = answer.json();
        body.as_object_mut().unwrap().remove("requestId");
        seen.push((answer.status, body));
    }
    assert_eq!(seen[0].0, 401);
    assert_eq!(seen[0].1["code"], "invalid-credentials");
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
}

#[tokio::test]
async fn a_malformed_login_says_what_is_wrong() {
    let server = Server::start().await;
    let answer = login(&server, json!({ "identifier": "nonsense", "password": "x" })).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json()["errors"],
        json!([{
            "pointer": "/identifier",
            "code": "invalid",
            "message": "expected an e-mail address or a phone number like +15550100001",
        }])
    );
    let long = "x".repeat(513);
    for body in [
        json!({ "identifier": USER, "password": "" }),
        json!({ "identifier": USER, "password": long }),
        json!({ "identifier": USER, "password": DEMO_PASSWORD, "admin": true }),
        json!({ "identifier": USER, "password": DEMO_PASSWORD, "session": "forever" }),
        json!({ "identifier": USER }),
    ] {
        let answer = login(&server, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(DEMO_PASSWORD), "the answer repeats the password");
    }
}

#[tokio::test]
async fn logout_ends_a_cookie_and_every_token_of_its_session_at_once() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
    let gone = Answer::of(browser.request(Method::POST, "/v1/auth/logout")).await;
    assert_eq!(gone.status, 204);
    assert!(gone.header("set-cookie").starts_with("sid=;"), "{}", gone.header("set-cookie"));
    assert_eq!(browser.get("/v1/auth/me").await.status, 401);

    let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let other = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(app.get("/v1/auth/me").await.status, 200);
    assert_eq!(Answer::of(app.request(Method::POST, "/v1/auth/logout")).await.status, 204);
    assert_eq!(app.get("/v1/auth/me").await.status, 401);
    assert_eq!(refresh(&server, &app.refresh_token).await.status, 401);
    assert_eq!(other.get("/v1/auth/me").await.status, 200);
}

#[tokio::test]
async fn logout_works_when_there_is_little_left_to_end() {
    let server = Server::start().await;
    let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!(app.get("/v1/auth/me").await.status, 401);
    assert_eq!(Answer::of(app.request(Method::POST, "/v1/auth/logout")).await.status, 204);
    assert_eq!(refresh(&server, &app.refresh_token).await.status, 401);
    assert_eq!(Answer::of(app.request(Method::POST, "/v1/auth/logout")).await.status, 204);
    assert_eq!(Answer::of(server.anonymous().request(Method::POST, "/v1/auth/logout")).await.status, 204);
    let forged = TokenUser { access_token: "a.b.c".to_owned(), ..app };
    assert_eq!(Answer::of(forged.request(Method::POST, "/v1/auth/logout")).await.status, 401);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_then_tells_of_theft() {
    let server = Server::start().await;
    let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    server.clock.advance(Duration::from_secs(700));
    assert_eq!(app.get("/v1/auth/me").await.status, 401);

    let second = refresh(&server, &app.refresh_token).await;
    assert_eq!(second.status, 200);
    let renewed = TokenUser {
        server: &server,
        access_token: text(&second, "accessToken"),
        refresh_token: text(&second, "refreshToken"),
    };
    assert_eq!(renewed.get("/v1/auth/me").await.status, 200);

    // The answer was lost: the same successor again.
    server.clock.advance(Duration::from_secs(30));
    let again = refresh(&server, &app.refresh_token).await;
    assert_eq!(text(&again, "refreshToken"), renewed.refresh_token);

    // Nobody asks that late for a lost answer.
    server.clock.advance(Duration::from_secs(1));
    let stolen = refresh(&server, &app.refresh_token).await;
    assert_eq!((stolen.status, text(&stolen, "code").as_str()), (401, "invalid-session"));
    assert_eq!(refresh(&server, &renewed.refresh_token).await.status, 401);
    assert_eq!(renewed.get("/v1/auth/me").await.status, 401);
}

#[tokio::test]
async fn parallel_refreshes_agree_on_one_successor() {
    let server = Server::start().await;
    let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let answers = join_all((0..5).map(|_| refresh(&server, &app.refresh_token))).await;
    let successors: Vec<String> = answers.iter().map(|answer| text(answer, "refreshToken")).collect();
    assert!(successors.iter().all(|token| *token == successors[0]), "{successors:?}");
    assert_eq!(refresh(&server, &successors[0]).await.status, 200);
}

#[tokio::test]
async fn sessions_and_keys_outlive_a_restart_and_so_does_a_logout() {
    let server = Server::start().await;
    let keys = server.anonymous().get("/.well-known/jwks.json").await.json();
    let (access_token, refresh_token, cookie, ended) = {
        let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
        let ended = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        assert_eq!(Answer::of(ended.request(Method::POST, "/v1/auth/logout")).await.status, 204);
        (app.access_token, app.refresh_token, browser.cookie, ended.access_token)
    };

    let server = server.restart().await;
    let app = TokenUser { server: &server, access_token, refresh_token };
    let ended = TokenUser { server: &server, access_token: ended, refresh_token: String::new() };
    assert_eq!(server.anonymous().get("/.well-known/jwks.json").await.json(), keys);
    assert_eq!(app.get("/v1/auth/me").await.status, 200);
    assert_eq!(CookieUser { server: &server, cookie }.get("/v1/auth/me").await.status, 200);
    assert_eq!(refresh(&server, &app.refresh_token).await.status, 200);
    assert_eq!(ended.get("/v1/auth/me").await.status, 401);
}

#[tokio::test]
async fn a_used_cookie_session_lives_on_and_an_idle_one_ends() {
    let server = Server::start().await;
    let admin = CookieUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
    for _ in 0..3 {
        server.clock.advance(Duration::from_secs(29 * 60));
        assert_eq!(admin.get("/v1/auth/me").await.status, 200);
    }
    server.clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(admin.get("/v1/auth/me").await.status, 401);
}

#[tokio::test]
async fn another_site_cannot_use_a_browser_s_cookie() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    let logout = |headers: &[(&'static str, &str)]| {
        let request = server.anonymous().request(Method::POST, "/v1/auth/logout").header("cookie", &browser.cookie);
        Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    };
    let refused: [&[(&'static str, &str)]; 4] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://evil.test")],
        &[("origin", "http://evil.test")],
    ];
    for headers in refused {
        let answer = logout(headers).await;
        assert_eq!((answer.status, text(&answer, "code").as_str()), (403, "cross-site"), "{headers:?}");
    }
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
    assert_eq!(logout(&[("origin", &server.url)]).await.status, 204);

    let body = json!({ "identifier": USER, "password": DEMO_PASSWORD, "session": "cookie" });
    let foreign = server.anonymous().request(Method::POST, "/v1/auth/login").header("origin", "http://evil.test");
    assert_eq!(Answer::of(foreign.json(&body)).await.status, 403);
    assert_eq!(login(&server, body).await.status, 403);
}

#[tokio::test]
async fn an_authorization_header_makes_cookies_count_for_nothing() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    for authorization in ["Bearer nonsense", "Bearer", "Basic dTpw", ""] {
        let request = browser.request(Method::GET, "/v1/auth/me").header("authorization", authorization);
        assert_eq!(Answer::of(request).await.status, 401, "{authorization}");
    }
}

/// As another replica, or an operator, does it: in the records.
async fn change_records(server: &Server, sql: &'static str) {
    let url = format!("sqlite:{}", server.folder.path().join("bff.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_busy_cookie_learns_within_half_a_minute_that_its_account_is_disabled() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    change_records(&server, "UPDATE accounts SET disabled_at = 1 WHERE email = 'user@shop.test'").await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(browser.get("/v1/auth/me").await.status);
        server.clock.advance(Duration::from_secs(10));
    }
    assert_eq!(statuses.last(), Some(&401u16), "{statuses:?}");
}

#[tokio::test]
async fn using_a_session_does_not_undo_its_end() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
    change_records(&server, "UPDATE sessions SET revoked_at = 1, revision = revision + 1").await;
    for _ in 0..4 {
        server.clock.advance(Duration::from_secs(70));
        assert_eq!(browser.get("/v1/auth/me").await.status, 401);
    }
}
