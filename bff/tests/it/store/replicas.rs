//! Two replicas that share their stores are one server to their users.

use std::path::Path;

use serde_json::json;

use crate::conformance::{Backend, Place, eventually};
use crate::harness::{Answer, Caller, CookieUser, Server, TokenUser};

const USER: &str = "user@shop.test";
const PASSWORD: &str = "correct-horse-battery";

async fn replica(place: &Place, master_key: &Path) -> Server {
    Server::start_with(|mut config| {
        config.store = place.config.clone();
        config.identity.master_key_file = Some(master_key.to_owned());
        config.http.public_url = Some("http://shop.test".to_owned());
        config
    })
    .await
}

/// Both start at the same moment over an empty database.
pub async fn replicas(place: &Place, folder: &tempfile::TempDir) -> (Server, Server) {
    let master_key = folder.path().join("master.key");
    std::fs::write(&master_key, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n").unwrap();
    tokio::join!(replica(place, &master_key), replica(place, &master_key))
}

async fn jwks(server: &Server) -> Answer {
    server.anonymous().get("/.well-known/jwks.json").await
}

#[tokio::test]
async fn a_login_on_one_counts_on_the_other_and_so_does_a_logout() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = replicas(place, &folder).await;
        assert_eq!(jwks(&first).await.json(), jwks(&second).await.json(), "one set of keys");

        let here = TokenUser::login(&first, USER, PASSWORD).await;
        let there = TokenUser { server: &second, ..TokenUser::login(&first, USER, PASSWORD).await };
        for user in [&here, &there] {
            assert_eq!(user.get("/v1/auth/me").await.json()["email"], USER);
        }
        let cookie_here = CookieUser::login(&first, USER, PASSWORD).await;
        let cookie_there = CookieUser { server: &second, cookie: cookie_here.cookie.clone() };
        assert_eq!(cookie_there.get("/v1/auth/me").await.status, 200);

        let elsewhere = TokenUser {
            server: &second,
            access_token: here.access_token.clone(),
            refresh_token: here.refresh_token.clone(),
        };
        assert_eq!(here.post("/v1/auth/logout", json!({})).await.status, 204);
        assert_eq!(cookie_here.post("/v1/auth/logout", json!({})).await.status, 204);
        eventually(async || (elsewhere.get("/v1/auth/me").await.status == 401).then_some(())).await;
        eventually(async || (cookie_there.get("/v1/auth/me").await.status == 401).then_some(())).await;
        assert_eq!(there.get("/v1/auth/me").await.status, 200, "another session goes on");
    };
    Place::with(&[Backend::Postgres, Backend::Redis, Backend::Nats], &test).await;
}

#[tokio::test]
async fn without_a_bus_the_rows_tell_of_a_logout() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = replicas(place, &folder).await;
        let here = TokenUser::login(&first, USER, PASSWORD).await;
        let there = TokenUser {
            server: &second,
            access_token: here.access_token.clone(),
            refresh_token: here.refresh_token.clone(),
        };
        assert_eq!(there.get("/v1/auth/me").await.status, 200);
        assert_eq!(here.post("/v1/auth/logout", json!({})).await.status, 204);
        eventually(async || (there.get("/v1/auth/me").await.status == 401).then_some(())).await;
    };
    Place::with(&[Backend::Postgres], &test).await;
}
