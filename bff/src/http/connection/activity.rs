//! What happens on a connection, counted, so that one on which nothing happens can be closed.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

/// The requests that a connection has begun and ended.
#[derive(Default)]
pub struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A request and its answer, until it is dropped.
pub struct Open(Arc<Activity>);

impl Activity {
    pub fn begin(self: &Arc<Self>) -> Open {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    /// Resolves if no request has begun in time.
    pub async fn no_request(&self, limit: Duration) {
        sleep(limit).await;
        if self.begun.load(Ordering::Relaxed) > 0 {
            pending().await
        }
    }

    /// Resolves once nothing was open, begun or ended for `limit`; it may take twice as long to see it.
    pub async fn idle(&self, limit: Duration) {
        let mut before = self.counts();
        loop {
            sleep(limit).await;
            let (begun, ended) = self.counts();
            if before == (begun, ended) && begun == ended {
                return;
            }
            before = (begun, ended);
        }
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
