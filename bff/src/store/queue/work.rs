//! A worker's loop: claims job after job and does several at a time.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Job, Queue, Topic};

/// How long a worker waits before it asks a queue again that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

impl Queue {
    /// Hands every job to `work`, at most so many at a time, until told to stop; what was begun is finished. `work`
    /// acknowledges the job or gives it back.
    pub async fn work<F>(&self, topic: &Topic, at_once: usize, stop: &CancellationToken, work: impl Fn(Job) -> F)
    where
        F: Future<Output = ()>,
    {
        // A claim is never given up half way: its job would wait for the end of its lease.
        let jobs = stream::unfold((), |()| async { self.next(topic, stop).await.map(|job| (job, ())) });
        jobs.for_each_concurrent(at_once, work).await;
    }

    async fn next(&self, topic: &Topic, stop: &CancellationToken) -> Option<Job> {
        let mut answered = true;
        while !stop.is_cancelled() {
            match self.claim(topic).await {
                Ok(Some(job)) => return Some(job),
                Ok(None) => answered = true,
                Err(error) => {
                    if std::mem::replace(&mut answered, false) {
                        tracing::warn!(topic = topic.name, %error, cause = %error.cause(), "no work can be claimed");
                    }
                    stop.run_until_cancelled(sleep(PAUSE)).await;
                }
            }
        }
        None
    }
}
