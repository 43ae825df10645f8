//! Sessions through outages: what is away signs nobody out, and what ends meanwhile stays so.

use std::path::Path;
use std::time::Duration;

use bff::identity::DEMO_PASSWORD;
use reqwest::Method;
use serde_json::json;

use super::{ALL, USER, at, refresh, replica};
use crate::conformance::wire::Wire;
use crate::conformance::{Backend, Place, eventually};
use crate::harness::{Answer, Caller, CookieUser, Server, TokenUser};
use crate::own_account::text;
use crate::store::host_of;

const WHO: &str = "view: who\nroute: GET /v1/who\naccess: [user, admin]\nshape: { id: $auth.sub }\n";

async fn who(caller: &impl Caller) -> u16 {
    caller.get("/v1/who").await.status
}

/// A server with one of its stores at the end of a wire, and a view that asks nobody.
async fn over_a_wire(place: &Place, folder: &Path, backend: Backend) -> (Server, Wire, String) {
    let target = host_of(backend).unwrap();
    let wire = Wire::to(target.clone()).await;
    (at_the_end_of(&wire, place, folder, backend).await, wire, target)
}

async fn at_the_end_of(wire: &Wire, place: &Place, folder: &Path, backend: Backend) -> Server {
    let address = wire.address;
    let master_key = folder.join("master.key");
    std::fs::write(&master_key, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n").unwrap();
    Server::start_with(|mut config| {
        config.store = place.config.clone();
        match backend {
            Backend::Redis => config.store.redis_url = Some(format!("redis://{address}").into()),
            Backend::Nats => config.store.nats_url = Some(format!("nats://{address}").into()),
            _ => config.store.database_url = format!("postgres://bff@{address}/{}", place.config.namespace).into(),
        }
        config.store.timeout_ms = 1_000;
        // A busy machine is not a store that is away.
        config.store.hot_timeout_ms = 10_000;
        config.identity.master_key_file = Some(master_key);
        config.http.public_url = Some("http://shop.test".to_owned());
        std::fs::write(format!("{}/who.yaml", config.views.dir), WHO).unwrap();
        config
    })
    .await
}

#[tokio::test]
async fn without_the_database_nobody_is_signed_out_and_leaving_works() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let (server, wire, target) = over_a_wire(place, folder.path(), Backend::Postgres).await;
        let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        let leaving = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
        let departing = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
        let ending = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        let sessions = ending.get("/v1/auth/sessions").await.json()["sessions"].as_array().unwrap().clone();
        let path = |current: bool| {
            let session = sessions.iter().find(|session| session["current"] == current).unwrap();
            format!("/v1/auth/sessions/{}", session["id"].as_str().unwrap())
        };
        let staff = CookieUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
        let staff_app = TokenUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
        assert_eq!((who(&app).await, who(&browser).await), (200, 200));
        assert_eq!((who(&departing).await, who(&staff).await), (200, 200));
        let address = wire.address;
        wire.cut().await;

        assert_eq!((who(&app).await, who(&browser).await), (200, 200));
        assert_eq!(who(&staff).await, 503, "what an admin may do is worth a look at the records");
        let stale = refresh(&server, &app.refresh_token).await;
        assert_eq!((stale.status, text(&stale, "refreshToken")), (200, app.refresh_token.clone()));
        assert_eq!(who(&TokenUser { access_token: text(&stale, "accessToken"), ..at(&server, &app) }).await, 200);
        assert_eq!(refresh(&server, &staff_app.refresh_token).await.status, 503);
        assert_eq!(leaving.post("/v1/auth/logout", json!({})).await.status, 202);
        let left = Answer::of(departing.request(Method::POST, "/v1/auth/logout")).await;
        assert_eq!((left.status, left.header("set-cookie").split(';').next()), (202, Some("sid=")));
        assert_eq!(ending.delete(&path(false)).await.status, 503, "nobody knows whose it is");
        assert_eq!(ending.delete(&path(true)).await.status, 202, "its own");
        assert_eq!((who(&leaving).await, who(&departing).await), (401, 401), "over here at once");
        assert_eq!(who(&ending).await, 401);
        assert_eq!(refresh(&server, &leaving.refresh_token).await.status, 401);
        server.clock.advance(Duration::from_secs(120));
        assert_eq!(who(&browser).await, 200);
        assert_eq!(refresh(&server, &app.refresh_token).await.status, 503, "503, never 401");
        server.clock.advance(Duration::from_secs(600));
        assert_eq!(who(&browser).await, 503, "too long ago to be served, and no reason to sign anyone out");

        let _wire = Wire::at(address, target).await;
        eventually(async || (who(&browser).await == 200).then_some(())).await;
        eventually(async || {
            (place.ask("SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL").await == 3).then_some(())
        })
        .await;
        assert_eq!(refresh(&server, &app.refresh_token).await.status, 200);
        assert_eq!(refresh(&server, &leaving.refresh_token).await.status, 401);
    };
    Place::with(&[Backend::Postgres], &test).await;
}

#[tokio::test]
async fn without_the_database_one_replica_serves_whom_another_has_seen() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let (here, wire, target) = over_a_wire(place, folder.path(), Backend::Postgres).await;
        let there = at_the_end_of(&wire, place, folder.path(), Backend::Postgres).await;
        let app = TokenUser::login(&here, USER, DEMO_PASSWORD).await;
        let browser = CookieUser::login(&here, USER, DEMO_PASSWORD).await;
        let leaving = CookieUser::login(&here, USER, DEMO_PASSWORD).await;
        let gone = TokenUser::login(&here, USER, DEMO_PASSWORD).await;
        let staff = CookieUser::login(&here, "admin@shop.test", DEMO_PASSWORD).await;
        let used = refresh(&here, &app.refresh_token).await;
        let app = TokenUser { refresh_token: text(&used, "refreshToken"), ..at(&there, &app) };
        assert_eq!((who(&browser).await, who(&leaving).await, who(&staff).await), (200, 200, 200));
        let address = wire.address;
        wire.cut().await;

        let elsewhere = |user: &CookieUser<'_>| CookieUser { server: &there, cookie: user.cookie.clone() };
        assert_eq!((who(&elsewhere(&browser)).await, who(&elsewhere(&staff)).await), (200, 503));
        let stale = refresh(&there, &app.refresh_token).await;
        assert_eq!((stale.status, text(&stale, "refreshToken")), (200, app.refresh_token.clone()));
        assert_eq!(text(&stale, "tokenType"), "Bearer");
        assert_eq!(who(&TokenUser { access_token: text(&stale, "accessToken"), ..at(&here, &app) }).await, 200);
        assert_eq!(refresh(&there, &text(&used, "refreshToken").replace(".1.", ".0.")).await.status, 503);
        let measures = there.client.get(format!("{}/metrics", there.admin_url)).send().await.unwrap();
        let measures = measures.text().await.unwrap();
        for line in [r#"{event="refresh",result="stale"} 1"#, r#"{event="session",result="stale"} 1"#] {
            assert!(measures.contains(&format!("bff_auth_events_total{line}")), "{measures}");
        }
        assert!(measures.contains(r#"bff_degraded{part="database"} 1"#), "{measures}");

        // What ends on one replica meanwhile is over on the other.
        let left = Answer::of(elsewhere(&leaving).request(Method::POST, "/v1/auth/logout")).await;
        assert_eq!((left.status, gone.post("/v1/auth/logout", json!({})).await.status), (202, 202));
        eventually(async || (who(&leaving).await == 401).then_some(())).await;
        assert_eq!(who(&elsewhere(&leaving)).await, 401);
        eventually(async || (refresh(&there, &gone.refresh_token).await.status == 401).then_some(())).await;

        let _wire = Wire::at(address, target).await;
        let next = eventually(async || {
            let next = refresh(&there, &app.refresh_token).await;
            (next.status == 200 && text(&next, "refreshToken") != app.refresh_token).then_some(next)
        });
        assert_eq!(refresh(&here, &text(&next.await, "refreshToken")).await.status, 200);
        eventually(async || (who(&elsewhere(&staff)).await == 200).then_some(())).await;
        assert_eq!(who(&elsewhere(&browser)).await, 200);
    };
    Place::with(&ALL, &test).await;
}

#[tokio::test]
async fn a_copy_of_a_session_tells_a_reader_of_redis_nothing() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let server = replica(place, folder.path(), None).await;
        TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
        TokenUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
        assert_eq!(browser.get("/v1/auth/me").await.status, 200);
        let client = redis::Client::open(Backend::Redis.url().unwrap()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let pattern = format!("{}:*session:*", place.config.namespace);
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
        assert_eq!(keys.len(), 2, "of the user alone: {keys:?}");
        for key in keys {
            let copy: Vec<u8> = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
            let text = String::from_utf8_lossy(&copy);
            assert!(copy.len() > 100 && !text.contains("user") && !text.contains("Ada"), "{text}");
            let life: i64 = redis::cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
            assert!((1..=600).contains(&life), "{life}");
        }
    };
    Place::with(&[Backend::Postgres, Backend::Redis], &test).await;
}

#[tokio::test]
async fn without_redis_or_nats_sessions_are_served_and_ended() {
    for backend in [Backend::Redis, Backend::Nats] {
        let test = async |place: &Place| {
            let folder = tempfile::tempdir().unwrap();
            let (server, wire, _) = over_a_wire(place, folder.path(), backend).await;
            let app = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
            let browser = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
            wire.cut().await;
            assert_eq!((app.get("/v1/auth/me").await.status, browser.get("/v1/auth/me").await.status), (200, 200));
            assert_eq!(refresh(&server, &app.refresh_token).await.status, 200);
            assert_eq!(app.post("/v1/auth/logout", json!({})).await.status, 204);
            assert_eq!(browser.delete("/v1/auth/sessions?keep=none").await.status, 204);
            assert_eq!((app.get("/v1/auth/me").await.status, browser.get("/v1/auth/me").await.status), (401, 401));
        };
        Place::with(&[Backend::Postgres, backend], &test).await;
    }
}
