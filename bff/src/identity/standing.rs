//! The sessions on which something open depends: a stream, a WebSocket. Signing in once is not enough for what lasts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::role::Role;

/// Every open one, by session.
#[derive(Default)]
pub struct Standings(Mutex<HashMap<Uuid, Watched>>);

struct Watched {
    /// What the session's account was when the first of them was opened.
    role: Role,
    holders: usize,
    ended: CancellationToken,
}

/// On what something open depends, until it is dropped.
pub enum Standing {
    Session(Held),
    /// On a token of another issuer, which nobody can take back.
    Token(Instant),
}

pub struct Held {
    session: Uuid,
    ended: CancellationToken,
    all: Arc<Standings>,
}

impl Standings {
    pub fn hold(self: &Arc<Self>, session: Uuid, role: Role) -> Standing {
        let mut open = self.open();
        let watched =
            open.entry(session).or_insert_with(|| Watched { role, holders: 0, ended: CancellationToken::new() });
        if watched.ended.is_cancelled() {
            // What depended on it is on its way out, and does not take what is opened now along.
            (watched.role, watched.ended) = (role, CancellationToken::new());
        }
        watched.holders += 1;
        let ended = watched.ended.clone();
        Standing::Session(Held { session, ended, all: Arc::clone(self) })
    }

    /// Ends what depends on the session.
    pub fn end(&self, session: Uuid) {
        if let Some(watched) = self.open().get(&session) {
            watched.ended.cancel();
        }
    }

    /// The next sessions behind `after` in some order, and what their accounts were.
    pub fn some(&self, after: Option<Uuid>, most: usize) -> Vec<(Uuid, Role)> {
        let open = self.open();
        let mut all: Vec<(Uuid, Role)> = open.iter().map(|(session, watched)| (*session, watched.role)).collect();
        all.sort_unstable_by_key(|(session, _)| (Some(*session) <= after, *session));
        all.truncate(most);
        all
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Uuid, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// Resolves when the session has ended, or its account is not what it was, or the token has expired.
    pub async fn ended(&self) {
        match self {
            Self::Session(held) => held.ended.cancelled().await,
            Self::Token(expires_at) => sleep_until(*expires_at).await,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Entry::Occupied(mut watched) = self.all.open().entry(self.session) {
            watched.get_mut().holders -= 1;
            if watched.get().holders == 0 {
                watched.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_depends_on_a_session_ends_with_it() {
        let standings = Arc::new(Standings::default());
        let [first, second] = [1, 2].map(Uuid::from_u128);
        let open = [first, first, second].map(|session| standings.hold(session, Role::User));
        standings.end(first);
        open[0].ended().await;
        open[1].ended().await;
        assert!(matches!(&open[2], Standing::Session(held) if !held.ended.is_cancelled()));
        drop(open);
        assert!(standings.some(None, 10).is_empty());
    }

    #[test]
    fn every_session_has_its_turn() {
        let standings = Arc::new(Standings::default());
        let open: Vec<_> = (1..=5).map(|id| standings.hold(Uuid::from_u128(id), Role::User)).collect();
        let turn = |after| standings.some(after, 2).iter().map(|(id, _)| id.as_u128()).collect::<Vec<_>>();
        assert_eq!(turn(None), [1, 2]);
        assert_eq!(turn(Some(Uuid::from_u128(2))), [3, 4]);
        assert_eq!(turn(Some(Uuid::from_u128(4))), [5, 1]);
        drop(open);
    }
}
