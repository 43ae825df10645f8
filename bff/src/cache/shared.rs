//! The second level: Redis, shared by replicas.
//!
//! Every tag has a token there, made when it is first needed and removed when the tag is invalidated. An entry carries
//! the tokens that were there before its fetch began, and counts only while the very same are: so a replica that was
//! away, and a fetch that began too early, can do no harm. No token outlives the run of the Redis that took it, so that
//! none comes back with a snapshot from before it was removed, or with a failover that lost the removal.
//!
//! An entry is sealed under a key of its own, and its name tells nothing of what it is for.

mod wire;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::generations::TagId;
use super::key::{Key, hex};
use super::{Asked, Entry};
use crate::meter::{Counter, Meter};
use crate::seal::{SealingKey, SealingKeys};
use crate::store::{Error, KeyValue, MAX_VALUE_BYTES};
pub use wire::Kept;

pub struct Shared {
    values: KeyValue,
    keys: SealingKeys,
    /// It is never waited for longer.
    patience: Duration,
    owed: Mutex<Owed>,
    /// Redis is there, and does not do what it is asked.
    refused: AtomicBool,
    meters: Meters,
}

/// Tags that Redis was not told of, because it was away.
#[derive(Default)]
struct Owed {
    /// With the number of the last time that each was owed.
    tags: HashMap<TagId, u64>,
    number: u64,
}

struct Meters {
    hit: Counter,
    miss: Counter,
    rejected: Counter,
    failed: Counter,
}

/// What there is of one thing that is asked for.
#[derive(Default)]
pub struct Look {
    pub kept: Option<Kept>,
    /// Under which what is fetched from now on can be kept; none while Redis is away.
    pub tokens: Option<Vec<Token>>,
}

type Token = [u8; 16];

/// Longer than any entry lives that is worth keeping.
const TOKEN_LIFE: Duration = Duration::from_secs(30 * 86_400);
const MAX_OWED: usize = 10_000;
/// Every entry has this tag.
const EVERYTHING: TagId = TagId([0xff; 16]);

impl Shared {
    pub fn new(values: KeyValue, keys: SealingKeys, patience: Duration, meter: &Meter) -> Self {
        let counter = |result| meter.counter("bff_cache_shared_total", &[("result", result)]);
        let meters = Meters {
            hit: counter("hit"),
            miss: counter("miss"),
            rejected: counter("rejected"),
            failed: counter("failed"),
        };
        Self { values, keys, patience, owed: Mutex::default(), refused: AtomicBool::new(false), meters }
    }

    /// Whatever is wrong there is as if nothing were.
    pub async fn read(&self, asked: &[&Asked], patience: Duration) -> Vec<Look> {
        let values = self.values.with_timeout(patience.min(self.patience));
        let looks = match self.settle(&values).await {
            Ok(()) => self.look(&values, asked).await,
            Err(error) => Err(error),
        };
        looks.unwrap_or_else(|error| {
            tracing::debug!(%error, cause = %error.cause(), "the shared cache cannot be read");
            self.meters.failed.increment(asked.len() as u64);
            asked.iter().map(|_| Look::default()).collect()
        })
    }

    async fn look(&self, values: &KeyValue, asked: &[&Asked]) -> Result<Vec<Look>, Error> {
        let mut tags: Vec<TagId> =
            asked.iter().flat_map(|asked| asked.tags.iter().copied()).chain([EVERYTHING]).collect();
        tags.sort_unstable_by_key(|tag| tag.0);
        tags.dedup();
        let (names, keys): (Vec<String>, Vec<SealingKey>) = asked.iter().map(|asked| self.place(&asked.key)).unzip();
        let (found, tokens) = tokio::try_join!(values.get_all(&names, MAX_VALUE_BYTES), tokens(values, &tags))?;
        let look = |((asked, key), found): ((&&Asked, &SealingKey), Option<Bytes>)| {
            let of_entry = |tag: &TagId| tokens.get(tag).copied();
            let tokens: Option<Vec<Token>> = asked.tags.iter().chain([&EVERYTHING]).map(of_entry).collect();
            let kept = found.zip(tokens.as_deref()).and_then(|(sealed, tokens)| self.kept(key, &sealed, tokens));
            (if kept.is_some() { &self.meters.hit } else { &self.meters.miss }).increment(1);
            Look { kept, tokens }
        };
        Ok(asked.iter().zip(&keys).zip(found).map(look).collect())
    }

    fn kept(&self, key: &SealingKey, sealed: &[u8], tokens: &[Token]) -> Option<Kept> {
        match wire::read(key, sealed) {
            Some(kept) => Some(kept).filter(|kept| kept.tokens == tokens),
            None => {
                self.meters.rejected.increment(1);
                tracing::warn!("an entry of the shared cache is not what was written there");
                None
            }
        }
    }

    /// Keeps the entry for whoever finds the same tokens. What fails is not tried again.
    pub async fn put<R>(&self, key: &Key, entry: &Entry<R>, tokens: &[Token], now: i64) {
        let (name, key) = self.place(key);
        let bytes = wire::write(&key, entry, tokens);
        let left = entry.keep.saturating_sub(entry.age(now));
        if bytes.len() > MAX_VALUE_BYTES || left.is_zero() {
            return;
        }
        if let Err(error) = self.values.put(&name, &bytes, left).await {
            tracing::debug!(%error, cause = %error.cause(), "the shared cache cannot be written");
        }
    }

    /// Where an entry is, and what opens it.
    fn place(&self, key: &Key) -> (String, SealingKey) {
        let (name, key) = self.keys.of(key);
        (format!("cache:{}", hex(&name)), key)
    }

    /// Nothing that is there with one of these tags counts any more, once it is told.
    pub fn owe(&self, tags: &[TagId]) {
        self.owed().owe(tags);
    }

    /// Tells what is owed; until then nothing can be read. False where it could not be told, and will be.
    pub async fn catch_up(&self) -> bool {
        match self.settle(&self.values).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, cause = %error.cause(), "the shared cache is told later what no longer counts");
                false
            }
        }
    }

    /// Whether replicas can agree there on what counts.
    pub async fn answers(&self) -> bool {
        let asked = tokens(&self.values, &[EVERYTHING]).await;
        let refused = asked.as_ref().err().filter(|error| !error.is_outage());
        let was_refused = self.refused.swap(refused.is_some(), Ordering::Relaxed);
        if let (Some(error), false) = (refused, was_refused) {
            tracing::warn!(%error, cause = %error.cause(), "Redis refuses what the cache asks, so that nothing is shared");
        }
        asked.is_ok()
    }

    async fn settle(&self, values: &KeyValue) -> Result<(), Error> {
        let owed = self.owed().tags.clone();
        if owed.is_empty() {
            return Ok(());
        }
        values.delete_all(&owed.keys().map(token_name).collect::<Vec<_>>()).await?;
        self.owed().told(&owed);
        Ok(())
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owed {
    fn owe(&mut self, tags: &[TagId]) {
        self.number += 1;
        self.tags.extend(tags.iter().map(|tag| (*tag, self.number)));
        if self.tags.len() > MAX_OWED {
            // Too many to remember: nothing that is there counts.
            self.tags = HashMap::from([(EVERYTHING, self.number)]);
        }
    }

    /// What was owed once more in the meantime still is.
    fn told(&mut self, told: &HashMap<TagId, u64>) {
        self.tags.retain(|tag, number| told.get(tag) != Some(number));
    }
}

/// The token of every tag; those that have none get one.
async fn tokens(values: &KeyValue, tags: &[TagId]) -> Result<HashMap<TagId, Token>, Error> {
    let fresh: Vec<(String, Vec<u8>)> =
        tags.iter().map(|tag| (token_name(tag), Uuid::new_v4().as_bytes().to_vec())).collect();
    let kept = values.keep_first(&fresh, TOKEN_LIFE).await?;
    // What is no token lets nothing count.
    let token = |(tag, kept): (&TagId, Bytes)| Some((*tag, Token::try_from(&*kept).ok()?));
    Ok(tags.iter().zip(kept).filter_map(token).collect())
}

/// Under `cache-tag:` are tokens of no run, of replicas that have yet to be replaced.
fn token_name(tag: &TagId) -> String {
    format!("cache-tag2:{}", hex(&tag.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By a clock that moves only when nothing else can.
    #[tokio::test(start_paused = true)]
    async fn a_redis_that_does_not_answer_is_waited_for_no_longer_than_any_store() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", silent.local_addr().unwrap()).into();
        let config = crate::store::Config { hot_timeout_ms: 50, ..Default::default() };
        let values = KeyValue::redis(&url, "cache.redis_url", &config).unwrap();
        let patience = Duration::from_millis(config.hot_timeout_ms);
        let shared = Shared::new(values, SealingKeys::new(&[7; 32]), patience, &Meter::none());
        let asked = Asked { key: b"key".as_slice().into(), tags: Box::new([]) };
        for (left, waited) in [(Duration::from_secs(60), patience), (patience / 2, patience / 2)] {
            let start = tokio::time::Instant::now();
            assert!(shared.read(&[&asked], left).await[0].kept.is_none());
            let took = start.elapsed();
            assert!(took >= waited && took < waited + patience / 5, "{took:?}");
        }
    }

    #[test]
    fn what_is_owed_once_more_while_it_is_told_is_told_again() {
        let [a, b] = ["a", "b"].map(TagId::of);
        let mut owed = Owed::default();
        owed.owe(&[a, b]);
        let first = owed.tags.clone();
        owed.owe(&[a]);
        owed.told(&first);
        assert_eq!(owed.tags.keys().collect::<Vec<_>>(), [&a]);
        owed.told(&owed.tags.clone());
        assert!(owed.tags.is_empty());
    }

    #[test]
    fn too_much_to_remember_is_everything() {
        let tags: Vec<TagId> = (0..=MAX_OWED).map(|tag| TagId::of(&tag.to_string())).collect();
        let mut owed = Owed::default();
        owed.owe(&tags[..MAX_OWED]);
        assert_eq!(owed.tags.len(), MAX_OWED);
        owed.owe(&tags);
        assert_eq!(owed.tags.keys().collect::<Vec<_>>(), [&EVERYTHING]);
    }
}
