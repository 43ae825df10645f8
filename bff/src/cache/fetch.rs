//! Fetching what is not at hand: once for all who ask for it, and to its end even if they leave.
//!
//! A fetch is known by its keys for as long as it lasts. Whoever asks for one of them joins it, unless something that
//! the reply depends on was invalidated since it began.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared as Common};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, Span};

use super::entry::{Entry, Fetched};
use super::generations::TagId;
use super::key::Key;
use super::shared::{Kept, Look};
use super::{Cache, Grade, Policy};

/// One thing that is asked for.
#[derive(Debug)]
pub struct Asked {
    pub key: Key,
    pub tags: Box<[TagId]>,
}

/// Gets replies from where they are made.
pub trait Fetch: Send + Sync + 'static {
    type Error: Clone + Send + Sync + 'static;
    /// What is made of a reply, or of there being no such thing, before it is used.
    type Reading: Clone + Send + Sync + 'static;

    /// A result for each of these, by their places in what is asked for.
    fn fetch(self: Arc<Self>, places: Vec<usize>) -> BoxFuture<'static, Vec<Result<Fetched, Self::Error>>>;

    /// None where it cannot be read.
    fn read(&self, body: Option<&Bytes>) -> Option<Self::Reading>;

    /// What a reading takes in memory beside its reply.
    fn bytes(reading: &Self::Reading) -> usize;

    /// How old a copy may be that is better than this failure.
    fn instead(&self, error: &Self::Error) -> Option<Duration>;

    /// Whoever fetched it gave up sooner than others have to.
    fn gave_up(&self, error: &Self::Error) -> bool;

    /// There was no reply in time.
    fn late(&self) -> Self::Error;
}

/// A reply, and where it comes from.
#[derive(Debug)]
pub struct Served<R> {
    pub entry: Arc<Entry<R>>,
    pub how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Hit,
    /// Older than it should be.
    Stale,
    /// It was fetched.
    Miss,
    /// Somebody else fetched it.
    Coalesced,
}

pub struct Ongoing<F: Fetch> {
    flying: Mutex<HashMap<Key, Flying<F>>>,
    numbers: AtomicU64,
    refreshes: Arc<Semaphore>,
}

struct Flying<F: Fetch> {
    number: u64,
    began: u64,
    landing: Landing<F>,
}

type Landed<F> = Result<(Arc<Entry<<F as Fetch>::Reading>>, How), <F as Fetch>::Error>;
type Landing<F> = Common<oneshot::Receiver<Landed<F>>>;
type Outcome<F> = Result<Served<<F as Fetch>::Reading>, <F as Fetch>::Error>;

/// A key that this fetch leads.
struct Led<F: Fetch> {
    cache: Arc<Cache<F>>,
    place: usize,
    key: Key,
    number: u64,
    began: u64,
    sender: Option<oneshot::Sender<Landed<F>>>,
}

/// What is waited for, by its place.
struct Awaited<F: Fetch> {
    place: usize,
    landing: Landing<F>,
    joined: bool,
}

/// Everything that one fetch needs.
struct Flight<F> {
    asked: Arc<[Asked]>,
    policy: Policy,
    deadline: Instant,
    fetch: Arc<F>,
}

/// Entries are fetched again in the background by so many at a time; the rest stay stale a little longer.
const MAX_REFRESHES: usize = 256;
/// Of the time that is left, this share may go by until Redis answers.
const SHARED_PATIENCE: u32 = 4;
/// How often one that gave up sooner is followed by another try.
const ROUNDS: usize = 2;

impl<F: Fetch> Default for Ongoing<F> {
    fn default() -> Self {
        Self {
            flying: Mutex::default(),
            numbers: AtomicU64::new(0),
            refreshes: Arc::new(Semaphore::new(MAX_REFRESHES)),
        }
    }
}

impl<F: Fetch> Cache<F> {
    /// A reply for each that is asked for, or why there is none, in their order.
    pub async fn get_or_fetch(
        self: &Arc<Self>,
        asked: Arc<[Asked]>,
        policy: Policy,
        deadline: Instant,
        fetch: Arc<F>,
    ) -> Vec<Outcome<F>> {
        let flight = Flight { asked, policy, deadline, fetch };
        let mut served: Vec<Option<Outcome<F>>> = flight.asked.iter().map(|_| None).collect();
        let mut stale = Vec::new();
        for (place, asked) in flight.asked.iter().enumerate() {
            match self.usable(&flight, asked) {
                Some((entry, Grade::Fresh)) => served[place] = Some(Ok(Served { entry, how: How::Hit })),
                Some((entry, Grade::Stale)) => {
                    stale.push(place);
                    served[place] = Some(Ok(Served { entry, how: How::Stale }));
                }
                Some((_, Grade::Old)) | None => {}
            }
        }
        self.refresh(&flight, stale);
        for _ in 0..ROUNDS {
            let is_open = |served: &Option<Outcome<F>>| match served {
                None => true,
                Some(Err(error)) => flight.fetch.gave_up(error) && Instant::now() < deadline,
                Some(Ok(_)) => false,
            };
            let open: Vec<usize> = (0..served.len()).filter(|place| is_open(&served[*place])).collect();
            if open.is_empty() {
                break;
            }
            for awaited in self.begin(&flight, open, None) {
                let place = awaited.place;
                served[place] = Some(self.landed(awaited, &flight).await);
            }
        }
        let late = || Err(flight.fetch.late());
        let served = served.into_iter().zip(flight.asked.iter());
        served.map(|(served, asked)| self.or_older(served.unwrap_or_else(late), asked, &flight)).collect()
    }

    async fn landed(&self, awaited: Awaited<F>, flight: &Flight<F>) -> Outcome<F> {
        let Awaited { landing, joined, .. } = awaited;
        match timeout_at(flight.deadline, landing).await {
            Ok(Ok(Ok((entry, how)))) => Ok(Served { entry, how: if joined { How::Coalesced } else { how } }),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) | Err(_) => Err(flight.fetch.late()),
        }
    }

    /// An old copy where that is better than the failure.
    fn or_older(&self, served: Outcome<F>, asked: &Asked, flight: &Flight<F>) -> Outcome<F> {
        served.or_else(|error| {
            let old = flight.fetch.instead(&error).and_then(|most| {
                let entry = self.usable(flight, asked)?.0;
                (entry.age(self.now()) <= most).then_some(entry)
            });
            old.map_or(Err(error), |entry| Ok(Served { entry, how: How::Stale }))
        })
    }

    fn usable(&self, flight: &Flight<F>, asked: &Asked) -> Option<(Arc<Entry<F::Reading>>, Grade)> {
        let usable = self.peek(&asked.key, &flight.policy, self.now(), |body| flight.fetch.read(body))?;
        Some((usable.entry, usable.grade))
    }

    /// Fetches again what still answers for now, unless too many others do.
    fn refresh(self: &Arc<Self>, flight: &Flight<F>, places: Vec<usize>) {
        if places.is_empty() {
            return;
        }
        if let Ok(permit) = Arc::clone(&self.ongoing.refreshes).try_acquire_owned() {
            self.begin(flight, places, Some(permit));
        }
    }

    /// Joins what is under way, and begins the rest.
    fn begin(
        self: &Arc<Self>,
        flight: &Flight<F>,
        places: Vec<usize>,
        refresh: Option<OwnedSemaphorePermit>,
    ) -> Vec<Awaited<F>> {
        let (mut awaited, mut led) = (Vec::with_capacity(places.len()), Vec::new());
        let mut flying = self.ongoing.flying();
        for place in places {
            let asked = &flight.asked[place];
            let under_way = flying.get(&asked.key);
            if let Some(other) = under_way.filter(|other| self.generations.have_seen(other.began, &asked.tags)) {
                awaited.push(Awaited { place, landing: other.landing.clone(), joined: true });
                continue;
            }
            let (sender, receiver) = oneshot::channel();
            let landing = receiver.shared();
            awaited.push(Awaited { place, landing: landing.clone(), joined: false });
            // It may have landed between the look at what is kept and this one.
            if let Some((entry, Grade::Fresh)) = self.usable(flight, asked) {
                drop(sender.send(Ok((entry, How::Coalesced))));
                continue;
            }
            let (number, began) = (self.ongoing.number(), self.generations.current());
            flying.insert(Arc::clone(&asked.key), Flying { number, began, landing });
            let (cache, key) = (Arc::clone(self), Arc::clone(&asked.key));
            led.push(Led { cache, place, key, number, began, sender: Some(sender) });
        }
        drop(flying);
        if !led.is_empty() {
            let Flight { asked, policy, deadline, fetch } = flight;
            let (asked, fetch) = (Arc::clone(asked), Arc::clone(fetch));
            let flight = Flight { asked, policy: *policy, deadline: *deadline, fetch };
            let work = Arc::clone(self).lead(flight, led, refresh);
            self.tasks.spawn(work.instrument(Span::current()));
        }
        awaited
    }

    /// Looks where other replicas keep it, fetches what is not there, and keeps that.
    async fn lead(self: Arc<Self>, flight: Flight<F>, led: Vec<Led<F>>, _refresh: Option<OwnedSemaphorePermit>) {
        let looks = self.look(&flight, &led).await;
        let mut wanted = Vec::with_capacity(led.len());
        for (mut led, look) in led.into_iter().zip(looks) {
            let Look { kept, tokens } = look;
            let grade = kept.and_then(|kept| self.found(&flight, &mut led, kept));
            if grade != Some(Grade::Fresh) {
                wanted.push((led, tokens));
            }
        }
        if wanted.is_empty() {
            return;
        }
        let places = wanted.iter().map(|(led, _)| led.place).collect();
        let results = Arc::clone(&flight.fetch).fetch(places).await;
        let mut kept = Vec::with_capacity(wanted.len());
        for ((mut led, tokens), result) in wanted.into_iter().zip(results) {
            let landed = result.map(|fetched| {
                let (entry, is_kept) = self.fetched(&flight, &led, fetched);
                let tokens = tokens.filter(|_| is_kept);
                kept.extend(tokens.map(|tokens| (Arc::clone(&led.key), Arc::clone(&entry), tokens)));
                (entry, How::Miss)
            });
            led.land(landed);
        }
        if let Some(shared) = self.shared.get() {
            for (key, entry, tokens) in kept {
                shared.put(&key, &entry, &tokens, self.now()).await;
            }
        }
    }

    async fn look(&self, flight: &Flight<F>, led: &[Led<F>]) -> Vec<Look> {
        let nothing = || led.iter().map(|_| Look::default()).collect();
        let Some(shared) = self.shared.get() else { return nothing() };
        let left = flight.deadline.saturating_duration_since(Instant::now());
        let asked: Vec<&Asked> = led.iter().map(|led| &flight.asked[led.place]).collect();
        shared.read(&asked, left / SHARED_PATIENCE).await
    }

    /// What was found where other replicas keep it, into this replica's memory; what still answers is handed out.
    fn found(&self, flight: &Flight<F>, led: &mut Led<F>, kept: Kept) -> Option<Grade> {
        let fetched = Fetched { body: kept.body, headers: kept.headers };
        let tags = flight.asked[led.place].tags.clone();
        let entry = Entry::new(fetched, kept.born, led.began, tags, flight.policy.keep);
        entry.confirm(self.now());
        let reading = flight.fetch.read(entry.body.as_ref())?;
        let bytes = F::bytes(&reading);
        entry.keep_reading(flight.policy.reader, reading, bytes);
        let grade = self.grade(&entry, &flight.policy, self.now());
        let entry = Arc::new(entry);
        self.local.put(Arc::clone(&led.key), Arc::clone(&entry));
        match grade {
            Grade::Fresh => led.land(Ok((entry, How::Hit))),
            Grade::Stale => led.land(Ok((entry, How::Stale))),
            Grade::Old => {}
        }
        Some(grade)
    }

    /// The entry, and whether it is kept.
    fn fetched(&self, flight: &Flight<F>, led: &Led<F>, fetched: Fetched) -> (Arc<Entry<F::Reading>>, bool) {
        let tags = flight.asked[led.place].tags.clone();
        let is_current = self.generations.have_seen(led.began, &tags);
        // In memory of its own, so that it holds nothing else.
        let body = fetched.body.map(|body| Bytes::copy_from_slice(&body));
        let entry = Entry::new(Fetched { body, ..fetched }, self.now(), led.began, tags, flight.policy.keep);
        let is_kept = is_current && entry.bytes() <= self.max_entry_bytes;
        let entry = Arc::new(entry);
        if is_kept {
            self.local.put(Arc::clone(&led.key), Arc::clone(&entry));
        }
        (entry, is_kept)
    }
}

impl<F: Fetch> Ongoing<F> {
    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn flying(&self) -> MutexGuard<'_, HashMap<Key, Flying<F>>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Fetch> Led<F> {
    /// Tells whoever waits; the key stays taken until this is dropped.
    fn land(&mut self, landed: Landed<F>) {
        if let Some(sender) = self.sender.take() {
            // Nobody may wait any more.
            drop(sender.send(landed));
        }
    }
}

impl<F: Fetch> Drop for Led<F> {
    fn drop(&mut self) {
        let mut flying = self.cache.ongoing.flying();
        // Another one may have begun in the meantime.
        let landed = flying.get(&self.key).is_some_and(|flying| flying.number == self.number);
        let removed = if landed { flying.remove(&self.key) } else { None };
        drop(flying);
        drop(removed);
    }
}

/// Fetches nothing, for tests of what is kept.
#[cfg(test)]
pub(super) struct Never;

#[cfg(test)]
impl Fetch for Never {
    type Error = ();
    type Reading = ();

    fn fetch(self: Arc<Self>, places: Vec<usize>) -> BoxFuture<'static, Vec<Result<Fetched, ()>>> {
        async move { places.into_iter().map(|_| Err(())).collect() }.boxed()
    }

    fn read(&self, _: Option<&Bytes>) -> Option<()> {
        Some(())
    }

    fn bytes((): &()) -> usize {
        0
    }

    fn instead(&self, (): &()) -> Option<Duration> {
        None
    }

    fn gave_up(&self, (): &()) -> bool {
        false
    }

    fn late(&self) {}
}
