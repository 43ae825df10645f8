//! What is in Redis is sealed; what was not sealed there by a replica, for this key, is as if it were not there.

use bff::config::Config;
use serde_json::json;

use super::kept::Kept;
use super::replicas::{UNHEARD, over};
use super::world::World;
use crate::conformance::{Backend, Place, eventually};
use crate::harness::Answer;

const STORES: [Backend; 2] = [Backend::Postgres, Backend::Redis];

/// One replica fetched `a`; returns where it is kept, and the bytes.
async fn kept_thing(world: &World, kept: &Kept) -> (String, Vec<u8>) {
    assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 0" }));
    let name = kept.until(1).await.remove(0);
    let bytes = kept.get(&name).await;
    (name, bytes)
}

/// The other replica asks the service, and keeps that instead.
async fn is_refused(world: &World, kept: &Kept, name: &str) {
    let poison = kept.dump(name).await;
    world.change();
    assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 1" }));
    eventually(async || (kept.dump(name).await != poison).then_some(())).await;
}

async fn counts_as_rejected(world: &World, times: f64) {
    world.eventually_measured(r#"bff_cache_shared_total{result="rejected"}"#, |count| count == times).await;
}

async fn is_refused_with(poison: impl AsyncFn(&Kept, &str, &[u8])) {
    over(&STORES, async |first, second, kept| {
        let (name, bytes) = kept_thing(first, &kept).await;
        poison(&kept, &name, &bytes).await;
        is_refused(second, &kept, &name).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_reply_or_of_who_asked_can_be_read() {
    over(&STORES, async |first, _, kept| {
        let asked = first.server.client.get(format!("{}/v1/mine?what=whatever", first.server.url));
        let answer = Answer::of(asked.header("x-note", "my-own-note")).await;
        assert!(answer.json()["mark"].as_str().unwrap().contains("my-own-note"));
        assert_eq!(first.get("/v1/things/a").await.json(), json!({ "name": "a 0" }));
        for name in kept.until(2).await {
            let all = [name.as_bytes(), &kept.get(&name).await].concat();
            for plain in ["my-own-note", "whatever", "nested", "a 0", "getMine", "things"] {
                assert!(!all.windows(plain.len()).any(|window| window == plain.as_bytes()), "{plain} in {name}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_entry_of_which_one_bit_is_another_or_the_end_is_missing_is_not_served() {
    over(&STORES, async |first, second, kept| {
        let (name, bytes) = kept_thing(first, &kept).await;
        let mut places: Vec<usize> = (0..bytes.len()).step_by(bytes.len() / 7).collect();
        places.push(bytes.len() - 1);
        let flipped = places.iter().map(|at| {
            let mut other = bytes.clone();
            other[*at] ^= 1;
            other
        });
        let cut = [bytes.len() - 1, 20, 1].map(|len| bytes[..len].to_vec());
        let poisons: Vec<Vec<u8>> = flipped.chain(cut).collect();
        for (round, poison) in (1..).zip(&poisons) {
            kept.set(&name, poison).await;
            first.change();
            second.purge(&["thing:a"]).await;
            assert_eq!(second.get("/v1/things/a").await.json(), json!({ "name": format!("a {round}") }));
            eventually(async || (kept.get(&name).await != *poison).then_some(())).await;
        }
        counts_as_rejected(second, poisons.len() as f64).await;
    })
    .await;
}

#[tokio::test]
async fn an_entry_of_another_key_is_not_served() {
    over(&STORES, async |first, second, kept| {
        let (name, _) = kept_thing(first, &kept).await;
        first.get("/v1/things/b").await;
        let mut names = kept.until(2).await;
        names.retain(|other| *other != name);
        kept.set(&name, &kept.get(&names[0]).await).await;
        is_refused(second, &kept, &name).await;
        counts_as_rejected(second, 1.0).await;
    })
    .await;
}

/// Whoever has another master key has other entries; put in the place of ours, they do not open.
#[tokio::test]
async fn an_entry_under_another_master_key_is_not_found_and_in_another_place_not_served() {
    let test = async |place: &Place| {
        // Each has a database of its own, and beside it a master key.
        let change = |config: &mut Config| {
            config.store.redis_url.clone_from(&place.config.redis_url);
            config.store.namespace.clone_from(&place.config.namespace);
            config.store.hot_timeout_ms = 10_000;
        };
        let (first, kept) = (World::start_with(change).await, Kept::open(&place.config).await);
        let second = first.another(change).await;
        let (name, bytes) = kept_thing(&first, &kept).await;
        first.change();
        assert_eq!(second.get("/v1/things/a").await.json(), json!({ "name": "a 1" }));
        let mut names = kept.until(2).await;
        counts_as_rejected(&second, 0.0).await;
        names.retain(|other| *other != name);
        kept.set(&names[0], &bytes).await;
        second.server.clock.advance(UNHEARD);
        first.calls();
        assert_eq!(second.get("/v1/things/a").await.json(), json!({ "name": "a 1" }));
        assert_eq!(first.calls(), ["a"], "the service was asked");
        counts_as_rejected(&second, 1.0).await;
    };
    Place::with(&[Backend::Redis], &test).await;
}

#[tokio::test]
async fn a_well_made_entry_that_breaks_the_contract_of_who_reads_it_is_not_served() {
    over(&STORES, async |first, second, kept| {
        assert_eq!(first.get("/v1/things/unsized").await.json(), json!({ "name": "unsized 0" }));
        kept.until(1).await;
        first.calls();
        assert_eq!(second.get("/v1/sizes/unsized").await.status, 502);
        assert_eq!(second.calls(), ["unsized"], "the service was asked");
    })
    .await;
}

#[tokio::test]
async fn what_is_huge_or_no_text_at_all_is_not_served() {
    is_refused_with(async |kept, name, bytes| kept.set(name, &bytes.repeat(8 << 20 >> 8)).await).await;
    is_refused_with(async |kept, name, _| kept.set_list(name).await).await;
}

/// What a tag's token should be, in whose place it is, makes everything with that tag stale.
#[tokio::test]
async fn what_is_no_token_is_replaced() {
    is_refused_with(async |kept, _, _| {
        for token in kept.tokens().await {
            kept.set(&token, b"no token").await;
        }
    })
    .await;
    is_refused_with(async |kept, _, _| {
        for token in kept.tokens().await {
            kept.set_list(&token).await;
        }
    })
    .await;
}
