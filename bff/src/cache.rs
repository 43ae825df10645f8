//! What one request fetches and others can use: replies that are kept for a while, in memory and in Redis, and those
//! that are on their way.
//!
//! An entry is found by everything that its reply depends on, compared in full. It carries tags; `invalidate` makes all
//! that was fetched before it stale, on every replica. Neither Redis nor the bus is needed: without them this replica
//! keeps what it fetched itself, and trusts it for a shorter time.

mod config;
mod entry;
mod fetch;
mod flight;
mod generations;
mod key;
mod local;
mod meters;
mod news;
mod shared;

pub use config::Config;
pub use entry::{Entry, Fetched};
pub use fetch::{Asked, Fetch, How, Served};
pub use flight::{Flight, Flights};
pub use generations::TagId;
pub use key::{Key, KeyText};
pub use meters::CallMeters;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::meter::Meter;
use crate::seal::SealingKeys;
use crate::store::{self, OpenError};
use fetch::Ongoing;
use generations::Generations;
use local::Local;
use news::News;
use shared::Shared;

/// How long a reply is good for.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    pub ttl: Duration,
    /// So long after `ttl` it still answers, while it is fetched again.
    pub swr: Duration,
    /// It is worth keeping so long, for when fetching fails.
    pub keep: Duration,
    /// Tells apart those who read other things of a reply.
    pub reader: u64,
}

/// How good an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    Fresh,
    /// Good while it is fetched again.
    Stale,
    /// Good only where fetching fails.
    Old,
}

/// An entry, and what its reader makes of it.
pub struct Usable<R> {
    pub entry: Arc<Entry<R>>,
    pub grade: Grade,
    pub reading: R,
}

/// `F` fetches what is not kept.
pub struct Cache<F: Fetch> {
    local: Local<F::Reading>,
    shared: OnceLock<Shared>,
    generations: Generations,
    ongoing: Ongoing<F>,
    news: News,
    /// Others may have invalidated something without this replica hearing of it.
    deaf: AtomicBool,
    /// There are no other replicas.
    alone: bool,
    clock: Clock,
    tasks: TaskTracker,
    max_entry_bytes: usize,
}

/// An entry that was not confirmed for so long is no longer trusted while nothing is heard of other replicas.
const TRUST_UNHEARD: Duration = Duration::from_secs(30);

impl<F: Fetch> Cache<F> {
    /// None where nothing is to be kept. Nothing is connected yet.
    pub fn open(
        config: &Config,
        store: &store::Config,
        clock: Clock,
        tasks: &TaskTracker,
        meter: &Meter,
    ) -> Option<Arc<Self>> {
        if !config.enabled {
            return None;
        }
        Some(Arc::new(Self {
            local: Local::new(config.max_bytes, meter),
            shared: OnceLock::new(),
            generations: Generations::default(),
            ongoing: Ongoing::default(),
            news: News::new(meter),
            // Until the bus is connected; one process by itself has nobody to hear of.
            deaf: AtomicBool::new(!store.is_alone()),
            alone: store.is_alone(),
            clock,
            tasks: tasks.clone(),
            max_entry_bytes: config.max_entry_bytes,
        }))
    }

    /// From now on replies are kept in Redis too, where there is one: sealed, for whoever has the same keys.
    pub fn share(
        &self,
        config: &Config,
        store: &store::Config,
        keys: SealingKeys,
        meter: &Meter,
    ) -> Result<(), OpenError> {
        if let Some(values) = config.store(store)? {
            let patience = Duration::from_millis(store.hot_timeout_ms);
            self.shared.get_or_init(|| Shared::new(values, keys, patience, meter));
        }
        Ok(())
    }

    /// Now, in the unit of an entry's `born`.
    pub fn now(&self) -> i64 {
        entry::millis(self.clock.now())
    }

    /// What is in memory, if it may be used.
    pub fn peek(
        &self,
        key: &[u8],
        policy: &Policy,
        now: i64,
        read: impl FnOnce(Option<&Bytes>) -> Option<F::Reading>,
    ) -> Option<Usable<F::Reading>> {
        let entry = self.local.get(key).filter(|entry| self.generations.are_current(entry))?;
        let grade = self.grade(&entry, policy, now);
        let reading = match entry.reading(policy.reader) {
            Some(reading) => reading.clone(),
            None => {
                let reading = read(entry.body.as_ref())?;
                if grade != Grade::Old && entry.keep_reading(policy.reader, reading.clone(), F::bytes(&reading)) {
                    self.local.weigh_again(key, &entry);
                }
                reading
            }
        };
        Some(Usable { entry, grade, reading })
    }

    fn grade(&self, entry: &Entry<F::Reading>, policy: &Policy, now: i64) -> Grade {
        let age = entry.age(now);
        let trusted = !self.deaf.load(Ordering::Relaxed) || entry.unconfirmed(now) < TRUST_UNHEARD;
        match age {
            _ if !trusted => Grade::Old,
            age if age < policy.ttl => Grade::Fresh,
            age if age < policy.ttl + policy.swr => Grade::Stale,
            _ => Grade::Old,
        }
    }

    /// Nothing that was fetched before now and has one of these tags is used again, on any replica. True where every
    /// other replica has been told; the rest are told as soon as they can be.
    pub async fn invalidate(&self, tags: &[String]) -> bool {
        let ids: Vec<TagId> = tags.iter().map(|tag| TagId::of(tag)).collect();
        if ids.is_empty() {
            return true;
        }
        // Here first, so that whoever asked sees it; then where others would find it, then the others.
        self.refuse(&ids, true);
        let shared = match self.shared.get() {
            Some(shared) => shared.catch_up().await,
            None => true,
        };
        if !shared {
            tracing::warn!("the shared cache is told later what no longer counts");
        }
        let announced = self.alone || self.news.announce(&ids, shared).await;
        shared && announced
    }

    /// Nothing with these tags counts here. Owed to Redis before that shows, so that no fetch that begins after it
    /// finds there what it refuses.
    fn refuse(&self, tags: &[TagId], owed: bool) {
        if let (true, Some(shared)) = (owed, self.shared.get()) {
            shared.owe(tags);
        }
        self.generations.raise(tags);
    }
}
