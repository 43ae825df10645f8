//! What asking for a code, or a wrong password, tells of who has an account: nothing, in words, headers or time.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use super::{
    NEW, USER, another, challenge, code, confirm_reset, message, messages, new_password, problem, register,
    registration, reset_password, verify_code, wrong_code,
};
use crate::harness::{Answer, Caller, Server, TokenUser};

const DISABLED: &str = "operator@shop.test";
const PASSWORDLESS: &str = "auditor@shop.test";
const EVERYBODY: [&str; 4] = [USER, NEW, DISABLED, PASSWORDLESS];

async fn server() -> Server {
    let server = Server::start().await;
    let url = format!("sqlite:{}", server.folder.path().join("bff.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    for sql in [
        "UPDATE accounts SET disabled_at = 1 WHERE email = 'operator@shop.test'",
        "UPDATE accounts SET password_hash = NULL WHERE email = 'auditor@shop.test'",
    ] {
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
    server
}

/// All that an answer shows, but for what differs from request to request.
fn shown(answer: &Answer) -> String {
    let mut headers = answer.headers.clone();
    for changing in ["x-request-id", "date", "content-length"] {
        headers.remove(changing);
    }
    let mut body = answer.json();
    for changing in ["challengeId", "requestId"] {
        body.as_object_mut().unwrap().remove(changing);
    }
    let mut headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    headers.sort();
    format!("{} {headers:?} {body} {}", answer.status, answer.body.len())
}

#[tokio::test]
async fn every_answer_is_the_same_whoever_is_asked_about() {
    let server = server().await;
    let mut seen: [Vec<String>; 5] = Default::default();
    for identifier in EVERYBODY {
        let login = json!({ "identifier": identifier, "password": "not the right one" });
        let wrong = server.anonymous().post("/v1/auth/login", login).await;
        let registering = verify_code(&server, identifier, "register").await;
        let resetting = reset_password(&server, identifier).await;
        let too_soon = reset_password(&server, identifier).await;
        let (register_id, reset_id) = (challenge(&registering), challenge(&resetting));
        let refused = [
            register(&server, registration(&register_id, "not a code", identifier)).await,
            confirm_reset(&server, new_password(&reset_id, "not a code", identifier)).await,
        ];
        seen[0].push(shown(&registering));
        seen[1].push(shown(&resetting));
        seen[2].push(shown(&too_soon));
        seen[3].push(refused.iter().map(shown).collect());
        seen[4].push(shown(&wrong));
    }
    for answers in seen {
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    }
}

#[tokio::test]
async fn only_who_can_use_a_code_is_sent_one() {
    let server = server().await;
    for identifier in EVERYBODY {
        challenge(&reset_password(&server, identifier).await);
    }
    let id = challenge(&verify_code(&server, DISABLED, "register").await);
    for identifier in [USER, PASSWORDLESS] {
        assert_eq!(message(&server, identifier, 1).await["purpose"], "reset-password");
    }
    assert_eq!(message(&server, DISABLED, 1).await["purpose"], "already-registered");
    assert_eq!(messages(&server, NEW).await.len(), 0);
    assert_eq!(problem(&register(&server, registration(&id, "000000", DISABLED)).await), wrong_code());
}

/// The account is disabled, or somebody else took the address, after the code was sent.
#[tokio::test]
async fn an_account_that_is_no_longer_fit_answers_like_a_wrong_code() {
    let server = server().await;
    let id = challenge(&reset_password(&server, USER).await);
    let right = code(&server, USER, 1).await;
    let wrong = confirm_reset(&server, new_password(&id, &another(&right), USER)).await;
    let url = format!("sqlite:{}", server.folder.path().join("bff.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE accounts SET disabled_at = 1").execute(&mut connection).await.unwrap();
    let unfit = confirm_reset(&server, new_password(&id, &right, USER)).await;
    assert_eq!(shown(&unfit), shown(&wrong));

    let id = challenge(&verify_code(&server, NEW, "register").await);
    let right = code(&server, NEW, 1).await;
    let wrong = register(&server, registration(&id, &another(&right), NEW)).await;
    let sql = "UPDATE accounts SET email = 'grace@shop.test' WHERE email = 'user@shop.test'";
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    assert_eq!(shown(&register(&server, registration(&id, &right, NEW)).await), shown(&wrong));
}

#[tokio::test]
async fn a_password_can_be_set_where_there_was_none() {
    let server = server().await;
    let id = challenge(&reset_password(&server, PASSWORDLESS).await);
    let code = code(&server, PASSWORDLESS, 1).await;
    assert_eq!(confirm_reset(&server, new_password(&id, &code, PASSWORDLESS)).await.status, 204);
    TokenUser::login(&server, PASSWORDLESS, super::PASSWORD).await;
}

/// Run by hand: `cargo test -p bff --test it -- --ignored --nocapture asking_takes_as_long`. It prints the medians.
#[tokio::test]
#[ignore = "a measurement, which a busy machine spoils"]
async fn asking_takes_as_long_whoever_is_asked_about() {
    const SAMPLES: usize = 500;
    let server = Server::start_with(|mut config| {
        config.identity.codes.budgets.per_address_per_hour = u32::MAX;
        config.identity.codes.rules.resend_after_s = vec![0];
        config.identity.codes.rules.sends_per_hour = u32::MAX;
        config.identity.codes.rules.sends_per_day = u32::MAX;
        config
    })
    .await;
    let url = format!("sqlite:{}", server.folder.path().join("bff.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE accounts SET disabled_at = 1 WHERE email = 'operator@shop.test'")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query("UPDATE accounts SET password_hash = NULL WHERE email = 'auditor@shop.test'")
        .execute(&mut connection)
        .await
        .unwrap();
    let mut times: [Vec<Duration>; 4] = Default::default();
    for sample in 0..SAMPLES * 4 {
        let who = sample % 4;
        let begun = Instant::now();
        let answer = reset_password(&server, EVERYBODY[who]).await;
        times[who].push(begun.elapsed());
        assert_eq!(answer.status, 202);
        // A day later nothing of it is remembered, so that every record is as long as the others.
        server.clock.advance(Duration::from_secs(86_400));
    }
    for (who, mut times) in EVERYBODY.into_iter().zip(times) {
        times.sort();
        let [p25, p50, p75] = [SAMPLES / 4, SAMPLES / 2, SAMPLES * 3 / 4].map(|place| times[place]);
        println!("{who:20} quartiles {p25:?} {p50:?} {p75:?}");
    }
}
