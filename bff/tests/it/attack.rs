//! What a stranger may send, and what it must not bring them.

use bff::identity::DEMO_PASSWORD;
use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Caller, Server, TokenUser};

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
