//! The first level: this replica's memory, bounded in bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::DefaultHashBuilder;
use moka::Expiry;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::sync::Cache;

use super::entry::Entry;
use super::key::Key;
use crate::meter::{Gauge, Meter};

pub struct Local<R> {
    entries: Cache<Key, Arc<Entry<R>>, DefaultHashBuilder>,
    bytes: Gauge,
    count: Gauge,
}

/// What the table itself takes for one entry.
const OVERHEAD: usize = 128;

struct Life;

impl<R> Expiry<Key, Arc<Entry<R>>> for Life {
    fn expire_after_create(&self, _: &Key, entry: &Arc<Entry<R>>, now: Instant) -> Option<Duration> {
        Some(entry.left(now))
    }

    fn expire_after_update(
        &self,
        _: &Key,
        entry: &Arc<Entry<R>>,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.left(now))
    }
}

impl<R: Send + Sync + 'static> Local<R> {
    pub fn new(max_bytes: u64, meter: &Meter) -> Self {
        let evictions = meter.counter("bff_cache_evictions_total", &[]);
        let weigh =
            |key: &Key, entry: &Arc<Entry<R>>| u32::try_from(key.len() + entry.weight() + OVERHEAD).unwrap_or(u32::MAX);
        let entries = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(weigh)
            .expire_after(Life)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    evictions.increment(1);
                }
            })
            .build_with_hasher(DefaultHashBuilder::default());
        Self { entries, bytes: meter.gauge("bff_cache_bytes", &[]), count: meter.gauge("bff_cache_entries", &[]) }
    }

    pub fn get(&self, key: &[u8]) -> Option<Arc<Entry<R>>> {
        self.entries.get(key)
    }

    pub fn put(&self, key: Key, entry: Arc<Entry<R>>) {
        self.entries.insert(key, entry);
    }

    /// After the entry has begun to take more. A newer one that is put in its place at this very moment may be lost, and is
    /// fetched again.
    pub fn weigh_again(&self, key: &[u8], entry: &Arc<Entry<R>>) {
        self.entries.entry(key.into()).and_compute_with(|current| match current {
            Some(current) if Arc::ptr_eq(current.value(), entry) => Op::Put(Arc::clone(entry)),
            _ => Op::Nop,
        });
    }

    pub fn clear(&self) {
        self.entries.invalidate_all();
    }

    /// Does what is put off, and says how much there is.
    pub fn measure(&self) {
        self.entries.run_pending_tasks();
        self.bytes.set(self.entries.weighted_size() as f64);
        self.count.set(self.entries.entry_count() as f64);
    }
}
