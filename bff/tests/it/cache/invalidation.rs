//! What makes kept replies stale, and how much.

use bff::identity::DEMO_PASSWORD;
use serde_json::json;

use super::world::World;
use crate::harness::{Caller, TokenUser};

#[tokio::test]
async fn a_purge_makes_stale_what_has_one_of_its_tags_and_nothing_else() {
    let world = World::start().await;
    let ask = async || (world.get("/v1/things/a").await.json(), world.get("/v1/things/b").await.json());
    let shown = |a: &str, b: &str| (json!({ "name": a }), json!({ "name": b }));
    assert_eq!(ask().await, shown("a 0", "b 0"));
    world.change();
    assert_eq!(ask().await, shown("a 0", "b 0"));
    let purged = world.purge(&["thing:a", "thing:other"]).await;
    assert_eq!((purged.status, purged.json()), (200, json!({ "tags": 2, "everywhere": true })));
    assert_eq!(ask().await, shown("a 1", "b 0"));
    world.change();
    world.purge(&["things"]).await;
    assert_eq!(ask().await, shown("a 2", "b 2"));
}

#[tokio::test]
async fn a_mutation_makes_stale_what_it_names() {
    let world = World::start().await;
    for id in ["a", "b"] {
        world.get(&format!("/v1/things/{id}")).await;
    }
    assert_eq!(world.put("/v1/things/a").await.json(), json!({ "name": "a 1" }));
    assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 1" }), "whoever changed it sees it");
    assert_eq!(world.get("/v1/things/b").await.json(), json!({ "name": "b 0" }));
    world.fail(500);
    assert_eq!(world.put("/v1/things/b").await.status, 502);
    world.fail(200);
    assert_eq!(world.get("/v1/things/b").await.json(), json!({ "name": "b 0" }), "nothing was changed");
}

#[tokio::test]
async fn a_change_whose_reply_cannot_be_read_is_one_all_the_same() {
    let world = World::start().await;
    world.get("/v1/things/a").await;
    world.garble(true);
    let changed = world.put("/v1/things/a").await;
    assert_eq!((changed.status, changed.header("bff-partial").is_empty()), (200, false));
    world.garble(false);
    assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 1" }));
}

#[tokio::test]
async fn a_fetch_that_began_before_a_purge_never_wins() {
    let world = World::start().await;
    world.hold();
    let before = world.get("/v1/things/a");
    let purge = async {
        world.wait_for("a").await;
        // The service has read the old version, and is still busy with its answer.
        world.change();
        world.purge(&["thing:a"]).await;
        let after = async { world.get("/v1/things/a").await };
        let release = async {
            // Whoever asks now must not join what began before.
            crate::conformance::eventually(async || (world.service.asked() == 2).then_some(())).await;
            world.release();
        };
        tokio::join!(after, release).0
    };
    let (before, after) = tokio::join!(before, purge);
    assert_eq!((before.json(), after.json()), (json!({ "name": "a 0" }), json!({ "name": "a 1" })));
    assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 1" }));
    assert_eq!(world.calls().len(), 2);
}

#[tokio::test]
async fn the_refresh_of_a_stale_reply_that_a_purge_overtakes_is_not_kept() {
    let world = World::start().await;
    world.get("/v1/things/a").await;
    world.server.clock.advance(std::time::Duration::from_secs(61));
    world.hold();
    assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 0" }));
    crate::conformance::eventually(async || (world.service.asked() == 2).then_some(())).await;
    world.change();
    world.purge(&["thing:a"]).await;
    world.release();
    assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 1" }));
}

#[tokio::test]
async fn a_purge_says_what_is_wrong_with_it() {
    let world = World::start().await;
    let many: Vec<String> = (0..1_001).map(|tag| tag.to_string()).collect();
    for (body, pointer) in [
        (json!({ "tags": [] }), "/tags"),
        (json!({ "tags": many }), "/tags"),
        (json!({ "tags": ["a", ""] }), "/tags/1"),
        (json!({ "tags": ["x".repeat(1_001)] }), "/tags/0"),
    ] {
        let refused = world.purge_with(body).await;
        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (400, &json!(pointer)));
    }
    for body in [json!({}), json!({ "tags": "a" }), json!({ "tags": ["a"], "more": 1 })] {
        assert_eq!(world.purge_with(body).await.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn purges_of_others_leave_a_users_own_alone() {
    let world = World::start().await;
    let ada = TokenUser::login(&world.server, "user@shop.test", DEMO_PASSWORD).await;
    let admin = TokenUser::login(&world.server, "admin@shop.test", DEMO_PASSWORD).await;
    let id = ada.get("/v1/auth/me").await.json()["id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        ada.get("/v1/mine").await;
        admin.get("/v1/mine").await;
    }
    assert_eq!(world.calls().len(), 2);
    world.purge(&[&format!("user:{id}")]).await;
    ada.get("/v1/mine").await;
    admin.get("/v1/mine").await;
    assert_eq!(world.calls().len(), 1);
}
