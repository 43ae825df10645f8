//! Redis goes away, stands still and comes back with nothing in it, while people ask.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bff::config::Config;
use futures_util::future::join_all;

use super::kept::Kept;
use super::max_age;
use super::own_redis::OwnRedis;
use super::world::{World, sharing};
use crate::conformance::{Backend, Place, eventually};

const IDS: [&str; 4] = ["a", "b", "c", "d"];
const SHARED_AWAY: &str = r#"bff_degraded{part="cache"}"#;

async fn version_of(world: &World, id: &str) -> usize {
    let answer = world.get(&format!("/v1/things/{id}")).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json()["name"].as_str().unwrap().strip_prefix(id).unwrap().trim().parse().unwrap()
}

/// Two replicas that people ask all the time, and what they must never be shown again.
struct Load<'w> {
    worlds: [&'w World; 2],
    /// Of each replica and thing: the least version that counts.
    least: [[AtomicUsize; 4]; 2],
    version: AtomicUsize,
    answers: AtomicUsize,
    over: AtomicBool,
}

impl<'w> Load<'w> {
    fn new(worlds: [&'w World; 2]) -> Self {
        let (version, answers, over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        Self { worlds, least: Default::default(), version, answers, over }
    }

    async fn ask(&self) {
        let ask = async |replica: usize, thing: usize| {
            let least = &self.least[replica][thing];
            while !self.over.load(Ordering::SeqCst) {
                let before = least.load(Ordering::SeqCst);
                let version = version_of(self.worlds[replica], IDS[thing]).await;
                assert!(version >= before, "{} of replica {replica}: {version}, after {before}", IDS[thing]);
                self.answers.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        join_all((0..8).map(|number| ask(number / 4, number % 4))).await;
    }

    /// Changes everything and purges it, each thing on one of the replicas; returns once both know.
    async fn change(&self) {
        self.worlds[0].change();
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        for (thing, id) in IDS.iter().enumerate() {
            let replica = thing % 2;
            let purged = self.worlds[replica].purge(&[&format!("thing:{id}")]).await;
            assert!(matches!(purged.status, 200 | 202));
            self.least[replica][thing].store(version, Ordering::SeqCst);
            eventually(async || (version_of(self.worlds[1 - replica], id).await >= version).then_some(())).await;
            self.least[1 - replica][thing].store(version, Ordering::SeqCst);
        }
    }

    /// Until people were answered a few times more.
    async fn goes_on(&self) {
        let until = self.answers.load(Ordering::SeqCst) + 50;
        eventually(async || (self.answers.load(Ordering::SeqCst) >= until).then_some(())).await;
    }

    async fn degraded(&self, degraded: f64) {
        for world in self.worlds {
            world.eventually_measured(SHARED_AWAY, |found| found == degraded).await;
        }
    }
}

#[tokio::test]
async fn nobody_notices_that_redis_is_killed_stands_still_or_has_lost_everything() {
    let test = async |place: &Place| {
        let Some(mut redis) = OwnRedis::start().await else { return };
        let folder = tempfile::tempdir().unwrap();
        let redis_url = Some(redis.url.clone().into());
        let store = bff::store::Config { redis_url, timeout_ms: 2_000, ..place.config.clone() };
        let (first, second) = World::pair(&store, folder.path()).await;
        let load = Load::new([&first, &second]);
        let story = async {
            load.change().await;
            load.degraded(0.0).await;
            for kills in [true, false, true] {
                if kills {
                    redis.kill()
                } else {
                    redis.pause()
                }
                load.change().await;
                load.degraded(1.0).await;
                load.goes_on().await;
                if kills {
                    redis.again().await.unwrap()
                } else {
                    redis.go_on()
                }
                load.degraded(0.0).await;
                load.goes_on().await;
                load.change().await;
            }
            load.over.store(true, Ordering::SeqCst);
        };
        tokio::join!(load.ask(), story);
        let page = first.metrics().await + &second.metrics().await;
        let failed = r#"bff_cache_shared_total{result="failed"}"#;
        let failed = page.lines().filter_map(|line| line.strip_prefix(failed)?.trim().parse::<f64>().ok());
        assert!(failed.sum::<f64>() > 0.0, "{page}");
    };
    Place::with(&[Backend::Postgres, Backend::Nats], &test).await;
}

#[tokio::test]
async fn what_was_purged_after_a_snapshot_is_not_served_when_it_is_restored() {
    let test = async |place: &Place| {
        let Some(mut redis) = OwnRedis::start().await else { return };
        let folder = tempfile::tempdir().unwrap();
        let redis_url = Some(redis.url.clone().into());
        let store = bff::store::Config { redis_url, hot_timeout_ms: 10_000, ..place.config.clone() };
        let (first, second) = World::pair(&store, folder.path()).await;
        let kept = Kept::open(&store).await;
        for id in IDS {
            assert_eq!(version_of(&first, id).await, 0);
        }
        kept.until(IDS.len()).await;
        redis.save().await;
        first.change();
        assert_eq!(first.purge(&["thing:a"]).await.json()["everywhere"], true);
        assert_eq!(first.purge(&["things"]).await.json()["everywhere"], true);
        redis.kill();
        redis.again().await.unwrap();
        let kept = Kept::open(&store).await;
        kept.until(IDS.len()).await;
        // One that saw the purge, one that heard of it, and one that has just started.
        let third = first.another(sharing(&store, folder.path())).await;
        for world in [&first, &second, &third] {
            eventually(async || (world.metrics().await.contains(&format!("{SHARED_AWAY} 0"))).then_some(())).await;
            for id in IDS {
                assert_eq!(version_of(world, id).await, 1, "{id}");
            }
        }
        // From now on it is shared as before.
        assert_eq!(first.purge(&["things"]).await.status, 200);
        second.until("/v1/things/b", serde_json::json!({ "name": "b 1" })).await;
        third.eventually_measured(r#"bff_cache_shared_total{result="hit"}"#, |hits| hits > 0.0).await;
    };
    Place::with(&[Backend::Postgres, Backend::Nats], &test).await;
}

#[tokio::test]
async fn a_redis_of_the_caches_own_that_is_away_shows_although_nobody_asks() {
    let Some(mut redis) = OwnRedis::start().await else { return };
    let url = redis.url.clone();
    let world = World::start_with(|config| config.cache.redis_url = Some(url.into())).await;
    world.eventually_measured(SHARED_AWAY, |degraded| degraded == 0.0).await;
    redis.kill();
    world.eventually_measured(SHARED_AWAY, |degraded| degraded == 1.0).await;
    assert_eq!(max_age(&world.get("/v1/things/a").await), Some(60));
    redis.again().await.unwrap();
    world.eventually_measured(SHARED_AWAY, |degraded| degraded == 0.0).await;
}

/// What the documentation says that the cache's user of Redis must be allowed, as Redis writes it.
fn allowed() -> Vec<String> {
    let page = include_str!("../../../../docs/caching.md");
    let commands = page.split_once("Its user must be allowed ").unwrap().1.split_once(';').unwrap().0;
    commands.split('`').skip(1).step_by(2).map(|name| format!("+{}", name.to_lowercase().replace(' ', "|"))).collect()
}

#[tokio::test]
async fn what_the_documentation_tells_to_allow_is_enough() {
    let Some(redis) = OwnRedis::start().await else { return };
    let allowed = allowed();
    let rights = ["ACL", "SETUSER", "cache", "on", ">secret", "~bff:value:*", "-@all"];
    redis.tell(&rights.into_iter().chain(allowed.iter().map(String::as_str)).collect::<Vec<_>>()).await;
    let (url, folder) = (redis.url.replace("//", "//cache:secret@"), tempfile::tempdir().unwrap());
    let sharing = |config: &mut Config| {
        sharing(&config.store.clone(), folder.path())(config);
        config.cache.redis_url = Some(url.clone().into());
    };
    let first = World::start_with(sharing).await;
    first.eventually_measured(SHARED_AWAY, |degraded| degraded == 0.0).await;
    assert_eq!(version_of(&first, "a").await, 0);
    eventually(async || {
        let second = first.another(sharing).await;
        assert_eq!(version_of(&second, "a").await, 0);
        second.metrics().await.contains(r#"bff_cache_shared_total{result="hit"} 1"#).then_some(())
    })
    .await;
    first.change();
    first.purge(&["things"]).await;
    // Redis was told, or it would still be owed.
    first.eventually_measured(SHARED_AWAY, |degraded| degraded == 0.0).await;
    assert_eq!(version_of(&first.another(sharing).await, "a").await, 1);
}

#[tokio::test]
async fn a_redis_that_refuses_what_the_cache_asks_shows_and_costs_no_answer() {
    let Some(redis) = OwnRedis::start().await else { return };
    let url = redis.url.clone();
    let world = World::start_with(|config| config.cache.redis_url = Some(url.into())).await;
    redis.tell(&["ACL", "SETUSER", "default", "-info"]).await;
    world.eventually_measured(SHARED_AWAY, |degraded| degraded == 1.0).await;
    assert_eq!(max_age(&world.get("/v1/things/a").await), Some(60));
    redis.tell(&["ACL", "SETUSER", "default", "+info"]).await;
    world.eventually_measured(SHARED_AWAY, |degraded| degraded == 0.0).await;
}
