//! Announcements to every replica, this one included: best effort, nothing is kept for who does not listen.

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{broadcast, watch};

use super::error::{self, Error};
use super::guard::Guard;
use super::nats::Nats;

#[derive(Debug, Clone)]
pub enum Bus {
    /// Within this process.
    Embedded(Local),
    Nats(Nats),
}

#[derive(Debug, Clone)]
pub struct Local {
    sender: broadcast::Sender<(&'static str, Bytes)>,
    guard: Guard,
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Announcement(Bytes),
    /// Some may have been missed: what was built from them must be built anew.
    Gap,
}

/// One listener's announcements of one topic, in order.
#[derive(Debug)]
pub struct Subscription(Source);

#[derive(Debug)]
enum Source {
    Embedded { topic: &'static str, receiver: broadcast::Receiver<(&'static str, Bytes)> },
    Nats { subscriber: async_nats::Subscriber, gaps: watch::Receiver<u64> },
}

pub const MAX_ANNOUNCEMENT_BYTES: usize = 64 * 1024;
const LOCAL_CAPACITY: usize = 1024;

impl Bus {
    /// A topic is a word of a-z, 0-9, - and _.
    pub async fn announce(&self, topic: &'static str, announcement: &[u8]) -> Result<(), Error> {
        let guard = self.guard();
        guard.bounded(ANNOUNCE, "the announcement", announcement.len(), MAX_ANNOUNCEMENT_BYTES)?;
        let announcement = Bytes::copy_from_slice(announcement);
        match self {
            Self::Embedded(local) => {
                // The error says only that nobody listens.
                let _ = local.sender.send((topic, announcement));
                Ok(())
            }
            Self::Nats(nats) => {
                let publish = nats.client.publish(subject(nats, topic), announcement);
                guard.call(ANNOUNCE, async { publish.await.map_err(error::nats) }).await
            }
        }
    }

    /// Begins now, or, while the bus is away, once it is back; a gap tells the difference.
    pub async fn subscribe(&self, topic: &'static str) -> Result<Subscription, Error> {
        let source = match self {
            Self::Embedded(local) => Source::Embedded { topic, receiver: local.sender.subscribe() },
            Self::Nats(nats) => {
                let gaps = nats.gaps.clone();
                let subscribe = async { nats.client.subscribe(subject(nats, topic)).await.map_err(error::nats) };
                Source::Nats { subscriber: nats.guard.call("subscribe", subscribe).await?, gaps }
            }
        };
        Ok(Subscription(source))
    }

    /// Whether other replicas could hear it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Nats(_))
    }

    /// Whether other replicas hear it now, as far as it shows.
    pub fn is_up(&self) -> bool {
        match self {
            Self::Embedded(_) => false,
            Self::Nats(nats) => nats.is_connected(),
        }
    }

    fn guard(&self) -> &Guard {
        match self {
            Self::Embedded(local) => &local.guard,
            Self::Nats(nats) => &nats.guard,
        }
    }
}

impl Default for Local {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(LOCAL_CAPACITY),
            guard: Guard::new("bus", std::time::Duration::from_secs(1)),
        }
    }
}

impl Subscription {
    /// Waits for the next; nothing once the bus is closed.
    pub async fn next(&mut self) -> Option<Heard> {
        match &mut self.0 {
            Source::Embedded { topic, receiver } => loop {
                match receiver.recv().await {
                    Ok((of, announcement)) if of == *topic => return Some(Heard::Announcement(announcement)),
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => return Some(Heard::Gap),
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            },
            Source::Nats { subscriber, gaps } => {
                tokio::select! {
                    biased;
                    Ok(()) = gaps.changed() => Some(Heard::Gap),
                    message = subscriber.next() => message.map(|message| Heard::Announcement(message.payload)),
                }
            }
        }
    }
}

const ANNOUNCE: &str = "announce";

fn subject(nats: &Nats, topic: &str) -> String {
    format!("{}.bus.{topic}", nats.namespace)
}
