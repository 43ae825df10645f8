//! What somebody without the code may try.

use std::time::Duration;

use bff::http::Network;
use bff::identity::DEMO_PASSWORD;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, Row, SqliteConnection};

use super::{
    NEW, PASSWORD, PHONE, USER, another, challenge, code, confirm_reset, messages, new_password, problem, register,
    registration, reset_password, verify_code, wrong_code,
};
use crate::harness::{Answer, Caller, Server, TokenUser};

/// Behind a proxy that says where clients are.
async fn behind_a_proxy() -> Server {
    Server::start_with(|mut config| {
        config.http.trusted_proxies = vec![Network::try_from("127.0.0.1".to_owned()).unwrap()];
        config
    })
    .await
}

async fn post_from(server: &Server, address: &str, path: &str, body: &serde_json::Value) -> Answer {
    let request = server.anonymous().request(Method::POST, path).header("x-forwarded-for", address);
    Answer::of(request.json(body)).await
}

#[tokio::test]
async fn five_wrong_tries_end_a_code() {
    let server = Server::start().await;
    let id = challenge(&verify_code(&server, NEW, "register").await);
    let right = code(&server, NEW, 1).await;
    for _ in 0..5 {
        assert_eq!(problem(&register(&server, registration(&id, &another(&right), NEW)).await), wrong_code());
    }
    assert_eq!(problem(&register(&server, registration(&id, &right, NEW)).await), wrong_code());
}

#[tokio::test]
async fn guessing_goes_on_neither_with_new_codes_nor_from_other_addresses() {
    let server = behind_a_proxy().await;
    let mut compared = 0;
    let mut waits = Vec::new();
    for round in 0..4u32 {
        let address = format!("192.0.2.{round}");
        let ask = json!({ "identifier": USER });
        let id = challenge(&post_from(&server, &address, "/v1/auth/reset-password", &ask).await);
        let right = code(&server, USER, round as usize + 1).await;
        for guess in 0..5u32 {
            let address = format!("198.51.{round}.{guess}");
            let body = new_password(&id, &another(&right), USER);
            let answer = post_from(&server, &address, "/v1/auth/confirm-reset-password", &body).await;
            match answer.status {
                400 => compared += 1,
                429 => waits.push(answer.header("retry-after").parse::<u64>().unwrap()),
                status => panic!("{status}"),
            }
        }
        if round == 3 {
            let body = new_password(&id, &right, USER);
            let answer = post_from(&server, "203.0.113.1", "/v1/auth/confirm-reset-password", &body).await;
            assert_eq!(problem(&answer), (429, "too-many-tries".to_owned()), "the right one is not looked at either");
        }
        server.clock.advance(Duration::from_secs(300));
    }
    assert_eq!((compared, waits.len()), (10, 10));
    assert!(waits.iter().all(|wait| (1..=3_600).contains(wait)), "{waits:?}");
    TokenUser::login(&server, USER, DEMO_PASSWORD).await;

    // An hour later the rest of the day's twenty.
    server.clock.advance(Duration::from_secs(3_600));
    let id = challenge(&reset_password(&server, USER).await);
    let right = code(&server, USER, 5).await;
    assert_eq!(confirm_reset(&server, new_password(&id, &right, USER)).await.status, 204);
}

#[tokio::test]
async fn a_code_is_good_for_its_purpose_its_challenge_and_its_identifier_alone() {
    let server = Server::start().await;
    let ada = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let for_new = challenge(&verify_code(&server, NEW, "register").await);
    let to_new = code(&server, NEW, 1).await;
    let for_phone = challenge(&verify_code(&server, PHONE, "register").await);
    let for_reset = challenge(&reset_password(&server, USER).await);
    let to_user = code(&server, USER, 1).await;

    // The challenge or the prefix of another purpose.
    let foreign = for_new.replace("reg_", "rst_");
    for id in [for_new.as_str(), foreign.as_str()] {
        assert_eq!(problem(&confirm_reset(&server, new_password(id, &to_new, NEW)).await), wrong_code());
        assert_eq!(problem(&confirm_reset(&server, new_password(id, &to_new, USER)).await), wrong_code());
    }
    let body = json!({ "challengeId": for_new, "code": to_new, "identifier": NEW });
    assert_eq!(problem(&ada.post("/v1/auth/confirm-identifier", body).await), wrong_code());
    assert_eq!(problem(&register(&server, registration(&for_reset, &to_user, USER)).await), wrong_code());
    // Another identifier, another challenge.
    assert_eq!(problem(&register(&server, registration(&for_new, &to_new, PHONE)).await), wrong_code());
    assert_eq!(problem(&register(&server, registration(&for_phone, &to_new, NEW)).await), wrong_code());
    // What is no id and no code.
    for (id, code) in
        [("", to_new.as_str()), ("reg_", &to_new), (&for_new, ""), (&for_new, "12345"), (&for_new, "1e5   ")]
    {
        assert_eq!(problem(&register(&server, registration(id, code, NEW)).await), wrong_code());
    }
    assert_eq!(register(&server, registration(&for_new, &to_new, NEW)).await.status, 201, "nothing was counted");
    assert_eq!(confirm_reset(&server, new_password(&for_reset, &to_user, USER)).await.status, 204);
}

#[tokio::test]
async fn a_code_for_an_address_is_its_account_s_own() {
    let server = Server::start().await;
    let ada = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let eve = TokenUser::login(&server, "operator@shop.test", DEMO_PASSWORD).await;
    let ask = json!({ "identifier": NEW, "purpose": "verify-email" });
    let id = challenge(&ada.post("/v1/auth/verify-code", ask).await);
    let body = json!({ "challengeId": id, "code": code(&server, NEW, 1).await, "identifier": NEW });
    assert_eq!(problem(&eve.post("/v1/auth/confirm-identifier", body.clone()).await), wrong_code());
    assert_eq!(ada.post("/v1/auth/confirm-identifier", body).await.status, 204);

    // An address that is somebody's: no code goes there, and no guess would help.
    let ask = json!({ "identifier": "admin@shop.test", "purpose": "verify-email" });
    let id = challenge(&eve.post("/v1/auth/verify-code", ask).await);
    let told = super::message(&server, "admin@shop.test", 1).await;
    assert_eq!(told["purpose"], "already-registered");
    let body = json!({ "challengeId": id, "code": "000000", "identifier": "admin@shop.test" });
    assert_eq!(problem(&eve.post("/v1/auth/confirm-identifier", body).await), wrong_code());
}

#[tokio::test]
async fn a_code_works_for_ten_minutes_by_mail_and_for_five_by_sms() {
    let server = Server::start().await;
    for (identifier, life) in [(NEW, 600), (PHONE, 300)] {
        let id = challenge(&verify_code(&server, identifier, "register").await);
        let late = code(&server, identifier, 1).await;
        server.clock.advance(Duration::from_secs(life));
        assert_eq!(problem(&register(&server, registration(&id, &late, identifier)).await), wrong_code());
        let id = challenge(&verify_code(&server, identifier, "register").await);
        let in_time = code(&server, identifier, 2).await;
        server.clock.advance(Duration::from_secs(life - 1));
        assert_eq!(register(&server, registration(&id, &in_time, identifier)).await.status, 201);
    }
}

#[tokio::test]
async fn a_used_code_is_used_and_so_is_one_older_than_the_last_change() {
    let server = Server::start().await;
    let first = challenge(&reset_password(&server, USER).await);
    let to_first = code(&server, USER, 1).await;
    server.clock.advance(Duration::from_secs(60));
    let second = challenge(&reset_password(&server, USER).await);
    let to_second = code(&server, USER, 2).await;
    let by_phone = challenge(&reset_password(&server, "+15550100001").await);
    let to_phone = code(&server, "+15550100001", 1).await;
    server.clock.advance(Duration::from_secs(1));

    assert_eq!(confirm_reset(&server, new_password(&second, &to_second, USER)).await.status, 204);
    for (id, code, identifier) in
        [(&second, &to_second, USER), (&first, &to_first, USER), (&by_phone, &to_phone, "+15550100001")]
    {
        let body =
            json!({ "challengeId": id, "code": code, "identifier": identifier, "newPassword": "an attacker's own" });
        assert_eq!(problem(&confirm_reset(&server, body).await), wrong_code());
    }
    TokenUser::login(&server, USER, PASSWORD).await;
}

#[tokio::test]
async fn a_reset_password_ends_the_codes_for_other_addresses() {
    let server = Server::start().await;
    let eve = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let ask = json!({ "identifier": NEW, "purpose": "verify-email" });
    let id = challenge(&eve.post("/v1/auth/verify-code", ask).await);
    let to_new = code(&server, NEW, 1).await;
    server.clock.advance(Duration::from_secs(1));
    let reset = challenge(&reset_password(&server, USER).await);
    let body = new_password(&reset, &code(&server, USER, 1).await, USER);
    assert_eq!(confirm_reset(&server, body).await.status, 204);

    let ada = TokenUser::login(&server, USER, PASSWORD).await;
    let body = json!({ "challengeId": id, "code": to_new, "identifier": NEW });
    assert_eq!(problem(&ada.post("/v1/auth/confirm-identifier", body).await), wrong_code());
}

#[tokio::test]
async fn codes_are_not_had_for_the_asking() {
    let server = Server::start().await;
    let ask = async |expected: u16, wait: u64| {
        let answer = verify_code(&server, NEW, "register").await;
        assert_eq!(answer.status, expected, "{answer:?}");
        match expected {
            202 => assert_eq!(answer.json()["resendAfter"], wait),
            _ => assert_eq!(answer.header("retry-after"), wait.to_string()),
        }
        server.clock.advance(Duration::from_secs(wait - 1));
    };
    for wait in [60, 120, 300, 300] {
        ask(202, wait).await;
        ask(429, 1).await;
        server.clock.advance(Duration::from_secs(1));
    }
    ask(202, 3_600 - 60 - 120 - 300 - 300).await;
    assert_eq!(verify_code(&server, NEW, "register").await.status, 429, "five in an hour");
    assert_eq!(reset_password(&server, NEW).await.status, 202, "another purpose");
}

#[tokio::test]
async fn one_client_has_no_more_than_twenty_codes_an_hour() {
    let server = behind_a_proxy().await;
    let ask = |number: u32| json!({ "identifier": format!("user{number}@shop.test"), "purpose": "register" });
    for number in 0..20 {
        assert_eq!(post_from(&server, "192.0.2.1", "/v1/auth/verify-code", &ask(number)).await.status, 202);
    }
    let answer = post_from(&server, "192.0.2.1", "/v1/auth/verify-code", &ask(20)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "180"));
    assert_eq!(answer.header("ratelimit-policy"), "\"codes-address\";q=20;w=3600");
    assert_eq!(post_from(&server, "192.0.2.2", "/v1/auth/verify-code", &ask(20)).await.status, 202);
}

#[tokio::test]
async fn numbers_are_served_where_they_are_listed_and_within_a_budget() {
    let server = Server::start_with(|mut config| {
        config.identity.codes.budgets.sms_per_day = [("+1", 1), ("+1900", 0)].map(|(at, n)| (at.to_owned(), n)).into();
        config.identity.codes.budgets.emails_per_hour = 1;
        config
    })
    .await;
    for number in ["+447700900000", "+19005550100"] {
        let answer = verify_code(&server, number, "register").await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["code"]), (400, &json!("not-served")));
    }
    assert_eq!(verify_code(&server, "+15550100042", "register").await.status, 202);
    for _ in 0..2 {
        let spent = verify_code(&server, "+15550100043", "register").await;
        assert_eq!((spent.status, spent.header("retry-after")), (503, "86400"), "and nothing of the number's own is");
    }
    assert_eq!(verify_code(&server, NEW, "register").await.status, 202);
    assert_eq!(verify_code(&server, "other@shop.test", "register").await.status, 503);
}

/// Everything in the database, as one run of bytes.
async fn dump(server: &Server) -> Vec<u8> {
    let url = format!("sqlite:{}", server.folder.path().join("bff.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let mut dump = Vec::new();
    for (table, columns) in [("expiring_values", "key || '|' || value"), ("jobs", "id || '|' || payload")] {
        let sql = format!("SELECT CAST({columns} AS BLOB) AS bytes FROM {table}");
        for row in sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap() {
            dump.extend(row.get::<Vec<u8>, _>("bytes"));
        }
    }
    dump
}

#[tokio::test]
async fn the_store_holds_neither_a_code_nor_whom_it_was_sent_to() {
    let server = Server::start().await;
    let id = challenge(&verify_code(&server, NEW, "register").await);
    let code = code(&server, NEW, 1).await;
    let dump = String::from_utf8_lossy(&dump(&server).await).into_owned();
    assert!(dump.contains(&id), "{dump}");
    assert!(!dump.contains(&code) && !dump.contains("grace"), "{dump}");
    // A digest that needs no secret would be found by trying a million codes.
    let digest = ring_of_guesses(&code, &id);
    assert!(digest.iter().all(|guess| !dump.contains(guess)), "{dump}");
    assert_eq!(messages(&server, NEW).await.len(), 1);
}

/// What a plain hash of the code would look like in a record.
fn ring_of_guesses(code: &str, challenge: &str) -> Vec<String> {
    use aws_lc_rs::digest::{SHA256, digest};
    let texts = [code.to_owned(), format!("{challenge}{code}"), format!("{NEW}{code}"), format!("register{code}")];
    let numbers = |text: &String| serde_json::to_string(digest(&SHA256, text.as_bytes()).as_ref()).unwrap();
    texts.iter().map(numbers).collect()
}
