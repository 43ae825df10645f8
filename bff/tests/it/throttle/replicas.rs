//! Two replicas count together, and without the store they let nobody try.

use std::path::Path;

use bff::identity::DEMO_PASSWORD;
use futures_util::future::join_all;

use super::{USER, behind_a_proxy, counted, try_from};
use crate::conformance::wire::Wire;
use crate::conformance::{Backend, Place, eventually};
use crate::harness::{Caller, Server, TokenUser};

async fn replica(place: &Place, folder: &Path, redis: Option<String>) -> Server {
    let master_key = folder.join("master.key");
    std::fs::write(&master_key, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n").unwrap();
    Server::start_with(|config| {
        let mut config = behind_a_proxy(config);
        config.store = place.config.clone();
        if let Some(redis) = redis {
            config.store.redis_url = Some(redis.into());
            config.store.timeout_ms = 2_000;
        }
        config.identity.master_key_file = Some(master_key);
        config.http.public_url = Some("http://shop.test".to_owned());
        config
    })
    .await
}

#[tokio::test]
async fn two_replicas_enforce_one_throttle() {
    for backends in [vec![Backend::Postgres], vec![Backend::Postgres, Backend::Redis]] {
        let test = async |place: &Place| {
            let folder = tempfile::tempdir().unwrap();
            let here = replica(place, folder.path(), None).await;
            let there = replica(place, folder.path(), None).await;
            let addresses: Vec<String> = (0..24).map(|number| format!("198.51.100.{number}")).collect();
            let tries = addresses.iter().enumerate().map(|(number, address)| {
                let server = if number % 2 == 0 { &here } else { &there };
                try_from(server, address, USER, "wrong", &[])
            });
            let answers = join_all(tries).await;
            assert_eq!(counted(&answers), (5, 19));
            // A device that one of them knows is known to the other.
            let elsewhere = try_from(&here, "203.0.113.1", "operator@shop.test", DEMO_PASSWORD, &[]).await;
            let device = elsewhere.header("bff-device").to_owned();
            let known = [("bff-device", device.as_str())];
            let answer = try_from(&there, "203.0.113.2", "operator@shop.test", DEMO_PASSWORD, &known).await;
            assert_eq!(answer.header("bff-device").split('.').nth(2), device.split('.').nth(2), "the same device");
        };
        Place::with(&backends, &test).await;
    }
}

#[tokio::test]
async fn without_redis_nobody_logs_in_and_each_address_hears_it_only_so_often() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let target = Backend::Redis.url().unwrap();
        let target = target.trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let wire = Wire::to(target.clone()).await;
        let address = wire.address;
        let server = replica(place, folder.path(), Some(format!("redis://{address}"))).await;
        let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;

        wire.cut().await;
        for _ in 0..20 {
            let refused = try_from(&server, "198.51.100.1", USER, DEMO_PASSWORD, &[]).await;
            assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
        }
        assert_eq!(try_from(&server, "198.51.100.1", USER, DEMO_PASSWORD, &[]).await.status, 429);
        assert_eq!(try_from(&server, "198.51.100.2", USER, DEMO_PASSWORD, &[]).await.status, 503);
        assert_eq!(user.get("/v1/auth/me").await.status, 200, "who is signed in is served");

        let _wire = Wire::at(address, target).await;
        let login = async || try_from(&server, "198.51.100.3", USER, DEMO_PASSWORD, &[]).await.status;
        eventually(async || (login().await == 200).then_some(())).await;
    };
    Place::with(&[Backend::Postgres, Backend::Redis], &test).await;
}
