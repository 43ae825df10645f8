//! What a code that was used leaves behind, and what none leaves anywhere.

use bff::identity::DEMO_PASSWORD;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use super::{
    NEW, PHONE, USER, challenge, code, confirm_reset, new_password, register, registration, reset_password, verify_code,
};
use crate::conformance::eventually;
use crate::harness::{Answer, Caller, Process, Server, TokenUser, client};

#[tokio::test]
async fn the_audit_and_the_login_history_tell_of_it() {
    let server = Server::start().await;
    let id = challenge(&verify_code(&server, NEW, "register").await);
    let answer = register(&server, registration(&id, &code(&server, NEW, 1).await, NEW)).await.json();
    let access_token = answer["accessToken"].as_str().unwrap().to_owned();
    let grace = TokenUser { server: &server, access_token, refresh_token: String::new() };
    let history = eventually(async || {
        let history = grace.get("/v1/auth/me/logins").await.json();
        history["logins"][0].is_object().then_some(history)
    })
    .await;
    assert_eq!((&history["logins"][0]["result"], &history["logins"][0]["kind"]), (&json!("ok"), &json!("token")));

    let ada = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let ask = json!({ "identifier": PHONE, "purpose": "verify-phone" });
    let id = challenge(&ada.post("/v1/auth/verify-code", ask).await);
    let body = json!({ "challengeId": id, "code": code(&server, PHONE, 1).await, "identifier": PHONE });
    assert_eq!(ada.post("/v1/auth/confirm-identifier", body).await.status, 204);
    let id = challenge(&reset_password(&server, USER).await);
    let body = new_password(&id, &code(&server, USER, 2).await, USER);
    assert_eq!(confirm_reset(&server, body).await.status, 204);

    let url = format!("sqlite:{}", server.folder.path().join("bff.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let sql = "SELECT action, network, actor = target FROM audit ORDER BY id";
    let lines: Vec<(String, Option<String>, bool)> = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
    let expected = ["registered", "identifier-confirmed", "password-reset"];
    assert_eq!(lines, expected.map(|action| (action.to_owned(), Some("127.0.0.0/24".to_owned()), true)));
}

#[tokio::test]
async fn the_log_holds_neither_code_nor_password_nor_whom_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("views")).unwrap();
    let at = folder.path().display();
    let settings = format!("[store]\ndatabase_url = 'sqlite:{at}/process.db'\n[views]\ndir = '{at}/views'\n");
    let process = Process::start(folder.path(), &settings, &[("BFF__TELEMETRY__LEVEL", "info,bff=trace")]).await;
    let post =
        async |path: &str, body: Value| Answer::of(client().post(format!("{}{path}", process.url)).json(&body)).await;
    let asked = post("/v1/auth/verify-code", json!({ "identifier": NEW, "purpose": "register" })).await;
    let url = format!("{}/dev/messages?to={NEW}", process.admin_url);
    let code = eventually(async || {
        let mails: Value = Answer::of(client().get(&url)).await.json();
        mails[0]["code"].as_str().map(str::to_owned)
    })
    .await;
    let wrong = post("/v1/auth/register", registration(&challenge(&asked), &super::another(&code), NEW)).await;
    assert_eq!(wrong.status, 400);
    let right = post("/v1/auth/register", registration(&challenge(&asked), &code, NEW)).await;
    assert_eq!(right.status, 201);
    let log = process.stop().await;
    assert!(log.contains("/v1/auth/register"), "{log}");
    for secret in [code.as_str(), &super::another(&code), super::PASSWORD, NEW, "grace", "Grace"] {
        // A number may be part of a time or an id.
        let told =
            log.lines().filter(|line| line.contains(&format!("\"{secret}")) || line.contains(&format!(" {secret}")));
        assert_eq!(told.count(), 0, "{secret} in\n{log}");
    }
}
