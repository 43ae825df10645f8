//! How large a view's answers are, learnt while it runs.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

const LEAST: usize = 256;
const MOST: usize = 1 << 20;

/// The size that an answer hardly exceeds, so that its buffer seldom has to grow.
#[derive(Default)]
pub struct Answers(AtomicUsize);

impl Answers {
    pub fn expected(&self) -> usize {
        self.0.load(Ordering::Relaxed).clamp(LEAST, MOST)
    }

    /// A larger answer counts at once, smaller ones little by little.
    pub fn note(&self, len: usize) {
        let last = self.0.load(Ordering::Relaxed);
        let next = if len > last { len } else { last - (last - len) / 16 };
        if next != last {
            self.0.store(next, Ordering::Relaxed);
        }
    }
}

/// What was learnt is no part of what a plan says: two plans that say the same are the same.
impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}
