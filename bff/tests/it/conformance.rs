//! What every store promises, asked of each backend there is: SQLite always, PostgreSQL, Redis and NATS where
//! BFF_TEST_POSTGRES_URL, BFF_TEST_REDIS_URL and BFF_TEST_NATS_URL name one.

mod accounts;
mod bus;
mod changes;
mod events;
mod key_value;
mod queue;
mod sessions;
mod signing_keys;
mod trail;

pub mod place;
pub mod wire;

pub use place::{Backend, Place};

use std::time::Duration;

/// For contention: this many of the same at once.
async fn at_once<T: Send + 'static, F>(count: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let mut running = tokio::task::JoinSet::new();
    for number in 0..count {
        running.spawn(work(number));
    }
    running.join_all().await
}

/// Asks again and again, until it has waited for far longer than anything here can take.
pub async fn eventually<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), asking).await.unwrap()
}
