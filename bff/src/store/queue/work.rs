//! A worker's loop: claims job after job and does several at a time.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Claim, Job, Queue, Topic, claim_within_bounds};

/// How long a worker waits before it asks a queue again that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

impl Queue {
    /// Hands every job to `work`, at most so many at a time, until told to stop; what was begun is finished. `work`
    /// acknowledges the job or gives it back.
    pub async fn work<F>(&self, topic: &Topic, at_once: usize, stop: &CancellationToken, work: impl Fn(Job) -> F)
    where
        F: Future<Output = ()>,
    {
        let claim = || match self {
            Self::Embedded(table) => table.claim(topic).boxed(),
            Self::Nats(stream) => stream.claim(topic).boxed(),
        };
        work_on(topic, at_once, stop, claim, work).await;
    }
}

pub async fn work_on<'a, F>(
    topic: &Topic,
    at_once: usize,
    stop: &CancellationToken,
    claim: impl Fn() -> Claim<'a>,
    work: impl Fn(Job) -> F,
) where
    F: Future<Output = ()>,
{
    // A claim is never given up half way: its job would wait for the end of its lease.
    let jobs = stream::unfold((), |()| async { next(topic, stop, &claim).await.map(|job| (job, ())) });
    jobs.for_each_concurrent(at_once, work).await;
}

async fn next<'a>(topic: &Topic, stop: &CancellationToken, claim: &impl Fn() -> Claim<'a>) -> Option<Job> {
    let mut answered = true;
    while !stop.is_cancelled() {
        match claim_within_bounds(topic, claim).await {
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
