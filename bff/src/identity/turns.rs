//! One at a time for each key, without a list of keys.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// Two keys may share a turn, which costs them some time and nothing else.
pub struct Turns {
    hasher: RandomState,
    turns: Box<[Mutex<()>]>,
}

const TURNS: usize = 256;

impl Default for Turns {
    fn default() -> Self {
        Self { hasher: RandomState::new(), turns: (0..TURNS).map(|_| Mutex::default()).collect() }
    }
}

impl Turns {
    /// Resolves when nobody else has the turn of this key.
    pub async fn wait(&self, key: &str) -> MutexGuard<'_, ()> {
        let place = self.hasher.hash_one(key) % self.turns.len() as u64;
        self.turns[usize::try_from(place).unwrap_or_default()].lock().await
    }
}
