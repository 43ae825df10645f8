//! What one replica keeps and makes stale, another one finds kept and stale.

use std::time::Duration;

use serde_json::json;

use super::kept::Kept;
use super::world::World;
use crate::conformance::wire::Wire;
use crate::conformance::{Backend, Place, eventually};
use crate::store::host_of;

const ALL: [Backend; 3] = [Backend::Postgres, Backend::Redis, Backend::Nats];
/// So long a replica trusts its memory that hears nothing of others.
pub const UNHEARD: Duration = Duration::from_secs(31);

/// Runs a test over two replicas; does nothing where their stores are not there.
pub async fn over(backends: &[Backend], test: impl AsyncFn(&World, &World, Kept)) {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let store = with_patience(place);
        let (first, second) = World::pair(&store, folder.path()).await;
        test(&first, &second, Kept::open(&store).await).await;
    };
    Place::with(backends, &test).await;
}

/// A busy machine is not a Redis that is away.
fn with_patience(place: &Place) -> bff::store::Config {
    bff::store::Config { hot_timeout_ms: 10_000, ..place.config.clone() }
}

#[tokio::test]
async fn what_one_fetched_is_a_hit_on_the_other() {
    over(&ALL, async |first, second, kept| {
        first.get("/v1/things/a").await;
        let list = json!({ "things": [{ "name": "b 0" }, null] });
        assert_eq!(first.get("/v1/lists/b-x").await.json(), list);
        kept.until(3).await;
        first.change();
        first.calls();
        assert_eq!(second.get("/v1/things/a").await.json(), json!({ "name": "a 0" }));
        assert_eq!(second.get("/v1/lists/b-x").await.json(), list);
        assert_eq!(first.calls(), ["list"]);
        second.eventually_measured(r#"bff_cache_shared_total{result="hit"}"#, |hits| hits == 3.0).await;
    })
    .await;
}

#[tokio::test]
async fn a_purge_and_a_mutation_on_one_count_on_the_other() {
    over(&ALL, async |first, second, _| {
        for world in [first, second] {
            world.get("/v1/things/a").await;
            world.get("/v1/things/b").await;
        }
        first.change();
        let purged = first.purge(&["thing:a"]).await;
        assert_eq!((purged.status, &purged.json()["everywhere"]), (200, &json!(true)));
        assert_eq!(first.get("/v1/things/a").await.json(), json!({ "name": "a 1" }));
        second.until("/v1/things/a", json!({ "name": "a 1" })).await;
        assert_eq!(second.put("/v1/things/a").await.json(), json!({ "name": "a 2" }));
        assert_eq!(second.get("/v1/things/a").await.json(), json!({ "name": "a 2" }));
        first.until("/v1/things/a", json!({ "name": "a 2" })).await;
        for world in [first, second] {
            assert_eq!(world.get("/v1/things/b").await.json(), json!({ "name": "b 0" }), "nobody named it");
        }
    })
    .await;
}

#[tokio::test]
async fn a_fetch_that_began_before_a_purge_elsewhere_never_wins() {
    over(&ALL, async |first, second, _| {
        second.hold();
        let purge = async {
            // The service has read the old version, and is still busy with its answer.
            first.wait_for("a").await;
            first.change();
            first.purge(&["thing:a"]).await;
            first.release();
        };
        let (before, ()) = tokio::join!(second.get("/v1/things/a"), purge);
        assert_eq!(before.json(), json!({ "name": "a 0" }));
        second.until("/v1/things/a", json!({ "name": "a 1" })).await;
        for world in [first, second] {
            assert_eq!(world.get("/v1/things/a").await.json(), json!({ "name": "a 1" }));
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_bus_redis_refuses_what_was_fetched_too_early_and_memory_is_trusted_for_a_while() {
    over(&[Backend::Postgres, Backend::Redis], async |first, second, kept| {
        second.hold();
        let purge = async {
            first.wait_for("a").await;
            first.change();
            let purged = first.purge(&["thing:a"]).await;
            assert_eq!((purged.status, &purged.json()["everywhere"]), (202, &json!(false)));
            first.release();
        };
        let (before, ()) = tokio::join!(second.get("/v1/things/a"), purge);
        assert_eq!(before.json(), json!({ "name": "a 0" }));
        kept.until(1).await;
        assert_eq!(first.get("/v1/things/a").await.json(), json!({ "name": "a 1" }), "what is in Redis is too old");
        assert_eq!(second.get("/v1/things/a").await.json(), json!({ "name": "a 0" }), "it has not heard of it");
        second.server.clock.advance(UNHEARD);
        assert_eq!(second.get("/v1/things/a").await.json(), json!({ "name": "a 1" }));
        // Redis confirms what nobody has made stale, and then it is trusted again.
        first.calls();
        second.server.clock.advance(Duration::from_secs(20));
        second.get("/v1/things/a").await;
        assert_eq!(first.calls().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_purge_while_nats_is_away_counts_once_it_is_back_or_memory_is_too_old() {
    let test = async |place: &Place| {
        let folder = tempfile::tempdir().unwrap();
        let target = host_of(Backend::Nats).unwrap();
        let wire = Wire::to(target.clone()).await;
        let address = wire.address;
        let nats_url = Some(format!("nats://{address}").into());
        let store = bff::store::Config { nats_url, ..with_patience(place) };
        let (first, second) = World::pair(&store, folder.path()).await;
        let ask = async |id: &str| second.get(&format!("/v1/things/{id}")).await.json();
        for id in ["a", "b"] {
            assert_eq!(ask(id).await, json!({ "name": format!("{id} 0") }));
        }
        wire.cut().await;
        for world in [&first, &second] {
            world.eventually_measured(r#"bff_degraded{part="cache"}"#, |degraded| degraded == 1.0).await;
        }
        first.change();
        let purged = first.purge(&["thing:a"]).await;
        assert_eq!((purged.status, &purged.json()["everywhere"]), (202, &json!(false)));
        second.server.clock.advance(UNHEARD);
        assert_eq!(ask("a").await, json!({ "name": "a 1" }));
        assert_eq!(ask("b").await, json!({ "name": "b 0" }), "Redis says that it still counts");

        first.change();
        first.purge(&["thing:b"]).await;
        let _wire = Wire::at(address, target).await;
        second.until("/v1/things/b", json!({ "name": "b 2" })).await;
        for world in [&first, &second] {
            world.eventually_measured(r#"bff_degraded{part="cache"}"#, |degraded| degraded == 0.0).await;
        }
        first.change();
        eventually(async || (first.purge(&["thing:b"]).await.status == 200).then_some(())).await;
        second.until("/v1/things/b", json!({ "name": "b 3" })).await;
    };
    Place::with(&ALL, &test).await;
}
