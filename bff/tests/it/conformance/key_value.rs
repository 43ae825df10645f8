//! Expiring values and token buckets.

use std::time::Duration;

use bff::store::{Cause, MAX_KEY_BYTES, MAX_VALUE_BYTES, Rate};

use super::Backend::{Postgres, Redis, Sqlite};
use super::{Place, at_once, eventually};

const BACKENDS: [super::Backend; 3] = [Sqlite, Postgres, Redis];
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_value_is_kept_replaced_taken_and_deleted() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let store = &stores.key_value;
        assert_eq!(store.get("a").await.unwrap(), None);
        let bytes: Vec<u8> = (0..=255).collect();
        store.put("a", &bytes, LONG).await.unwrap();
        store.put("b}{", b"other", LONG).await.unwrap();
        assert_eq!(store.get("a").await.unwrap().unwrap(), bytes);
        store.put("a", b"", LONG).await.unwrap();
        assert_eq!(store.get("a").await.unwrap().unwrap(), "");

        assert_eq!(store.take("a").await.unwrap().unwrap(), "");
        assert_eq!(store.take("a").await.unwrap(), None);
        store.delete("b}{").await.unwrap();
        store.delete("b}{").await.unwrap();
        assert_eq!(store.get("b}{").await.unwrap(), None);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn several_values_are_read_and_deleted_at_once() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let store = &stores.key_value;
        let keys = ["a", "b", "none", "large"].map(str::to_owned);
        store.put("a", b"1", LONG).await.unwrap();
        store.put("b", b"22", LONG).await.unwrap();
        store.put("large", &[7; 9], LONG).await.unwrap();
        let values = store.get_all(&keys, 8).await.unwrap();
        assert_eq!(values, [Some("1".into()), Some("22".into()), None, None]);
        store.delete_all(&keys[..3]).await.unwrap();
        assert_eq!(store.get_all(&keys, 9).await.unwrap(), [None, None, None, Some(vec![7; 9].into())]);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_value_is_taken_once_by_whoever_is_first() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        stores.key_value.put("code", b"123456", LONG).await.unwrap();
        let taken = at_once(50, |_| {
            let store = stores.key_value.clone();
            async move { store.take("code").await.unwrap() }
        });
        assert_eq!(taken.await.into_iter().flatten().collect::<Vec<_>>(), ["123456"]);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn of_200_compare_and_puts_one_wins() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        for expected in [None, Some(b"first".to_vec())] {
            if let Some(first) = &expected {
                stores.key_value.put("record", first, LONG).await.unwrap();
            }
            let won = at_once(200, |number| {
                let (store, expected) = (stores.key_value.clone(), expected.clone());
                async move {
                    let new = number.to_string();
                    let won = store.compare_and_put("record", expected.as_deref(), new.as_bytes(), LONG).await;
                    won.unwrap().then_some(new)
                }
            });
            let won: Vec<String> = won.await.into_iter().flatten().collect();
            assert_eq!(won.len(), 1, "{won:?}");
            assert_eq!(stores.key_value.get("record").await.unwrap().unwrap(), won[0]);
        }
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn all_agree_on_the_value_that_was_first() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let kept = at_once(50, |number| {
            let store = stores.key_value.clone();
            let value = move |key: &str| (key.to_owned(), format!("{key} {number}").into_bytes());
            async move { store.keep_first(&[value("a"), value("b")], LONG).await.unwrap() }
        })
        .await;
        assert!(kept.iter().all(|values| *values == kept[0] && values[0].starts_with(b"a ")), "{kept:?}");
        let store = &stores.key_value;
        let again = |value: &str| [("a".to_owned(), value.as_bytes().to_vec())];
        assert_eq!(store.keep_first(&again("late"), LONG).await.unwrap(), kept[0][..1]);
        store.delete_all(&["a".to_owned()]).await.unwrap();
        assert_eq!(store.keep_first(&again("new"), LONG).await.unwrap(), ["new"]);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn no_change_is_lost_between_writers_who_compare() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        at_once(8, |_| {
            let store = stores.key_value.clone();
            async move {
                let mut done = 0;
                while done < 10 {
                    let seen = store.get("count").await.unwrap();
                    let count: u32 = seen.as_ref().map_or(0, |seen| str::from_utf8(seen).unwrap().parse().unwrap());
                    let next = (count + 1).to_string();
                    let put = store.compare_and_put("count", seen.as_deref(), next.as_bytes(), LONG);
                    done += u32::from(put.await.unwrap());
                }
            }
        })
        .await;
        assert_eq!(stores.key_value.get("count").await.unwrap().unwrap(), "80");
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_value_expires_and_makes_room() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let store = &stores.key_value;
        for key in ["got", "taken", "changed", "added"] {
            store.put(key, b"old", SHORT).await.unwrap();
        }
        eventually(async || store.get("got").await.unwrap().is_none().then_some(())).await;
        eventually(async || store.get("added").await.unwrap().is_none().then_some(())).await;
        assert_eq!(store.take("taken").await.unwrap(), None);
        assert!(!store.compare_and_put("changed", Some(b"old"), b"new", LONG).await.unwrap());
        assert!(store.compare_and_put("added", None, b"new", LONG).await.unwrap());
        assert_eq!(store.get("added").await.unwrap().unwrap(), "new");
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_has_expired_is_swept_away() {
    Place::each(&[Sqlite, Postgres], async |place| {
        let stores = place.open().await;
        stores.key_value.put("short", b"x", Duration::ZERO).await.unwrap();
        stores.key_value.put("long", b"x", LONG).await.unwrap();
        stores.close().await;
        // A start sweeps at once, then every minute.
        let stores = place.open().await;
        eventually(async || (place.ask("SELECT count(*) FROM expiring_values").await == 1).then_some(())).await;
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_restarted_client_finds_its_values() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        stores.key_value.put("a", b"kept", LONG).await.unwrap();
        stores.close().await;
        let stores = place.open().await;
        assert_eq!(stores.key_value.get("a").await.unwrap().unwrap(), "kept");
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_its_size() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let store = &stores.key_value;
        let [key, long_key] = [MAX_KEY_BYTES, MAX_KEY_BYTES + 1].map(|length| "k".repeat(length));
        let [value, long_value] = [MAX_VALUE_BYTES, MAX_VALUE_BYTES + 1].map(|length| vec![0; length]);
        store.put(&key, &value, LONG).await.unwrap();
        for error in [
            store.put("a", &long_value, LONG).await.unwrap_err(),
            store.compare_and_put("a", None, &long_value, LONG).await.unwrap_err(),
            store.get(&long_key).await.unwrap_err(),
            store.take_tokens(&long_key, Rate::new(1, 1.0), 1).await.unwrap_err(),
        ] {
            assert!(matches!(error.cause(), Cause::TooLarge { .. }) && !error.is_outage(), "{error:?}");
        }
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn ten_clients_drain_a_bucket_exactly() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let hourly = Rate::new(50, 1.0 / 3600.0);
        let allowed = at_once(10, |_| {
            let store = stores.key_value.clone();
            async move {
                let mut allowed = 0;
                for _ in 0..10 {
                    allowed += u32::from(store.take_tokens("login", hourly, 1).await.unwrap().allowed);
                }
                allowed
            }
        });
        assert_eq!(allowed.await.iter().sum::<u32>(), 50);
        let refused = stores.key_value.take_tokens("login", hourly, 1).await.unwrap();
        assert!(!refused.allowed && refused.remaining == 0);
        assert!(refused.retry_after > Duration::from_secs(3000) && refused.retry_after <= LONG, "{refused:?}");
        assert!(stores.key_value.take_tokens("other", hourly, 50).await.unwrap().allowed);
        assert!(!stores.key_value.take_tokens("third", hourly, 51).await.unwrap().allowed);
        assert_eq!(stores.key_value.take_tokens("third", hourly, 0).await.unwrap().remaining, 50);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_given_back_can_be_taken_again_and_no_more() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let store = &stores.key_value;
        let hourly = Rate::new(3, 1.0 / 3600.0);
        store.give_back_tokens("a", hourly, 2).await.unwrap();
        assert!(store.take_tokens("a", hourly, 3).await.unwrap().allowed);
        assert!(!store.take_tokens("a", hourly, 1).await.unwrap().allowed);
        store.give_back_tokens("a", hourly, 2).await.unwrap();
        assert_eq!(store.take_tokens("a", hourly, 2).await.unwrap().remaining, 0);
        store.give_back_tokens("a", hourly, 100).await.unwrap();
        assert!(!store.take_tokens("a", hourly, 4).await.unwrap().allowed, "never more than full");
        assert!(store.take_tokens("a", hourly, 3).await.unwrap().allowed);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_bucket_fills_again() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let quick = Rate::new(2, 10.0);
        let take = async || stores.key_value.take_tokens("a", quick, 1).await.unwrap();
        let refused = eventually(async || Some(take().await).filter(|taken| !taken.allowed)).await;
        assert!(refused.retry_after <= Duration::from_millis(100), "{refused:?}");
        eventually(async || take().await.allowed.then_some(())).await;
        stores.close().await;
    })
    .await;
}
