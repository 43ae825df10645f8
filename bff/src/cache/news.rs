//! What replicas tell each other: the tags that were invalidated.
//!
//! Best effort, and made up for: what could not be told is told once the bus is back, and so is what was told shortly
//! before. Whoever may have missed something forgets everything once it hears what it says to itself, since from then on
//! it misses nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use super::generations::TagId;
use super::{Cache, Fetch};
use crate::meter::{Gauge, Meter};
use crate::store::{Bus, Heard, MAX_ANNOUNCEMENT_BYTES, Subscription};

pub struct News {
    bus: OnceLock<Bus>,
    /// By which a replica knows its own announcements.
    origin: Uuid,
    own: Mutex<Own>,
    /// The number of what this replica last said to itself, and of what it heard of that.
    said: AtomicU64,
    heard: AtomicU64,
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
    /// What this replica says to itself.
    ToItself(u64),
    /// Of no concern here.
    Nothing,
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
const TO_ITSELF: u8 = 4;

impl News {
    pub fn new(meter: &Meter) -> Self {
        let degraded = meter.gauge("bff_degraded", &[("part", "cache")]);
        let [said, heard] = [0, 0].map(AtomicU64::new);
        Self { bus: OnceLock::new(), origin: Uuid::new_v4(), own: Mutex::default(), said, heard, degraded }
    }

    /// Nothing that was said before is worth hearing.
    fn begin_anew(&self) {
        self.said.fetch_add(1, Ordering::Relaxed);
    }

    fn hears_itself(&self) -> bool {
        self.said.load(Ordering::Relaxed) == self.heard.load(Ordering::Relaxed)
    }

    /// Best effort: it is said again until it is heard.
    async fn say_to_itself(&self, bus: &Bus) {
        if bus.is_up() && !self.hears_itself() {
            drop(bus.announce(TOPIC, &self.written_to_itself()).await);
        }
    }

    fn written_to_itself(&self) -> Vec<u8> {
        let mut bytes = self.written(TO_ITSELF, &[]);
        bytes.extend_from_slice(&self.said.load(Ordering::Relaxed).to_be_bytes());
        bytes
    }

    /// True where every replica that listens hears it; else it is told later, if there is a way.
    pub async fn announce(&self, tags: &[TagId], shared: bool) -> bool {
        let Some(bus) = self.bus.get() else { return true };
        if !bus.is_shared() {
            return false;
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
        let Some((origin, [kind, rest @ ..])) = bytes.split_at_checked(16) else { return Announcement::Everything };
        let is_own = origin == self.origin.as_bytes();
        if *kind == TO_ITSELF {
            let number = rest.try_into().map(u64::from_be_bytes).ok().filter(|_| is_own);
            return number.map_or(Announcement::Nothing, Announcement::ToItself);
        }
        let (ids, rest) = rest.as_chunks();
        match *kind {
            _ if is_own => Announcement::Nothing,
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

impl<F: Fetch> Cache<F> {
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
                    Some(heard) => {
                        self.hear(&heard);
                        if heard == Heard::Gap {
                            self.news.say_to_itself(bus).await;
                        }
                    }
                    None => subscription = None,
                },
                _ = turns.tick() => {
                    if subscription.is_none() {
                        subscription = bus.subscribe(TOPIC).await.ok();
                        self.news.begin_anew();
                    }
                    self.news.say_to_itself(bus).await;
                    self.keep_up(bus, subscription.is_some()).await;
                }
            }
        }
    }

    async fn keep_up(&self, bus: &Bus, listens: bool) {
        self.local.measure();
        let told = self.news.catch_up().await;
        let shared = match self.shared.get() {
            Some(shared) => shared.catch_up().await && shared.answers().await,
            None => true,
        };
        let hears = bus.is_up() && listens && self.news.hears_itself();
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
                // From here on everything is heard; until here something may have been said to nobody.
                Announcement::ToItself(number) if number == self.news.said.load(Ordering::Relaxed) => {
                    self.forget_everything();
                    self.news.heard.store(number, Ordering::Relaxed);
                }
                Announcement::ToItself(_) | Announcement::Nothing => {}
            },
            Heard::Gap => {
                self.news.begin_anew();
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
    use std::sync::Arc;

    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::cache::fetch::Never;
    use crate::cache::{Config, Entry, Fetched, Key};
    use crate::clock::Clock;
    use crate::store;

    #[test]
    fn an_announcement_is_read_by_others_and_nonsense_means_everything() {
        let [here, there] = [News::new(&Meter::none()), News::new(&Meter::none())];
        let tags = ["a", "b"].map(TagId::of);
        let told = |kind| here.written(kind, &tags);
        let expected = |shared| Announcement::Tags { tags: tags.to_vec(), shared };
        assert_eq!((there.read(&told(TAGS)), there.read(&told(TAGS_NOT_SHARED))), (expected(true), expected(false)));
        assert_eq!(
            (here.read(&told(TAGS)), there.read(&told(EVERYTHING))),
            (Announcement::Nothing, Announcement::Everything)
        );
        here.begin_anew();
        let to_itself = here.written_to_itself();
        assert_eq!((here.read(&to_itself), there.read(&to_itself)), (Announcement::ToItself(1), Announcement::Nothing));
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

    #[test]
    fn what_is_kept_before_a_replica_hears_itself_is_forgotten_when_it_does() {
        let store = store::Config { database_url: "postgres://nowhere/bff".into(), ..store::Config::default() };
        let (clock, tasks) = (Clock::system(), TaskTracker::new());
        let cache = Cache::<Never>::open(&Config::default(), &store, clock, &tasks, &Meter::none()).unwrap();
        let key: Key = b"key".as_slice().into();
        let keep = || {
            let fetched = Fetched { body: None, headers: Vec::new() };
            let began = cache.generations.current();
            let entry = Entry::new(fetched, cache.now(), began, Box::new([]), Duration::from_secs(60));
            cache.local.put(Key::clone(&key), Arc::new(entry));
        };
        let is_kept = || cache.local.get(&key).is_some_and(|entry| cache.generations.are_current(&entry));
        cache.hear(&Heard::Gap);
        let first = Heard::Announcement(cache.news.written_to_itself().into());
        cache.hear(&Heard::Gap);
        let second = Heard::Announcement(cache.news.written_to_itself().into());
        keep();
        cache.hear(&first);
        assert!(is_kept() && !cache.news.hears_itself(), "that was before the gap");
        cache.hear(&second);
        assert!(!is_kept() && cache.news.hears_itself());
        keep();
        cache.hear(&second);
        assert!(!is_kept(), "too much is forgotten rather than too little");
    }
}
