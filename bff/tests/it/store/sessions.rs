//! Sessions over two replicas and through outages: what ends on one ends on the other, and what is away signs nobody out.

mod away;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bff::identity::DEMO_PASSWORD;
use futures_util::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::host_of;
use crate::conformance::wire::Wire;
use crate::conformance::{Backend, Place, eventually};
use crate::harness::{Answer, Caller, CookieUser, Server, TokenUser};
use crate::own_account::text;
use crate::roles::{cookies, refreshed, turn_into};

const ALL: [Backend; 3] = [Backend::Postgres, Backend::Redis, Backend::Nats];
const USER: &str = "user@shop.test";
const AUDITOR: &str = "auditor@shop.test";
const NEW: &str = "a sentence nobody guesses";

async fn replica(place: &Place, folder: &Path, nats: Option<SocketAddr>) -> Server {
    let master_key = folder.join("master.key");
    std::fs::write(&master_key, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n").unwrap();
    Server::start_with(|mut config| {
        config.store = place.config.clone();
        if let Some(address) = nats {
            config.store.nats_url = Some(format!("nats://{address}").into());
        }
        config.identity.master_key_file = Some(master_key);
        config.http.public_url = Some("http://shop.test".to_owned());
        config
    })
    .await
}

async fn replicas(place: &Place, folder: &Path) -> (Server, Server) {
    (replica(place, folder, None).await, replica(place, folder, None).await)
}

fn at<'a>(server: &'a Server, user: &TokenUser<'_>) -> TokenUser<'a> {
    TokenUser { server, access_token: user.access_token.clone(), refresh_token: user.refresh_token.clone() }
}

async fn refresh(server: &Server, token: &str) -> Answer {
    server.anonymous().post("/v1/auth/refresh", json!({ "refreshToken": token })).await
}

async fn is_over(caller: &impl Caller) {
    eventually(async || (caller.get("/v1/auth/me").await.status == 401).then_some(())).await;
}

#[tokio::test]
async fn a_new_password_on_one_replica_ends_the_sessions_on_the_other() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = replicas(place, folder.path()).await;
        let app = at(&there, &TokenUser::login(&here, USER, DEMO_PASSWORD).await);
        let browser = CookieUser::login(&there, USER, DEMO_PASSWORD).await;
        for status in [app.get("/v1/auth/me").await.status, browser.get("/v1/auth/me").await.status] {
            assert_eq!(status, 200);
        }
        let user = TokenUser::login(&here, USER, DEMO_PASSWORD).await;
        let change = json!({ "currentPassword": DEMO_PASSWORD, "newPassword": NEW });
        assert_eq!(user.post("/v1/auth/update-password", change).await.status, 204);
        is_over(&app).await;
        is_over(&browser).await;
        assert_eq!(refresh(&there, &app.refresh_token).await.status, 401);
        assert_eq!(at(&there, &user).get("/v1/auth/me").await.status, 200);
    };
    Place::with(&ALL, &test).await;
    Place::with(&[Backend::Postgres], &test).await;
}

#[tokio::test]
async fn a_role_lost_on_one_replica_is_lost_on_the_next_request_to_the_other() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = replicas(place, folder.path()).await;
        let app = TokenUser::login(&there, AUDITOR, DEMO_PASSWORD).await;
        let browser = CookieUser::login(&there, AUDITOR, DEMO_PASSWORD).await;
        for status in [app.get("/v1/admin/audit").await.status, browser.get("/v1/admin/audit").await.status] {
            assert_eq!(status, 200);
        }
        turn_into(&here, AUDITOR, "user").await;
        let lost = browser.get("/v1/admin/audit").await;
        assert_eq!((app.get("/v1/admin/audit").await.status, lost.status, cookies(&lost).len()), (401, 403, 1));
        assert_eq!(refreshed(&app).await.get("/v1/admin/audit").await.status, 403);
    };
    Place::with(&ALL, &test).await;
    // Whether or not anybody announces it.
    Place::with(&[Backend::Postgres], &test).await;
}

#[tokio::test]
async fn a_role_won_on_one_replica_is_soon_won_on_the_other() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = replicas(place, folder.path()).await;
        let app = TokenUser::login(&there, USER, DEMO_PASSWORD).await;
        let browser = CookieUser::login(&there, USER, DEMO_PASSWORD).await;
        assert_eq!((app.get("/v1/auth/me").await.status, browser.get("/v1/auth/me").await.status), (200, 200));
        turn_into(&here, USER, "auditor").await;
        is_over(&app).await;
        let app = refreshed(&app).await;
        assert_eq!(app.get("/v1/admin/audit").await.status, 200);
        let later = replica(place, folder.path(), None).await;
        assert_eq!(at(&later, &app).get("/v1/admin/audit").await.status, 200);

        // Both replicas are asked at once; the old cookie counts for a moment, and one other takes its place.
        let elsewhere = CookieUser { server: &here, cookie: browser.cookie.clone() };
        let both = (0..20).map(|number| if number % 2 == 0 { &browser } else { &elsewhere });
        let answers = join_all(both.map(|browser| browser.get("/v1/admin/audit"))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        let next: BTreeSet<String> = answers.iter().flat_map(cookies).collect();
        assert_eq!((next.len(), place.ask("SELECT count(*) FROM sessions WHERE kind = 'cookie'").await), (1, 2));
    };
    Place::with(&ALL, &test).await;
    Place::with(&[Backend::Postgres], &test).await;
}

#[tokio::test]
async fn an_end_announced_while_the_bus_is_cut_arrives_by_the_records() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let wire = Wire::to(host_of(Backend::Nats).unwrap()).await;
        let here = replica(place, folder.path(), None).await;
        let there = replica(place, folder.path(), Some(wire.address)).await;
        let user = TokenUser::login(&here, USER, DEMO_PASSWORD).await;
        let elsewhere = at(&there, &user);
        assert_eq!(elsewhere.get("/v1/auth/me").await.status, 200);
        wire.cut().await;
        assert_eq!(user.post("/v1/auth/logout", json!({})).await.status, 204);
        is_over(&elsewhere).await;
    };
    Place::with(&ALL, &test).await;
}

#[tokio::test]
async fn a_replica_that_starts_later_knows_what_has_ended() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let here = replica(place, folder.path(), None).await;
        let user = TokenUser::login(&here, USER, DEMO_PASSWORD).await;
        assert_eq!(user.post("/v1/auth/logout", json!({})).await.status, 204);
        let later = replica(place, folder.path(), None).await;
        assert_eq!(at(&later, &user).get("/v1/auth/me").await.status, 401);
    };
    Place::with(&ALL, &test).await;
    Place::with(&[Backend::Postgres], &test).await;
}

#[tokio::test]
async fn fifty_refreshes_at_once_over_two_replicas_agree() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = replicas(place, folder.path()).await;
        let user = TokenUser::login(&here, USER, DEMO_PASSWORD).await;
        let answers = join_all((0..50).map(|number| {
            let server = if number % 2 == 0 { &here } else { &there };
            refresh(server, &user.refresh_token)
        }));
        let successors: Vec<String> = answers.await.iter().map(|answer| text(answer, "refreshToken")).collect();
        assert!(successors.iter().all(|token| *token == successors[0]));
        let next = refresh(&there, &successors[0]).await;
        assert_eq!(next.status, 200);
        // The one before the one before: whoever shows it has no right to it.
        assert_eq!(refresh(&here, &user.refresh_token).await.status, 401);
        assert_eq!(refresh(&there, &text(&next, "refreshToken")).await.status, 401);
        assert_eq!(place.ask("SELECT count(*) FROM audit WHERE action = 'refresh-reuse'").await, 1);
    };
    Place::with(&ALL, &test).await;
    Place::with(&[Backend::Postgres], &test).await;
}

#[tokio::test]
async fn whoever_hangs_up_on_a_refresh_can_ask_again() {
    let server = Server::start().await;
    let mut user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    for wait_ms in [0, 1, 2, 5, 10, 20] {
        let body = json!({ "refreshToken": user.refresh_token }).to_string();
        let head = "POST /v1/auth/refresh HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length";
        let mut connection = TcpStream::connect(&address).await.unwrap();
        connection.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        drop(connection);
        let answer = refresh(&server, &user.refresh_token).await;
        assert_eq!(answer.status, 200, "after {wait_ms} ms");
        user.refresh_token = text(&answer, "refreshToken");
    }
}

/// What the stream of events has told so far, in order.
async fn told(place: &Place) -> Vec<String> {
    let context = async_nats::jetstream::new(async_nats::connect(Backend::Nats.url().unwrap()).await.unwrap());
    let stream = context.get_stream(format!("{}_events", place.config.namespace)).await.unwrap();
    let last = stream.get_info().await.unwrap().state.last_sequence;
    let mut names = Vec::new();
    for sequence in 1..=last {
        let subject = stream.get_raw_message(sequence).await.unwrap().subject.to_string();
        names.push(subject.rsplit('.').next().unwrap().to_owned());
    }
    names
}

#[tokio::test]
async fn what_owners_and_admins_do_is_told_in_order() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let server = replica(place, folder.path(), None).await;
        let admin = TokenUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
        let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        let step = || server.clock.advance(Duration::from_secs(40));
        step();
        let change = json!({ "currentPassword": DEMO_PASSWORD, "newPassword": NEW });
        assert_eq!(user.post("/v1/auth/update-password", change).await.status, 204);
        step();
        assert_eq!(refresh(&server, &user.refresh_token).await.status, 200);
        step();
        assert_eq!(refresh(&server, &user.refresh_token).await.status, 401, "too late to ask again");
        step();
        let path = "/v1/admin/users/01890000-0000-7000-8000-000000000001";
        assert_eq!(admin.patch(path, json!({ "role": "operator" })).await.status, 200);
        step();
        assert_eq!(admin.delete(path).await.status, 204);
        step();
        assert_eq!(admin.delete("/v1/auth/sessions?keep=current").await.status, 204, "there is no other to end");
        assert_eq!(admin.delete("/v1/auth/sessions?keep=none").await.status, 204);
        let all = ["password-changed", "refresh-reuse", "role-changed", "deleted", "sessions-revoked"];
        let names = eventually(async || Some(told(place).await).filter(|names| names.len() >= 2 + all.len())).await;
        assert_eq!(names[..2], ["logged-in", "logged-in"]);
        assert_eq!(names[2..], all);
    };
    Place::with(&ALL, &test).await;
}
