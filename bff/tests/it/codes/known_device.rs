//! A device that an account was signed in on has a budget of its own, which strangers cannot spend.

use std::time::Duration;

use bff::identity::DEMO_PASSWORD;
use reqwest::Method;
use serde_json::{Value, json};

use super::{NEW, PASSWORD, USER, another, challenge, code, new_password, problem, registration};
use crate::harness::{Answer, Caller, Server};
use crate::throttle::{behind_a_proxy, try_from};

const HOME: &str = "198.51.100.1";
const STRANGER: &str = "203.0.113.7";
const ASK: &str = "/v1/auth/reset-password";
const CONFIRM: &str = "/v1/auth/confirm-reset-password";

async fn post(server: &Server, address: &str, device: &str, path: &str, body: Value) -> Answer {
    let request = server.anonymous().request(Method::POST, path).header("x-forwarded-for", address);
    let request = if device.is_empty() { request } else { request.header("bff-device", device) };
    Answer::of(request.json(&body)).await
}

#[tokio::test]
async fn strangers_who_spend_all_tries_and_codes_keep_no_owner_from_resetting() {
    let server = Server::start_with(behind_a_proxy).await;
    let device = |answer: Answer| answer.header("bff-device").to_owned();
    let mine = device(try_from(&server, HOME, USER, DEMO_PASSWORD, &[]).await);
    let another_s = device(try_from(&server, HOME, "operator@shop.test", DEMO_PASSWORD, &[]).await);
    let ask = json!({ "identifier": USER });

    for round in 1..=2 {
        let id = challenge(&post(&server, STRANGER, "", ASK, ask.clone()).await);
        let wrong = another(&code(&server, USER, round).await);
        for _ in 0..5 {
            let tried = post(&server, STRANGER, "", CONFIRM, new_password(&id, &wrong, USER)).await;
            assert_eq!(problem(&tried), (400, "invalid-code".to_owned()));
        }
        server.clock.advance(Duration::from_secs(300));
    }
    let id = challenge(&post(&server, STRANGER, "", ASK, ask.clone()).await);
    let right = code(&server, USER, 3).await;
    for device in ["", another_s.as_str(), "kd1.nonsense"] {
        let asked = post(&server, HOME, device, ASK, ask.clone()).await;
        assert_eq!(asked.status, 429, "{device}: the strangers' code was sent just now");
        let tried = post(&server, HOME, device, CONFIRM, new_password(&id, &right, USER)).await;
        assert_eq!(problem(&tried), (429, "too-many-tries".to_owned()), "{device}");
    }

    let id = challenge(&post(&server, HOME, &mine, ASK, ask).await);
    let right = code(&server, USER, 4).await;
    let mistyped = post(&server, HOME, &mine, CONFIRM, new_password(&id, &another(&right), USER)).await;
    assert_eq!(problem(&mistyped), (400, "invalid-code".to_owned()));
    let stolen = post(&server, STRANGER, "", CONFIRM, new_password(&id, &right, USER)).await;
    assert_eq!(stolen.status, 429, "what is known is the device, not the code");
    let done = post(&server, HOME, &mine, CONFIRM, new_password(&id, &right, USER)).await;
    assert_eq!(done.status, 204, "{done:?}");
    assert_eq!(try_from(&server, HOME, USER, PASSWORD, &[]).await.status, 200);
}

#[tokio::test]
async fn who_signs_up_is_known_at_once() {
    let server = Server::start_with(behind_a_proxy).await;
    let ask = json!({ "identifier": NEW, "purpose": "register" });
    let id = challenge(&post(&server, HOME, "", "/v1/auth/verify-code", ask).await);
    let body = registration(&id, &code(&server, NEW, 1).await, NEW);
    let answer = post(&server, HOME, "", "/v1/auth/register", body).await;
    let mine = answer.header("bff-device").to_owned();
    for _ in 0..5 {
        assert_eq!(try_from(&server, STRANGER, NEW, "wrong", &[]).await.status, 401);
    }
    assert_eq!(try_from(&server, HOME, NEW, PASSWORD, &[]).await.status, 429);
    assert_eq!(try_from(&server, HOME, NEW, PASSWORD, &[("bff-device", &mine)]).await.status, 200);
}

#[tokio::test]
async fn a_known_device_has_no_more_tries_than_strangers_have() {
    let server = Server::start_with(behind_a_proxy).await;
    let mine = try_from(&server, HOME, USER, DEMO_PASSWORD, &[]).await.header("bff-device").to_owned();
    let mut statuses = Vec::new();
    for round in 1..=3 {
        let id = challenge(&post(&server, HOME, &mine, ASK, json!({ "identifier": USER })).await);
        let wrong = another(&code(&server, USER, round).await);
        for _ in 0..4 {
            statuses.push(post(&server, HOME, &mine, CONFIRM, new_password(&id, &wrong, USER)).await.status);
        }
        server.clock.advance(Duration::from_secs(300));
    }
    assert_eq!(statuses, [[400; 10].as_slice(), &[429; 2]].concat());
}
