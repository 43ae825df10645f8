//! Ten replicas enforce one limit, as far as they say they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bff::clock::Clock;
use bff::limits::{Key, Limits, Quota};
use bff::meter::Meter;
use uuid::Uuid;

use crate::conformance::wire::Wire;
use crate::conformance::{Backend, Place};

const REPLICAS: usize = 10;
/// A bucket of 1000 that regains ten a second.
const QUOTA: Quota = Quota::of(1_000, 100);

#[tokio::test]
async fn ten_replicas_let_through_a_twentieth_more_at_most() {
    let test = async |place: &Place| {
        let mut replicas = Vec::new();
        for _ in 0..REPLICAS {
            replicas.push(place.open().await);
        }
        let began = Instant::now();
        let (allowed, asked) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let account = Key::Account(Uuid::nil());
        let callers = replicas.iter().map(|stores| {
            let limits = Limits::new(stores.hot_key_value.clone(), Clock::system(), &Meter::none());
            let (allowed, asked, account) = (Arc::clone(&allowed), Arc::clone(&asked), account.clone());
            async move {
                let policy = limits.policy("test", QUOTA);
                let mut refused = 0;
                // Twice as many as there are, with a rest in which leases grow old.
                while refused < 20 {
                    match limits.take(&account, &policy).await {
                        Ok(_) => drop(allowed.fetch_add(1, Ordering::Relaxed)),
                        Err(limited) => {
                            assert!(limited.retry_after <= Duration::from_secs(100));
                            refused += 1;
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        futures_util::future::join_all(callers).await;
        let regained = 10.0 * began.elapsed().as_secs_f64();
        let allowed = f64::from(allowed.load(Ordering::Relaxed));
        eprintln!("{REPLICAS} replicas let {allowed} through, of 1000 and {regained:.0} regained");
        assert!(allowed <= 1_050.0 + regained, "{allowed} of 1000 and {regained} regained");
        assert!(allowed >= 1_000.0 - 50.0 * REPLICAS as f64, "{allowed}: what is taken ahead is used");
        for stores in replicas {
            stores.close().await;
        }
    };
    Place::with(&[Backend::Redis], &test).await;
}

#[tokio::test]
async fn without_redis_each_replica_still_limits() {
    let test = async |place: &Place| {
        let target = Backend::Redis.url().unwrap().trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let wire = Wire::to(target).await;
        let mut config = place.config.clone();
        config.redis_url = Some(format!("redis://{}", wire.address).into());
        wire.cut().await;
        let stores = bff::store::Stores::open(&config, Clock::system()).await.unwrap();
        let (recorder, measures) = bff::telemetry::recorder();
        let meter = Meter::new(recorder);
        // A clock that stands still regains nothing.
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH);
        let limits = Limits::new(stores.hot_key_value.clone(), clock, &meter);
        let policy = limits.policy("test", Quota::of(100, 100));
        let key = Key::address("192.0.2.1".parse().unwrap());
        let mut allowed = 0;
        while limits.take(&key, &policy).await.is_ok() {
            allowed += 1;
        }
        assert_eq!(allowed, 100);
        limits.give_back(&key, &policy).await;
        assert!(limits.take(&key, &policy).await.is_ok() && limits.take(&key, &policy).await.is_err());
        let text = measures.text();
        assert!(text.contains("bff_degraded{part=\"limits\"} 1"), "{text}");
        assert!(text.contains("bff_rate_limited_total{policy=\"test\"} 2"), "{text}");
        stores.close().await;
    };
    Place::with(&[Backend::Redis], &test).await;
}
