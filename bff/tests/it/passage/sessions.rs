//! Downloads and uploads end with the session in whose name they go on, and look broken off then, not whole.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use axum::routing::any;
use bff::config::Config;
use bff::identity::DEMO_PASSWORD;
use futures_util::stream::{StreamExt, once, pending};
use http::Method;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::hostile::{endless, in_pieces, reading};
use super::{USER, server, user};
use crate::conformance::{Backend as Store, Place};
use crate::harness::{Answer, Backend, Caller, Server, TokenUser, http2_client};

/// The first half of a file, whose other half does not come.
async fn halves() -> Backend {
    let half = || async {
        let pieces = once(async { Ok::<_, Infallible>(Bytes::from_static(b"half")) }).chain(pending());
        Response::builder().header("content-type", "image/png").body(Body::from_stream(pieces)).unwrap()
    };
    Backend::start(Router::new().fallback(any(half))).await
}

/// Nothing here ends because the service is slow.
fn patient(config: &mut Config) {
    config.sources.get_mut("files").unwrap().timeout_ms = 600_000;
}

async fn begin(user: &TokenUser<'_>, path: &str, client: &reqwest::Client) -> reqwest::Response {
    let request = client.get(format!("{}{path}", user.server.url)).bearer_auth(&user.access_token);
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "half");
    answer
}

async fn breaks_off(answer: &mut reqwest::Response) {
    let next = timeout(Duration::from_secs(30), answer.chunk()).await.expect("it ends soon");
    assert!(next.is_err(), "it must not look whole: {next:?}");
}

#[tokio::test]
async fn a_download_ends_with_its_session() {
    let backend = halves().await;
    let server = server(&backend, patient).await;
    for client in [&server.client, &http2_client()] {
        let (user, other) = (user(&server).await, user(&server).await);
        let mut cut = begin(&user, "/v1/files/a", client).await;
        let mut public = begin(&user, "/v1/public", client).await;
        let mut goes_on = begin(&other, "/v1/files/a", client).await;
        assert_eq!(user.post("/v1/auth/logout", json!({})).await.status, 204);
        breaks_off(&mut cut).await;
        for answer in [&mut public, &mut goes_on] {
            assert!(timeout(Duration::from_millis(300), answer.chunk()).await.is_err(), "nobody ended this one");
        }
    }
}

#[tokio::test]
async fn a_download_ends_when_its_session_expires_or_its_account_becomes_another() {
    let backend = halves().await;
    let server = server(&backend, patient).await;
    let admin = TokenUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
    let mut demoted = begin(&user(&server).await, "/v1/files/a", &server.client).await;
    let path = "/v1/admin/users/01890000-0000-7000-8000-000000000001";
    assert_eq!(admin.patch(path, json!({ "role": "operator" })).await.status, 200);
    breaks_off(&mut demoted).await;
    assert_eq!(admin.patch(path, json!({ "role": "user" })).await.status, 200);
    let mut expired = begin(&user(&server).await, "/v1/files/a", &server.client).await;
    server.clock.advance(Duration::from_secs(365 * 24 * 60 * 60));
    breaks_off(&mut expired).await;
}

#[tokio::test]
async fn an_upload_ends_with_its_session() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let backend = reading(tell).await;
    let server = server(&backend, patient).await;
    let user = user(&server).await;
    let half = once(async { Bytes::from_static(b"half") }).chain(pending());
    let request = user.request(Method::PUT, "/v1/files/a").header("content-type", "image/png");
    let upload = Answer::of(request.body(in_pieces(half)));
    let end = async {
        // Once it has begun.
        sleep(Duration::from_millis(200)).await;
        assert_eq!(user.post("/v1/auth/logout", json!({})).await.status, 204);
    };
    let (refused, ()) = timeout(Duration::from_secs(30), async { tokio::join!(upload, end) }).await.unwrap();
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("invalid-session")));
    assert_eq!(told.recv().await, Some(Err(4)), "the service must not take it for a whole one");
}

async fn replica(place: &Place, folder: &Path, backend: &Backend) -> Server {
    let master_key = folder.join("master.key");
    std::fs::write(&master_key, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n").unwrap();
    server(backend, |config| {
        config.store = place.config.clone();
        config.identity.master_key_file = Some(master_key);
        config.http.public_url = Some("http://shop.test".to_owned());
        patient(config);
    })
    .await
}

#[tokio::test]
async fn a_download_ends_with_its_session_on_another_replica() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let backend = halves().await;
        let (here, there) =
            (replica(place, folder.path(), &backend).await, replica(place, folder.path(), &backend).await);
        let user = TokenUser::login(&here, USER, DEMO_PASSWORD).await;
        let elsewhere =
            TokenUser { server: &there, access_token: user.access_token.clone(), refresh_token: String::new() };
        let mut answer = begin(&elsewhere, "/v1/files/a", &there.client).await;
        assert_eq!(user.post("/v1/auth/logout", json!({})).await.status, 204);
        breaks_off(&mut answer).await;
    };
    Place::with(&[Store::Postgres, Store::Redis, Store::Nats], &test).await;
    // Whether or not anybody announces it.
    Place::with(&[Store::Postgres], &test).await;
}

#[tokio::test]
async fn a_download_that_nobody_reads_ends_over_http_2_as_well() {
    let sent = Arc::default();
    let backend = endless(&sent).await;
    let server = server(&backend, |config| {
        patient(config);
        config.http.stream_idle_ms = 1_000;
        config.sources.get_mut("files").unwrap().max_in_flight = 1;
    })
    .await;
    let user = user(&server).await;
    let client = http2_client();
    let ask = async || {
        let request = client.get(format!("{}/v1/files/a", server.url)).bearer_auth(&user.access_token);
        request.send().await.unwrap()
    };
    let mut deaf = ask().await;
    assert_eq!(deaf.status(), 200);
    assert_eq!(ask().await.status(), 503, "its place is the only one");
    while ask().await.status() != 200 {
        sleep(Duration::from_millis(100)).await;
    }
    // What was on its way, and then no end of it.
    let end = loop {
        match deaf.chunk().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(end.is_err(), "{end:?}");
}
