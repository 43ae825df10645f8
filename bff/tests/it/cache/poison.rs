//! What is in Redis and was not written there by a replica, for this key and in this version, is as if it were not there.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use super::kept::Kept;
use super::replicas::over;
use super::world::World;
use crate::conformance::{Backend, eventually};

const SUM: usize = 32;
/// Of the version, in what an entry begins with.
const VERSION: usize = 5;

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

fn with_sum(bytes: &[u8]) -> Vec<u8> {
    [bytes, digest(&SHA256, bytes).as_ref()].concat()
}

async fn is_rejected(poison: impl Fn(&[u8]) -> Vec<u8>) {
    over(&[Backend::Postgres, Backend::Redis], async |first, second, kept| {
        let (name, bytes) = kept_thing(first, &kept).await;
        kept.set(&name, &poison(&bytes)).await;
        is_refused(second, &kept, &name).await;
        second.eventually_measured(r#"bff_cache_shared_total{result="rejected"}"#, |count| count == 1.0).await;
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_is_cut_short_or_has_another_byte_is_not_served() {
    is_rejected(|bytes| bytes[..bytes.len() - 1].to_vec()).await;
    is_rejected(|bytes| bytes[..SUM / 2].to_vec()).await;
    is_rejected(|bytes| {
        let mut other = bytes.to_vec();
        *other.iter_mut().rfind(|byte| **byte == b'0').unwrap() = b'7';
        other
    })
    .await;
}

#[tokio::test]
async fn an_entry_of_another_version_is_not_served() {
    is_rejected(|bytes| {
        let mut other = bytes[..bytes.len() - SUM].to_vec();
        other[VERSION] += 1;
        with_sum(&other)
    })
    .await;
}

#[tokio::test]
async fn an_entry_of_another_key_is_not_served() {
    over(&[Backend::Postgres, Backend::Redis], async |first, second, kept| {
        let (name, _) = kept_thing(first, &kept).await;
        first.get("/v1/things/b").await;
        let mut names = kept.until(2).await;
        names.retain(|other| *other != name);
        kept.set(&name, &kept.get(&names[0]).await).await;
        is_refused(second, &kept, &name).await;
        second.eventually_measured(r#"bff_cache_shared_total{result="rejected"}"#, |count| count == 1.0).await;
    })
    .await;
}

#[tokio::test]
async fn a_well_made_entry_that_breaks_the_contract_is_not_served() {
    is_refused_with(async |kept, name, bytes| {
        let text = b"\"name\":\"a 0\"";
        let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
        let mut other = bytes[..bytes.len() - SUM].to_vec();
        other[at + 1] = b'N';
        kept.set(name, &with_sum(&other)).await;
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

async fn is_refused_with(poison: impl AsyncFn(&Kept, &str, &[u8])) {
    over(&[Backend::Postgres, Backend::Redis], async |first, second, kept| {
        let (name, bytes) = kept_thing(first, &kept).await;
        poison(&kept, &name, &bytes).await;
        is_refused(second, &kept, &name).await;
    })
    .await;
}
