//! Many at once: on one replica over the embedded stores, and across two over PostgreSQL, Redis and NATS.

use futures_util::future::join_all;

use super::{NEW, USER, another, challenge, messages, new_password, registration, reset_password, verify_code};
use crate::conformance::{Backend, Place, eventually};
use crate::harness::{Answer, Caller, Server};
use crate::store::replicas::replicas;

const MANY: usize = 200;

/// Runs a test on one server, and on two that share their stores.
async fn each(test: impl AsyncFn(&[Server])) {
    test(&[Server::start().await]).await;
    let shared = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = replicas(place, &folder).await;
        test(&[first, second]).await;
    };
    Place::with(&[Backend::Postgres, Backend::Redis, Backend::Nats], &shared).await;
}

/// Any replica may have sent it.
async fn code_of(servers: &[Server], to: &str) -> String {
    let found = eventually(async || {
        for server in servers {
            if let Some(message) = messages(server, to).await.first() {
                return Some(message["code"].as_str().unwrap().to_owned());
            }
        }
        None
    });
    found.await
}

/// The same request so many times, in turn to each server.
async fn at_once(servers: &[Server], path: &str, body: &serde_json::Value) -> Vec<u16> {
    let ask = |number: usize| async move {
        servers[number % servers.len()].anonymous().post(path, body.clone()).await.status
    };
    join_all((0..MANY).map(ask)).await
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|other| **other == status).count()
}

/// How codes ended, on all servers together.
async fn counted(servers: &[Server], result: &str) -> usize {
    let series = format!(r#"bff_auth_events_total{{event="code",result="{result}"}} "#);
    let mut sum = 0;
    for server in servers {
        let page = Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await;
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        sum += page.lines().filter_map(|line| line.strip_prefix(&series)?.parse::<usize>().ok()).sum::<usize>();
    }
    sum
}

#[tokio::test]
async fn of_many_right_submissions_one_succeeds() {
    each(async |servers| {
        let id = challenge(&verify_code(&servers[0], NEW, "register").await);
        let body = registration(&id, &code_of(servers, NEW).await, NEW);
        let statuses = at_once(servers, "/v1/auth/register", &body).await;
        assert_eq!((count(&statuses, 201), count(&statuses, 400)), (1, MANY - 1), "{statuses:?}");

        let id = challenge(&reset_password(&servers[0], USER).await);
        let body = new_password(&id, &code_of(servers, USER).await, USER);
        let statuses = at_once(servers, "/v1/auth/confirm-reset-password", &body).await;
        assert_eq!((count(&statuses, 204), count(&statuses, 400)), (1, MANY - 1), "{statuses:?}");
        assert_eq!(counted(servers, "ok").await, 2);
        assert_eq!(counted(servers, "wrong-code").await, 0, "a right code is no wrong try");
    })
    .await;
}

#[tokio::test]
async fn of_many_wrong_submissions_five_are_compared() {
    each(async |servers| {
        let id = challenge(&verify_code(&servers[0], NEW, "register").await);
        let right = code_of(servers, NEW).await;
        let statuses = at_once(servers, "/v1/auth/register", &registration(&id, &another(&right), NEW)).await;
        assert_eq!(count(&statuses, 400), MANY, "{statuses:?}");
        assert_eq!(counted(servers, "wrong-code").await, 5);
        assert_eq!(counted(servers, "code-over").await, MANY - 5);
        let late = servers[0].anonymous().post("/v1/auth/register", registration(&id, &right, NEW)).await;
        assert_eq!(late.status, 400);
    })
    .await;
}

#[tokio::test]
async fn of_many_who_ask_one_gets_a_code() {
    each(async |servers| {
        let ask = |number: usize| verify_code(&servers[number % servers.len()], NEW, "register");
        // No more than one client address may ask in an hour.
        let answers = join_all((0..20).map(ask)).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!((count(&statuses, 202), count(&statuses, 429)), (1, 19), "{statuses:?}");
        code_of(servers, NEW).await;
    })
    .await;
}
