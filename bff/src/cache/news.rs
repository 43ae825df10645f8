//! What replicas tell each other: the tags that were invalidated.
//!
//! Best effort, and made up for: what could not be told is told once the bus is back, and so is what was told shortly
//! before; whoever may have missed something forgets everything.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use super::Cache;
use super::generations::TagId;
use crate::meter::{Gauge, Meter};
use crate::store::{Bus, Heard, MAX_ANNOUNCEMENT_BYTES, Subscription};

pub struct News {
    bus: OnceLock<Bus>,
    /// By which a replica knows its own announcements.
    origin: Uuid,
    own: Mutex<Own>,
    degraded: Gauge,
}

#[derive(Default)]
struct Own {
    /// Still to be told.
    untold: Vec<TagId>,
    /// What was told and may have been lost.
    lately: VecDeque<(Instant, TagId)>,
    /// There was too much to remember: everybody must forget everything.
    everything: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Announcement {
    /// `shared` is false where Redis could not be told, so that whoever hears it tells Redis too.
    Tags {
        tags: Vec<TagId>,
        shared: bool,
    },
    Everything,
    /// Of this replica itself.
    Own,
}

const TOPIC: &str = "cache";
const EVERY: Duration = Duration::from_secs(1);
/// Longer than it takes to notice that the bus is away.
const MAY_BE_LOST: Duration = Duration::from_secs(30);
const MAX_REMEMBERED: usize = 10_000;
/// Origin and kind.
const HEAD: usize = 17;
const TAGS_AT_ONCE: usize = (MAX_ANNOUNCEMENT_BYTES - HEAD) / size_of::<TagId>();

const TAGS: u8 = 1;
const TAGS_NOT_SHARED: u8 = 2;
const EVERYTHING: u8 = 3;

impl News {
    pub fn new(meter: &Meter) -> Self {
        let degraded = meter.gauge("bff_degraded", &[("part", "cache")]);
        Self { bus: OnceLock::new(), origin: Uuid::new_v4(), own: Mutex::default(), degraded }
    }

    /// True where every replica that listens hears it; else it is told later.
    pub async fn announce(&self, tags: &[TagId], shared: bool) -> bool {
        let Some(bus) = self.bus.get() else { return true };
        if !bus.is_shared() {
            return true;
        }
        let told = bus.is_up() && self.tell(bus, tags, shared).await;
        self.own().remember(tags, told);
        told
    }

    async fn tell(&self, bus: &Bus, tags: &[TagId], shared: bool) -> bool {
        for tags in tags.chunks(TAGS_AT_ONCE) {
            let kind = if shared { TAGS } else { TAGS_NOT_SHARED };
            if let Err(error) = bus.announce(TOPIC, &self.written(kind, tags)).await {
                tracing::warn!(%error, cause = %error.cause(), "other replicas are told later what no longer counts");
                return false;
            }
        }
        true
    }

    /// Tells what is still to be told. True if nothing is left.
    async fn catch_up(&self) -> bool {
        let (untold, everything) = {
            let own = self.own();
            (own.untold.clone(), own.everything)
        };
        if untold.is_empty() && !everything {
            return true;
        }
        let Some(bus) = self.bus.get().filter(|bus| bus.is_up()) else { return false };
        if everything && bus.announce(TOPIC, &self.written(EVERYTHING, &[])).await.is_err() {
            return false;
        }
        // Redis may not have been told either.
        if !self.tell(bus, &untold, false).await {
            return false;
        }
        let mut own = self.own();
        own.everything &= !everything;
        let told = untold.len().min(own.untold.len());
        own.untold.drain(..told);
        true
    }

    fn written(&self, kind: u8, tags: &[TagId]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + size_of_val(tags));
        bytes.extend_from_slice(self.origin.as_bytes());
        bytes.push(kind);
        tags.iter().for_each(|tag| bytes.extend_from_slice(&tag.0));
        bytes
    }

    /// What cannot be read may say anything.
    fn read(&self, bytes: &[u8]) -> Announcement {
        let Some((origin, [kind, tags @ ..])) = bytes.split_at_checked(16) else { return Announcement::Everything };
        if origin == self.origin.as_bytes() {
            return Announcement::Own;
        }
        let (ids, rest) = tags.as_chunks();
        match *kind {
            TAGS | TAGS_NOT_SHARED if rest.is_empty() => {
                Announcement::Tags { tags: ids.iter().map(|id| TagId(*id)).collect(), shared: *kind == TAGS }
            }
            _ => Announcement::Everything,
        }
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Own {
    fn remember(&mut self, tags: &[TagId], told: bool) {
        let now = Instant::now();
        if told {
            self.lately.extend(tags.iter().map(|tag| (now, *tag)));
            let surplus = self.lately.len().saturating_sub(MAX_REMEMBERED);
            // What was told so long ago was heard.
            let heard = self.lately.iter().take_while(|(at, _)| now.duration_since(*at) > MAY_BE_LOST).count();
            self.lately.drain(..surplus.max(heard));
        } else {
            self.untold.extend_from_slice(tags);
        }
        if self.untold.len() > MAX_REMEMBERED {
            self.untold.clear();
            self.everything = true;
        }
    }

    /// The bus was away: what was told shortly before may not have been heard.
    fn tell_again(&mut self) {
        let now = Instant::now();
        let lately = std::mem::take(&mut self.lately);
        let lost = lately.into_iter().filter(|(at, _)| now.duration_since(*at) <= MAY_BE_LOST);
        self.untold.extend(lost.map(|(_, tag)| tag));
    }
}

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// Keeps up with what other replicas invalidate, and this one with what it owes them; never ends.
    pub async fn follow(&self, bus: &Bus) {
        let bus = self.news.bus.get_or_init(|| bus.clone());
        let mut turns = interval(EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut subscription: Option<Subscription> = None;
        loop {
            tokio::select! {
                biased;
                heard = next(&mut subscription) => match heard {
                    Some(heard) => self.hear(&heard),
                    None => subscription = None,
                },
                _ = turns.tick() => {
                    if subscription.is_none() {
                        subscription = bus.subscribe(TOPIC).await.ok();
                    }
                    self.keep_up(bus, subscription.is_some()).await;
                }
            }
        }
    }

    async fn keep_up(&self, bus: &Bus, listens: bool) {
        self.local.measure();
        let told = self.news.catch_up().await;
        let shared = match &self.shared {
            Some(shared) => shared.catch_up().await,
            None => true,
        };
        let hears = bus.is_up() && listens;
        if !self.alone {
            self.deaf.store(!hears, Ordering::Relaxed);
        }
        let whole = told && shared && (hears || !bus.is_shared());
        self.news.degraded.set(if whole { 0.0 } else { 1.0 });
    }

    fn hear(&self, heard: &Heard) {
        match heard {
            Heard::Announcement(bytes) => match self.news.read(bytes) {
                Announcement::Tags { tags, shared } => self.refuse(&tags, !shared),
                Announcement::Everything => self.forget_everything(),
                Announcement::Own => {}
            },
            Heard::Gap => {
                self.forget_everything();
                self.news.own().tell_again();
            }
        }
    }

    fn forget_everything(&self) {
        self.generations.raise_all();
        self.local.clear();
    }
}

/// Without a subscription there is nothing to hear.
async fn next(subscription: &mut Option<Subscription>) -> Option<Heard> {
    match subscription {
        Some(subscription) => subscription.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_read_by_others_and_nonsense_means_everything() {
        let [here, there] = [News::new(&Meter::none()), News::new(&Meter::none())];
        let tags = ["a", "b"].map(TagId::of);
        let told = |kind| here.written(kind, &tags);
        let expected = |shared| Announcement::Tags { tags: tags.to_vec(), shared };
        assert_eq!((there.read(&told(TAGS)), there.read(&told(TAGS_NOT_SHARED))), (expected(true), expected(false)));
        assert_eq!(
            (here.read(&told(TAGS)), there.read(&told(EVERYTHING))),
            (Announcement::Own, Announcement::Everything)
        );
        for nonsense in [&[][..], &[0; 16], &[0; 18], &told(TAGS)[..20], &told(9)] {
            assert_eq!(there.read(nonsense), Announcement::Everything);
        }
        assert!(HEAD + TAGS_AT_ONCE * size_of::<TagId>() <= MAX_ANNOUNCEMENT_BYTES);
    }

    #[test]
    fn what_may_be_lost_is_told_again_and_too_much_is_everything() {
        let mut own = Own::default();
        own.remember(&["a"].map(TagId::of), true);
        own.remember(&["b"].map(TagId::of), false);
        own.tell_again();
        assert_eq!(own.untold, ["b", "a"].map(TagId::of));
        own.remember(&vec![TagId::of("c"); MAX_REMEMBERED], false);
        assert!(own.everything && own.untold.is_empty());
        own.remember(&vec![TagId::of("c"); MAX_REMEMBERED * 2], true);
        assert_eq!(own.lately.len(), MAX_REMEMBERED);
    }
}
