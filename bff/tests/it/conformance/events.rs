//! Events for listeners.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bff::store::{OutboxEvent, Topic};
use time::macros::datetime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Backend::{Nats, Postgres, Sqlite};
use super::Place;

const BACKENDS: [super::Backend; 3] = [Sqlite, Postgres, Nats];
const LISTENER: Topic = Topic { name: "listener", lease: Duration::from_secs(60), max_deliveries: 5 };

fn event() -> OutboxEvent {
    OutboxEvent {
        id: Uuid::now_v7(),
        name: "deleted".to_owned(),
        payload: b"told".to_vec(),
        account_id: None,
        created_at: datetime!(2026-01-01 12:00 UTC),
    }
}

#[tokio::test]
async fn every_listener_has_every_event_once_its_own_way() {
    for backend in BACKENDS {
        Place::with(&[backend], &async |place: &Place| {
            let stores = place.open().await;
            let written: Vec<_> = (0..5).map(|_| event()).collect();
            for event in &written {
                stores.events.publish(event, &[&LISTENER]).await.unwrap();
                // A publisher that died before it could note it does it again.
                stores.events.publish(event, &[&LISTENER]).await.unwrap();
            }
            let (stop, returned) = (CancellationToken::new(), AtomicUsize::new(0));
            let heard = Mutex::new(Vec::new());
            let listen = stores.events.work(&LISTENER, 1, &stop, |job| {
                let first = job.delivery == 1 && returned.fetch_add(1, Ordering::Relaxed) == 0;
                let (heard, stop) = (&heard, &stop);
                async move {
                    if first {
                        return job.give_back(Duration::from_millis(10)).await.unwrap();
                    }
                    heard.lock().unwrap().push(job.id.clone());
                    job.acknowledge().await.unwrap();
                    if heard.lock().unwrap().len() == 5 {
                        stop.cancel();
                    }
                }
            });
            tokio::time::timeout(Duration::from_secs(60), listen).await.unwrap();
            let mut heard = heard.lock().unwrap().clone();
            heard.sort();
            assert_eq!(heard, written.iter().map(|event| event.id.to_string()).collect::<Vec<_>>());
            stores.close().await;
        })
        .await;
    }
}
