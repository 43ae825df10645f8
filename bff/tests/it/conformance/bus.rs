//! Announcements to whoever listens.

use bff::store::{Heard, MAX_ANNOUNCEMENT_BYTES, Subscription};

use super::Backend::{Nats, Sqlite};
use super::{Place, eventually};

const BACKENDS: [super::Backend; 2] = [Sqlite, Nats];

/// The next announcement; a beginning may be told as a gap.
async fn announcement(subscription: &mut Subscription) -> String {
    loop {
        if let Heard::Announcement(bytes) = subscription.next().await.unwrap() {
            return String::from_utf8(bytes.to_vec()).unwrap();
        }
    }
}

#[tokio::test]
async fn every_listener_of_a_topic_hears_its_announcements_in_order() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let mut listeners = [stores.bus.subscribe("a").await.unwrap(), stores.bus.subscribe("a").await.unwrap()];
        // A subscription is under way; what is sent on the same connection afterwards finds it.
        for text in ["one", "two"] {
            stores.bus.announce("b", b"other").await.unwrap();
            stores.bus.announce("a", text.as_bytes()).await.unwrap();
        }
        for listener in &mut listeners {
            assert_eq!([announcement(listener).await, announcement(listener).await], ["one", "two"]);
        }
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn another_replica_hears_too() {
    Place::each(&[Nats], async |place| {
        let [near, far] = [place.open().await, place.open().await];
        let mut listener = far.bus.subscribe("a").await.unwrap();
        let announcing = async {
            eventually(async || {
                near.bus.announce("a", b"hello").await.unwrap();
                None::<()>
            })
            .await
        };
        tokio::select! {
            heard = announcement(&mut listener) => assert_eq!(heard, "hello"),
            () = announcing => {}
        }
        near.close().await;
        far.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_listener_that_falls_behind_is_told() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let mut listener = stores.bus.subscribe("a").await.unwrap();
        stores.bus.announce("a", b"first").await.unwrap();
        if let Heard::Gap = listener.next().await.unwrap() {
            assert_eq!(announcement(&mut listener).await, "first");
        }
        for _ in 0..5_000 {
            stores.bus.announce("a", b"flood").await.unwrap();
        }
        while listener.next().await.unwrap() != Heard::Gap {}
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_announcement_has_a_limit() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        assert!(stores.bus.announce("a", &vec![0; MAX_ANNOUNCEMENT_BYTES + 1]).await.is_err());
        stores.close().await;
    })
    .await;
}
