//! What every call to a store goes through: it ends in time, and a store that is away is left alone for a moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::breaker::Breaker;
use super::error::{Cause, Error};

/// One store's patience and memory of failures; clones share the memory.
#[derive(Debug, Clone)]
pub struct Guard {
    part: &'static str,
    timeout: Duration,
    breaker: Arc<Breaker>,
}

impl Guard {
    pub fn new(part: &'static str, timeout: Duration) -> Self {
        Self { part, timeout, breaker: Arc::default() }
    }

    /// The same store, waited for this long.
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// `action` completes "database: cannot ...". After a timeout it is open whether a change was made.
    pub async fn call<T, E: Into<Cause>>(
        &self,
        action: &'static str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        self.call_after(Duration::ZERO, action, call).await
    }

    /// For a call that waits on purpose, for so long, before it answers.
    pub async fn call_after<T, E: Into<Cause>>(
        &self,
        wait: Duration,
        action: &'static str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        if !self.breaker.admits(Instant::now()) {
            return Err(self.error(action, Cause::Away));
        }
        let outcome = match timeout(wait + self.timeout, call).await {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(_) => Err(Cause::TimedOut(wait + self.timeout)),
        };
        match &outcome {
            Err(cause) if cause.is_outage() => self.breaker.failed(Instant::now()),
            _ => self.breaker.answered(),
        }
        outcome.map_err(|cause| self.error(action, cause))
    }

    pub fn error(&self, action: &'static str, source: Cause) -> Error {
        Error { part: self.part, action, source }
    }

    /// Refuses what is too large to keep.
    pub fn bounded(&self, action: &'static str, what: &'static str, bytes: usize, limit: usize) -> Result<(), Error> {
        if bytes <= limit { Ok(()) } else { Err(self.error(action, Cause::TooLarge { what, bytes, limit })) }
    }
}
