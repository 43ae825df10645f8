//! A store that goes away is noticed in time, left alone, named, and used again when it is back.

use std::time::Duration;

use bff::store::{Cause, Error, Rate, Stores, Topic};

use super::host_of;
use crate::conformance::wire::Wire;
use crate::conformance::{Backend, Place, eventually};

const TOPIC: Topic = Topic { name: "mail", lease: Duration::from_secs(60), max_deliveries: 5 };
const LONG: Duration = Duration::from_secs(3600);

/// The same place, reached over a wire at this address.
pub fn over(place: &Place, backend: Backend, address: std::net::SocketAddr) -> bff::store::Config {
    let mut config = place.config.clone();
    config.timeout_ms = 500;
    match backend {
        Backend::Sqlite => {}
        Backend::Postgres => {
            let database = format!("postgres://bff@{address}/{}", config.namespace);
            config.database_url = database.into();
        }
        Backend::Redis => config.redis_url = Some(format!("redis://{address}").into()),
        Backend::Nats => config.nats_url = Some(format!("nats://{address}").into()),
    }
    config
}

async fn use_it(stores: &Stores, backend: Backend) -> Result<(), Error> {
    match backend {
        Backend::Sqlite | Backend::Postgres => stores.accounts.signing_keys().await.map(drop),
        Backend::Redis => {
            stores.key_value.put("a", b"b", LONG).await?;
            stores.key_value.take_tokens("a", Rate::new(1, 1.0), 0).await.map(drop)
        }
        Backend::Nats => stores.queue.publish(&TOPIC, "m1", b"x").await.map(drop),
    }
}

/// What `/readyz` would name.
async fn away(stores: &Stores) -> Vec<&'static str> {
    let mut away = Vec::new();
    for part in stores.parts() {
        if part.check().await.is_err() {
            away.push(part.name());
        }
    }
    away
}

async fn goes_away_and_comes_back(backend: Backend, name: &'static str) {
    let test = async |place: &Place| {
        let target = host_of(backend).unwrap();
        let wire = Wire::to(target.clone()).await;
        let address = wire.address;
        let stores = Stores::open(&over(place, backend, address), bff::clock::Clock::system()).await.unwrap();
        eventually(async || use_it(&stores, backend).await.ok()).await;
        assert_eq!(away(&stores).await, [""; 0]);

        wire.cut().await;
        let error = use_it(&stores, backend).await.unwrap_err();
        assert!(error.is_outage(), "{error:?}");
        eventually(async || matches!(use_it(&stores, backend).await.unwrap_err().cause(), Cause::Away).then_some(()))
            .await;
        assert_eq!(away(&stores).await, [name]);

        let _wire = Wire::at(address, target).await;
        eventually(async || use_it(&stores, backend).await.ok()).await;
        assert_eq!(away(&stores).await, [""; 0]);
        stores.close().await;
    };
    Place::with(&[backend], &test).await;
}

#[tokio::test]
async fn postgres_goes_away_and_comes_back() {
    goes_away_and_comes_back(Backend::Postgres, "database").await;
}

#[tokio::test]
async fn redis_goes_away_and_comes_back() {
    goes_away_and_comes_back(Backend::Redis, "redis").await;
}

#[tokio::test]
async fn nats_goes_away_and_comes_back() {
    goes_away_and_comes_back(Backend::Nats, "nats").await;
}

#[tokio::test]
async fn redis_and_nats_may_come_after_the_start() {
    for (backend, name) in [(Backend::Redis, "redis"), (Backend::Nats, "nats")] {
        let test = async |place: &Place| {
            let target = host_of(backend).unwrap();
            let wire = Wire::to(target.clone()).await;
            let address = wire.address;
            wire.cut().await;
            let stores = Stores::open(&over(place, backend, address), bff::clock::Clock::system()).await.unwrap();
            assert_eq!(away(&stores).await, [name]);
            assert!(use_it(&stores, backend).await.unwrap_err().is_outage());
            let _wire = Wire::at(address, target).await;
            eventually(async || use_it(&stores, backend).await.ok()).await;
            stores.close().await;
        };
        Place::with(&[backend], &test).await;
    }
}

#[tokio::test]
async fn a_stream_that_was_lost_is_made_again() {
    let test = async |place: &Place| {
        let stores = place.open().await;
        stores.queue.publish(&TOPIC, "m1", b"x").await.unwrap();
        assert!(stores.queue.claim(&TOPIC).await.unwrap().is_some());
        let context = async_nats::jetstream::new(async_nats::connect(Backend::Nats.url().unwrap()).await.unwrap());
        context.delete_stream(format!("{}_mail", place.config.namespace)).await.unwrap();
        assert!(stores.queue.publish(&TOPIC, "m2", b"x").await.unwrap());
        let job = eventually(async || stores.queue.claim(&TOPIC).await.ok().flatten()).await;
        assert_eq!(job.id, "m2");
        stores.close().await;
    };
    Place::with(&[Backend::Nats], &test).await;
}
