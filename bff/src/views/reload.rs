//! The files read again while the server runs: one reload after another, and none that changes anything half.
//!
//! Whoever asks while one is under way shares the next, which sees everything that was saved before it was asked for.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{LoadError, Loader, Views};

/// What became of a reload. With an error, what was served before still is.
pub type Outcome = Result<Swapped, LoadError>;

/// What is served from now on.
#[derive(Debug, Clone)]
pub struct Swapped {
    /// How many views there are.
    pub views: usize,
    /// The names of those that are new, gone or other than they were.
    pub changed: Vec<String>,
}

/// Asks for reloads.
#[derive(Clone)]
pub struct Reloader(mpsc::Sender<Request>);

/// Does what reloaders ask for.
pub struct Reloads {
    loader: Arc<Loader>,
    current: Views,
    requests: mpsc::Receiver<Request>,
}

struct Request {
    /// Who or what asks, for people.
    reason: String,
    answer: oneshot::Sender<Outcome>,
}

/// How many can wait for the next reload; more wait to be heard.
const MAX_WAITING: usize = 64;

/// The asking and the doing end of what keeps `current` up to date.
pub fn reloads(loader: Arc<Loader>, current: Views) -> (Reloader, Reloads) {
    let (sender, requests) = mpsc::channel(MAX_WAITING);
    (Reloader(sender), Reloads { loader, current, requests })
}

impl Reloader {
    /// Reads everything again; None where the server stops first.
    pub async fn reload(&self, reason: impl Into<String>) -> Option<Outcome> {
        let (answer, outcome) = oneshot::channel();
        self.0.send(Request { reason: reason.into(), answer }).await.ok()?;
        outcome.await.ok()
    }
}

impl Reloads {
    pub fn current(&self) -> &Views {
        &self.current
    }

    /// Hands every new set of views to `swap`, and every outcome with its reasons to `tell`.
    pub async fn follow(mut self, swap: impl Fn(&Views), tell: impl Fn(&str, &Outcome)) {
        while let Some(first) = self.requests.recv().await {
            let mut asking = vec![first];
            while let Ok(another) = self.requests.try_recv() {
                asking.push(another);
            }
            let outcome = self.reload(&swap).await;
            let mut reasons: Vec<&str> = asking.iter().map(|request| request.reason.as_str()).collect();
            reasons.dedup();
            tell(&reasons.join(", "), &outcome);
            for request in asking {
                // Whoever asked may not have waited.
                let _ = request.answer.send(outcome.clone());
            }
        }
    }

    async fn reload(&mut self, swap: &impl Fn(&Views)) -> Outcome {
        let loader = Arc::clone(&self.loader);
        // Compiling contracts takes a while.
        let loaded = tokio::task::spawn_blocking(move || loader.load()).await;
        let loaded = loaded.unwrap_or_else(|_| Err(LoadError::of("the check itself failed; the log says where")));
        let result = if loaded.is_ok() { "swapped" } else { "refused" };
        self.loader.meter.counter("bff_reloads_total", &[("result", result)]).increment(1);
        let views = loaded?;
        swap(&views);
        let changed = views.changed_since(&self.current);
        self.current = views;
        Ok(Swapped { views: self.current.iter().count(), changed })
    }
}
