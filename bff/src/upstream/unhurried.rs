//! Work that goes on when nobody waits for it any more, up to its deadline.
//!
//! A burst of given up HTTP/2 requests makes a server close the connection that others use, so a short call that has
//! been sent is heard to its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

pub struct Unhurried<T: Send + 'static> {
    work: Option<BoxFuture<'static, T>>,
    until: Instant,
    tasks: TaskTracker,
    most: usize,
    runtime: Handle,
}

impl<T: Send + 'static> Unhurried<T> {
    /// Where `most` tasks go on already, it ends with whoever waits for it.
    pub fn new(
        work: impl Future<Output = T> + Send + 'static,
        until: Instant,
        tasks: &TaskTracker,
        most: usize,
    ) -> Self {
        Self { work: Some(work.boxed()), until, tasks: tasks.clone(), most, runtime: Handle::current() }
    }
}

impl<T: Send + 'static> Future for Unhurried<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let done = std::task::ready!(work.poll_unpin(context));
        self.work = None;
        Poll::Ready(done)
    }
}

impl<T: Send + 'static> Drop for Unhurried<T> {
    fn drop(&mut self) {
        let goes_on = self.tasks.len() < self.most && Instant::now() < self.until;
        if let Some(work) = self.work.take().filter(|_| goes_on) {
            self.tasks.spawn_on(timeout_at(self.until, work), &self.runtime);
        }
    }
}
