//! Which entries count: those whose fetch began after the last time that one of their tags was invalidated.
//!
//! Generations are numbers of one sequence, so that an entry needs to know only the one in which its fetch began.
//! Bounded: what is forgotten leaves a floor, which refuses more rather than less.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use aws_lc_rs::digest::{SHA256, digest};

use super::entry::Entry;

/// A tag as it is remembered and told: of one size, however long its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TagId(pub(super) [u8; 16]);

/// Tags that were invalidated lately.
const MAX_TAGS: usize = 100_000;

#[derive(Default)]
pub struct Generations {
    current: AtomicU64,
    raised: RwLock<Raised>,
    limit: Limit,
}

struct Limit(usize);

#[derive(Default)]
struct Raised {
    tags: HashMap<TagId, u64>,
    /// In the order in which they were raised.
    order: VecDeque<(u64, TagId)>,
    /// What began before this is refused, whatever its tags.
    floor: u64,
}

impl TagId {
    pub fn of(tag: &str) -> Self {
        let digest = digest(&SHA256, tag.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&digest.as_ref()[..16]);
        Self(id)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(MAX_TAGS)
    }
}

impl Generations {
    /// The one in which a fetch begins that begins now.
    pub fn current(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }

    /// Nothing with one of these tags counts that began before now.
    pub fn raise(&self, tags: &[TagId]) {
        let mut raised = self.raised();
        let generation = self.current.load(Ordering::Acquire) + 1;
        for tag in tags {
            raised.tags.insert(*tag, generation);
            raised.order.push_back((generation, *tag));
        }
        while raised.order.len() > self.limit.0 {
            let Some((oldest, tag)) = raised.order.pop_front() else { break };
            if raised.tags.get(&tag) == Some(&oldest) {
                raised.tags.remove(&tag);
                raised.floor = raised.floor.max(oldest);
            }
        }
        // Last, so that whoever sees it finds everything above.
        self.current.store(generation, Ordering::Release);
    }

    /// Nothing counts that began before now.
    pub fn raise_all(&self) {
        let mut raised = self.raised();
        let generation = self.current.load(Ordering::Acquire) + 1;
        *raised = Raised { floor: generation, ..Raised::default() };
        self.current.store(generation, Ordering::Release);
    }

    /// Whether a fetch that began in this generation has seen the last of these tags.
    pub fn have_seen(&self, began: u64, tags: &[TagId]) -> bool {
        let raised = self.raised.read().unwrap_or_else(PoisonError::into_inner);
        began >= raised.floor && tags.iter().all(|tag| raised.tags.get(tag).is_none_or(|last| began >= *last))
    }

    pub fn are_current<R>(&self, entry: &Entry<R>) -> bool {
        let current = self.current();
        if entry.looked_up.load(Ordering::Relaxed) == current {
            return true;
        }
        let seen = self.have_seen(entry.began, &entry.tags);
        if seen {
            entry.looked_up.store(current, Ordering::Relaxed);
        }
        seen
    }

    fn raised(&self) -> RwLockWriteGuard<'_, Raised> {
        self.raised.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_before_its_tag_was_raised_does_not_count() {
        let generations = Generations::default();
        let [a, b] = ["a", "b"].map(TagId::of);
        let before = generations.current();
        generations.raise(&[a]);
        let after = generations.current();
        assert!(!generations.have_seen(before, &[b, a]) && generations.have_seen(before, &[b]));
        assert!(generations.have_seen(after, &[a, b]));
        generations.raise_all();
        assert!(!generations.have_seen(after, &[]) && generations.have_seen(generations.current(), &[a, b]));
    }

    #[test]
    fn what_is_forgotten_refuses_more_rather_than_less() {
        let generations = Generations { limit: Limit(2), ..Generations::default() };
        let [a, b, c, other] = ["a", "b", "c", "other"].map(TagId::of);
        let first = generations.current();
        generations.raise(&[a]);
        let second = generations.current();
        generations.raise(&[b]);
        generations.raise(&[c]);
        // `a` is forgotten: what began before it was raised is refused, what began after it is not.
        assert!(!generations.have_seen(first, &[a]) && !generations.have_seen(first, &[other]));
        assert!(generations.have_seen(second, &[a]) && generations.have_seen(second, &[other]));
        assert!(!generations.have_seen(second, &[b]) && !generations.have_seen(second, &[c]));
        for _ in 0..10 {
            generations.raise(&[c]);
        }
        let raised = generations.raised();
        assert!(raised.order.len() <= 2 && raised.tags.len() <= 2);
    }
}
