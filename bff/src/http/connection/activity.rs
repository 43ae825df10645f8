//! What happens on the connections of a listener, counted, and looked at from one place: no connection needs a timer of
//! its own to be closed when nothing happens on it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, sleep};

/// The requests that a connection has begun and ended, and whether it must end itself.
#[derive(Default)]
pub struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
    end: AtomicU8,
    /// The connection's.
    task: AtomicWaker,
}

/// A request and its answer, until it is dropped.
pub struct Open(Arc<Activity>);

impl Open {
    pub fn activity(&self) -> &Arc<Activity> {
        &self.0
    }
}

/// How a connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It never had a request.
    Now,
    /// Open requests are finished.
    Gracefully,
}

/// All connections of a listener.
pub struct Watch {
    connections: Mutex<Vec<Watched>>,
    head: Duration,
    idle: Duration,
}

struct Watched {
    activity: Weak<Activity>,
    counts: (u64, u64),
    /// When the counts were first seen.
    since: Instant,
}

const NOW: u8 = 1;
const GRACEFULLY: u8 = 2;
/// A limit is kept to an eighth of itself, or to a second.
const LOOKS: u32 = 8;
const MAX_PAUSE: Duration = Duration::from_secs(1);
const MIN_PAUSE: Duration = Duration::from_millis(1);

impl Activity {
    pub fn begin(self: &Arc<Self>) -> Open {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    /// The client has done something that counts as much as a request.
    pub fn note(self: &Arc<Self>) {
        drop(self.begin());
    }

    /// Ready once the connection must end.
    pub fn poll_end(&self, context: &Context<'_>) -> Poll<End> {
        self.task.register(context.waker());
        match self.end.load(Ordering::Acquire) {
            NOW => Poll::Ready(End::Now),
            GRACEFULLY => Poll::Ready(End::Gracefully),
            _ => Poll::Pending,
        }
    }

    fn end(&self, end: End) {
        self.end.store(if end == End::Now { NOW } else { GRACEFULLY }, Ordering::Release);
        self.task.wake();
    }

    fn counts(&self) -> (u64, u64) {
        (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Watch {
    /// `head` is for the first request to arrive, `idle` for another one.
    pub fn new(head: Duration, idle: Duration) -> Self {
        Self { connections: Mutex::default(), head, idle }
    }

    /// The activity of a new connection.
    pub fn begin(&self) -> Arc<Activity> {
        let activity = Arc::new(Activity::default());
        let watched = Watched { activity: Arc::downgrade(&activity), counts: (0, 0), since: Instant::now() };
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
        activity
    }

    /// Ends what is silent for too long; once `over` resolves, everything. Never ends itself.
    pub async fn run(&self, over: impl Future<Output = ()>) {
        let pause = (self.head.min(self.idle) / LOOKS).clamp(MIN_PAUSE, MAX_PAUSE);
        let looking = async {
            loop {
                sleep(pause).await;
                self.look(|watched, activity| watched.end(activity, self.head, self.idle));
            }
        };
        tokio::select! {
            () = looking => {}
            () = over => {}
        }
        loop {
            self.look(|_, _| Some(End::Gracefully));
            sleep(pause).await;
        }
    }

    fn look(&self, verdict: impl Fn(&mut Watched, &Activity) -> Option<End>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain_mut(|watched| {
            let Some(activity) = watched.activity.upgrade() else { return false };
            if let Some(end) = verdict(watched, &activity) {
                activity.end(end);
            }
            true
        });
    }
}

impl Watched {
    fn end(&mut self, activity: &Activity, head: Duration, idle: Duration) -> Option<End> {
        let counts = activity.counts();
        if counts != self.counts {
            (self.counts, self.since) = (counts, Instant::now());
        }
        match counts {
            (0, _) => (self.since.elapsed() >= head).then_some(End::Now),
            (begun, ended) if begun == ended && self.since.elapsed() >= idle => Some(End::Gracefully),
            _ => None,
        }
    }
}
