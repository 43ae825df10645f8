//! Messages to people: whoever has something to say seals it and leaves it in the queue, a worker delivers it.
//!
//! No request waits for a provider, or learns how a delivery went. The queue sees an id and a sealed text: neither the
//! receiver nor a code can be read from it.

mod delivery;
mod mailbox;
mod message;

pub use delivery::Delivery;
pub use mailbox::{Mail, Mailbox};
pub use message::{Channel, CodePurpose, Message, Template};

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::seal::SealingKey;
use crate::store::{self, Queue, Topic};

/// Where messages are left; cheap to clone.
#[derive(Clone)]
pub struct Notify {
    queue: Queue,
    key: Arc<SealingKey>,
    clock: Clock,
}

/// How often a message is tried at the most is a matter of its end; this ends what its worker never survives.
const TOPIC: Topic = Topic { name: "messages", lease: Duration::from_secs(60), max_deliveries: 1_000 };

impl Notify {
    /// What the queue holds opens under this key alone: the same for every replica.
    pub fn new(queue: Queue, key: SealingKey, clock: Clock) -> Self {
        Self { queue, key: Arc::new(key), clock }
    }

    /// Leaves it for the worker; the same id again, within ten minutes, is the same message.
    pub async fn enqueue(&self, message: &Message) -> Result<(), store::Error> {
        let sealed = message.seal(&self.key, self.clock.now());
        self.queue.publish(&TOPIC, &message.id.to_string(), &sealed).await?;
        Ok(())
    }
}
