//! Replies that are kept: when they answer, when they do not, and whom.

mod invalidation;
mod kept;
mod outage;
mod own_redis;
mod poison;
mod privacy;
mod replicas;
mod revalidation;
mod world;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::Caller;
use world::{World, max_age};

#[tokio::test]
async fn a_kept_reply_answers_until_its_time_is_over_and_says_how_much_is_left() {
    let world = World::start().await;
    let first = world.get("/v1/things/a").await;
    assert_eq!((first.status, first.json()), (200, json!({ "name": "a 0" })));
    assert_eq!(max_age(&first), Some(60));
    world.change();
    world.server.clock.advance(Duration::from_secs(59));
    let later = world.get("/v1/things/a").await;
    assert_eq!((later.json(), max_age(&later)), (json!({ "name": "a 0" }), Some(1)));
    assert_eq!(later.header("cache-control"), "public, max-age=1, stale-while-revalidate=30, stale-if-error=600");
    assert_eq!(world.calls(), ["a"]);
    world.get("/v1/things/b").await;
    assert_eq!(world.calls(), ["b"]);

    let page = world.metrics().await;
    for (result, count) in [("hit", 1), ("miss", 2), ("stale", 0), ("coalesced", 0)] {
        let line = format!(r#"bff_cache_requests_total{{call="thing.thing",result="{result}"}} {count}"#);
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}

#[tokio::test]
async fn a_stale_reply_answers_while_one_request_fetches_it_again() {
    let world = World::start().await;
    world.get("/v1/things/a").await;
    world.change();
    world.hold();
    world.server.clock.advance(Duration::from_secs(61));
    // Its service does not answer, and yet all of them are answered.
    for answer in join_all((0..20).map(|_| world.get("/v1/things/a"))).await {
        assert_eq!((answer.json(), max_age(&answer)), (json!({ "name": "a 0" }), Some(0)));
        assert_eq!(answer.header("cache-control"), "public, max-age=0");
    }
    world.release();
    world.until("/v1/things/a", json!({ "name": "a 1" })).await;
    assert_eq!(world.calls(), ["a", "a"]);

    world.server.clock.advance(Duration::from_secs(91));
    world.change();
    assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 2" }), "too old for that");
}

#[tokio::test]
async fn an_old_reply_is_better_than_a_failure_but_not_than_an_answer() {
    let world = World::start().await;
    for path in ["/v1/things/a", "/v1/careful/a"] {
        world.get(path).await;
    }
    world.server.clock.advance(Duration::from_secs(500));
    world.fail(503);
    let old = world.get("/v1/things/a").await;
    assert_eq!((old.status, old.json(), max_age(&old)), (200, json!({ "name": "a 0" }), Some(0)));
    assert_eq!(old.header("bff-partial"), "");
    // `on_fail: [ { stale: 10m }, null ]` of a call that is not kept otherwise.
    let old = world.get("/v1/careful/a").await;
    assert_eq!((old.json(), old.header("cache-control")), (json!({ "name": "a 0" }), "no-store"));

    world.fail(404);
    assert_eq!(world.get("/v1/things/a").await.status, 404, "it is gone: that is an answer");
    world.fail(503);
    world.server.clock.advance(Duration::from_secs(200));
    assert_eq!(world.get("/v1/things/a").await.status, 503, "older than allowed");
    let none = world.get("/v1/careful/a").await;
    assert_eq!((none.json(), none.header("cache-control")), (json!({ "name": null }), "no-store"));
    world.fail(200);
    assert_eq!(world.get("/v1/things/a").await.status, 200, "a failure is not kept");
}

#[tokio::test]
async fn what_breaks_its_contract_is_not_kept() {
    let world = World::start().await;
    world.garble(true);
    assert_eq!(world.get("/v1/things/a").await.status, 502);
    world.garble(false);
    assert_eq!(world.get("/v1/things/a").await.status, 200);
    assert_eq!(world.calls().len(), 2);
    world.server.clock.advance(Duration::from_secs(100));
    world.garble(true);
    assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 0" }), "and an old copy is better");
}

#[tokio::test]
async fn of_a_batch_only_the_keys_that_are_missing_are_fetched() {
    let world = World::start().await;
    let shown = |ids: &[&str], version: u32| {
        let thing = |id: &&str| (!id.starts_with('x')).then(|| json!({ "name": format!("{id} {version}") }));
        json!({ "things": ids.iter().map(thing).collect::<Vec<_>>() })
    };
    assert_eq!(world.get("/v1/lists/a-b-x").await.json(), shown(&["a", "b", "x"], 0));
    let mut calls = world.calls();
    calls.sort();
    assert_eq!(calls, ["a,b", "list", "x"], "two at a time");
    assert_eq!(world.get("/v1/lists/x-a-b-a").await.json(), shown(&["x", "a", "b", "a"], 0));
    assert_eq!(world.calls(), ["list"], "what is missing is known to be");
    assert_eq!(world.get("/v1/lists/c-b-d-a").await.json(), shown(&["c", "b", "d", "a"], 0));
    assert_eq!(world.calls(), ["list", "c,d"]);
    world.change();
    world.purge(&["thing:b"]).await;
    let answer = world.get("/v1/lists/a-b").await;
    assert_eq!(answer.json(), json!({ "things": [{ "name": "a 0" }, { "name": "b 1" }] }));
    assert_eq!(world.calls(), ["list", "b"]);

    let page = world.metrics().await;
    let line = r#"bff_cache_requests_total{call="list.things",result="miss"} 6"#;
    assert!(page.lines().any(|found| found == line), "{page}");
}

#[tokio::test]
async fn every_key_is_on_its_way_once_whoever_asks() {
    let world = World::start().await;
    world.hold();
    let first = world.get("/v1/lists/a-b");
    let second = async {
        world.wait_for("a,b").await;
        let both = async { tokio::join!(world.get("/v1/lists/b-c"), world.get("/v1/lists/c-b-a")) };
        let release = async {
            world.wait_for("c").await;
            world.release();
        };
        tokio::join!(both, release).0
    };
    let (first, (second, third)) = tokio::join!(first, second);
    assert_eq!(first.json(), json!({ "things": [{ "name": "a 0" }, { "name": "b 0" }] }));
    assert_eq!(second.json(), json!({ "things": [{ "name": "b 0" }, { "name": "c 0" }] }));
    assert_eq!(third.json()["things"].as_array().unwrap().len(), 3);
    let mut asked = world.calls();
    asked.retain(|call| call != "list");
    assert_eq!(asked, ["a,b", "c"]);
}

#[tokio::test]
async fn a_key_that_many_ask_for_when_it_expires_is_fetched_once() {
    let world = World::start().await;
    world.get("/v1/sharp/a").await;
    world.calls();
    world.server.clock.advance(Duration::from_secs(61));
    world.change();
    let answers = join_all((0..500).map(|_| world.get("/v1/sharp/a"))).await;
    assert!(answers.iter().all(|answer| answer.json() == json!({ "name": "a 1" })));
    assert_eq!(world.calls(), ["a"]);
}

#[tokio::test]
async fn it_is_fetched_to_its_end_when_whoever_asked_leaves() {
    let world = World::start().await;
    world.hold();
    let asking = tokio::time::timeout(Duration::from_millis(300), world.get("/v1/things/a"));
    assert!(asking.await.is_err());
    world.wait_for("a").await;
    world.release();
    world.until("/v1/things/a", json!({ "name": "a 0" })).await;
    assert_eq!(world.calls(), ["a"]);
}

#[tokio::test]
async fn memory_is_bounded_and_large_replies_are_not_kept() {
    let world = World::start_with(|config| {
        config.cache.max_bytes = 20_000;
        config.cache.max_entry_bytes = 2_000;
    })
    .await;
    let large = "l".repeat(4_000);
    for _ in 0..2 {
        assert_eq!(world.get(&format!("/v1/things/{large}")).await.status, 200);
    }
    assert_eq!(world.calls().len(), 2);
    for id in 0..200 {
        world.get(&format!("/v1/things/{id}")).await;
    }
    world.eventually_measured("bff_cache_bytes", |bytes| bytes > 0.0 && bytes <= 20_000.0).await;
    world.eventually_measured("bff_cache_evictions_total", |evicted| evicted > 0.0).await;
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let world = World::start_with(|config| config.cache.enabled = false).await;
    for _ in 0..2 {
        assert_eq!(world.get("/v1/things/a").await.status, 200);
        assert_eq!(world.get("/v1/lists/a").await.status, 200);
    }
    assert_eq!(world.calls(), ["a", "list", "a", "a", "list", "a"]);
    assert_eq!(world.purge(&["thing:a"]).await.status, 200);
}

#[tokio::test]
async fn a_reply_that_two_views_read_differently_answers_both() {
    let world = World::start().await;
    assert_eq!(world.get("/v1/sizes/a").await.json(), json!({ "size": "1" }));
    assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 0" }));
    assert_eq!(world.calls(), ["a"], "one request, one entry");
    // To one of them it is nothing.
    assert_eq!(world.get("/v1/things/unsized").await.status, 200);
    assert_eq!(world.get("/v1/sizes/unsized").await.status, 502);
    assert_eq!(world.get("/v1/things/unsized").await.status, 200);
    assert_eq!(world.calls(), ["unsized", "unsized"]);
    assert_eq!(world.server.anonymous().get("/v1/sizes/unsized").await.status, 502);
}
