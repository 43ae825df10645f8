//! Jobs, one worker each.

use std::collections::BTreeSet;
use std::time::Duration;

use bff::store::{Cause, Job, MAX_PAYLOAD_BYTES, Queue, Topic};

use super::Backend::{Nats, Postgres, Sqlite};
use super::{Place, at_once, eventually};

const BACKENDS: [super::Backend; 3] = [Sqlite, Postgres, Nats];
const MAIL: Topic = Topic { name: "mail", lease: Duration::from_secs(60), max_deliveries: 5 };
const HASTY: Topic = Topic { name: "hasty", lease: Duration::from_millis(300), max_deliveries: 2 };

async fn claim(queue: &Queue, topic: &Topic) -> Job {
    eventually(async || queue.claim(topic).await.unwrap()).await
}

#[tokio::test]
async fn a_job_is_claimed_done_and_gone() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let queue = &stores.queue;
        assert!(queue.claim(&MAIL).await.unwrap().is_none());
        assert!(queue.publish(&MAIL, "m1", b"\0hello").await.unwrap());
        queue.check().await.unwrap();
        let job = claim(queue, &MAIL).await;
        assert_eq!((job.id.as_str(), &job.payload[..], job.delivery), ("m1", &b"\0hello"[..], 1));
        job.acknowledge().await.unwrap();
        assert!(queue.claim(&MAIL).await.unwrap().is_none());
        assert!(queue.claim(&HASTY).await.unwrap().is_none(), "topics are apart");
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_id_is_accepted_once_even_after_its_job_is_done() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let queue = &stores.queue;
        let new = at_once(10, |_| {
            let queue = queue.clone();
            async move { queue.publish(&MAIL, "m1", b"once").await.unwrap() }
        });
        assert_eq!(new.await.into_iter().filter(|new| *new).count(), 1);
        let job = claim(queue, &MAIL).await;
        job.acknowledge().await.unwrap();
        assert!(!queue.publish(&MAIL, "m1", b"again").await.unwrap());
        assert!(queue.claim(&MAIL).await.unwrap().is_none());
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn every_job_goes_to_one_of_many_workers() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        for number in 0..40 {
            stores.queue.publish(&MAIL, &format!("m{number}"), b"x").await.unwrap();
        }
        let done = at_once(5, |_| {
            let queue = stores.queue.clone();
            async move {
                let mut done = Vec::new();
                while let Some(job) = queue.claim(&MAIL).await.unwrap() {
                    done.push((job.id.clone(), job.delivery));
                    job.acknowledge().await.unwrap();
                }
                done
            }
        });
        let done: Vec<(String, u32)> = done.await.concat();
        assert_eq!(done.len(), 40, "{done:?}");
        assert_eq!(done.into_iter().collect::<BTreeSet<_>>().len(), 40);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn the_job_of_a_worker_that_dies_goes_to_another_until_it_is_given_up() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        stores.queue.publish(&HASTY, "m1", b"x").await.unwrap();
        assert_eq!(claim(&stores.queue, &HASTY).await.delivery, 1);
        stores.close().await;

        let stores = place.open().await;
        let second = claim(&stores.queue, &HASTY).await;
        assert_eq!((second.id.as_str(), second.delivery), ("m1", 2));
        drop(second);
        assert!(stores.queue.claim(&HASTY).await.unwrap().is_none(), "two deliveries are the bound");
        assert!(stores.queue.claim(&HASTY).await.unwrap().is_none());
        stores.queue.publish(&HASTY, "m2", b"x").await.unwrap();
        assert_eq!(claim(&stores.queue, &HASTY).await.id, "m2");
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_job_that_is_given_back_is_due_later() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let queue = &stores.queue;
        queue.publish(&MAIL, "later", b"x").await.unwrap();
        let job = claim(queue, &MAIL).await;
        job.give_back(Duration::from_secs(60)).await.unwrap();
        queue.publish(&MAIL, "soon", b"x").await.unwrap();
        let job = claim(queue, &MAIL).await;
        assert_eq!(job.id, "soon");
        job.give_back(Duration::from_millis(50)).await.unwrap();
        let job = claim(queue, &MAIL).await;
        assert_eq!((job.id.as_str(), job.delivery), ("soon", 2));
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn jobs_wait_while_nobody_runs() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        stores.queue.publish(&MAIL, "m1", b"x").await.unwrap();
        stores.close().await;
        let stores = place.open().await;
        assert_eq!(claim(&stores.queue, &MAIL).await.id, "m1");
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_payload_has_a_limit() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        stores.queue.publish(&MAIL, "fits", &vec![0; MAX_PAYLOAD_BYTES]).await.unwrap();
        let error = stores.queue.publish(&MAIL, "large", &vec![0; MAX_PAYLOAD_BYTES + 1]).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::TooLarge { .. }), "{error:?}");
        stores.close().await;
    })
    .await;
}
