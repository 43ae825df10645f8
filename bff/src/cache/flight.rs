//! Requests that ask for the same at the same time share one answer.
//!
//! A flight belongs to those who wait for it: when the last of them leaves, it is dropped.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// All that is under way; keys are compared in full.
pub struct Flights<K, V: Clone> {
    flying: Mutex<HashMap<K, Flying<V>>>,
    numbers: AtomicU64,
    /// Nobody joins a flight with a lower number.
    oldest: AtomicU64,
}

/// An answer that is on its way.
pub struct Flight<V: Clone> {
    pub answer: Shared<BoxFuture<'static, V>>,
    /// Somebody else began it.
    pub joined: bool,
}

struct Flying<V: Clone> {
    number: u64,
    answer: WeakShared<BoxFuture<'static, V>>,
}

/// Takes a flight off the list once it has ended, or nobody waits for it.
struct Landing<K: Hash + Eq, V: Clone> {
    flights: Arc<Flights<K, V>>,
    key: K,
    number: u64,
}

impl<K, V: Clone> Default for Flights<K, V> {
    fn default() -> Self {
        Self { flying: Mutex::default(), numbers: AtomicU64::new(0), oldest: AtomicU64::new(0) }
    }
}

impl<K, V> Flights<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins what is under way for this key, or begins it.
    pub fn join<F>(self: &Arc<Self>, key: K, begin: impl FnOnce() -> F) -> Flight<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut flying = self.flying();
        let oldest = self.oldest.load(Ordering::Acquire);
        let young = flying.get(&key).filter(|flying| flying.number >= oldest);
        if let Some(answer) = young.and_then(|flying| flying.answer.upgrade()) {
            return Flight { answer, joined: true };
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let landing = Landing { flights: Arc::clone(self), key: key.clone(), number };
        let work = begin();
        let answer = async move {
            let _until_the_end = landing;
            work.await
        };
        let answer = answer.boxed().shared();
        // A new one is not yet polled, so that it can be downgraded.
        if let Some(answer) = answer.downgrade() {
            flying.insert(key, Flying { number, answer });
        }
        Flight { answer, joined: false }
    }
}

impl<K, V: Clone> Flights<K, V> {
    /// Something has changed: what is under way may not know of it, and serves only those who wait for it already.
    pub fn part_with_all(&self) {
        self.oldest.fetch_max(self.numbers.load(Ordering::Relaxed), Ordering::Release);
    }

    fn flying(&self) -> MutexGuard<'_, HashMap<K, Flying<V>>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, V: Clone> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let mut flying = self.flights.flying();
        // Another one may have begun in the meantime.
        let landed = flying.get(&self.key).is_some_and(|flying| flying.number == self.number);
        let removed = if landed { flying.remove(&self.key) } else { None };
        drop(flying);
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::oneshot;

    type Numbers = Arc<Flights<&'static str, usize>>;

    #[tokio::test]
    async fn those_who_ask_at_the_same_time_share_an_answer_and_later_ones_do_not() {
        let (flights, begun) = (Numbers::default(), Arc::new(AtomicUsize::new(0)));
        let ask = |key| {
            let begun = Arc::clone(&begun);
            flights.join(key, move || async move {
                tokio::task::yield_now().await;
                begun.fetch_add(1, Ordering::Relaxed)
            })
        };
        let [first, second, other] = [ask("a"), ask("a"), ask("b")];
        assert_eq!([first.joined, second.joined, other.joined], [false, true, false]);
        let (one, two) = tokio::join!(first.answer, second.answer);
        assert_eq!((one, two, other.answer.await), (0, 0, 1));
        assert!(flights.flying().is_empty());
        assert!(!ask("a").joined);
    }

    #[tokio::test]
    async fn after_a_change_nobody_joins_what_began_before_it() {
        let flights = Numbers::default();
        let before = flights.join("a", || async { 1 });
        flights.part_with_all();
        let after = flights.join("a", || async { 2 });
        let with_it = flights.join("a", || async { 3 });
        assert_eq!([before.joined, after.joined, with_it.joined], [false, false, true]);
        assert_eq!((before.answer.await, after.answer.await, with_it.answer.await), (1, 2, 2));
        assert!(flights.flying().is_empty());
    }

    #[tokio::test]
    async fn a_flight_that_everybody_left_is_dropped() {
        let flights = Numbers::default();
        let (landed, mut gone) = oneshot::channel::<()>();
        let begin = move || async move {
            let _held = landed;
            std::future::pending().await
        };
        let first = flights.join("a", begin);
        let second = flights.join("a", || async { 0 });
        assert!(first.answer.clone().now_or_never().is_none());
        drop(first);
        assert!(second.joined && gone.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        drop(second);
        assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(flights.flying().is_empty() && !flights.join("a", || async { 0 }).joined);
    }
}
