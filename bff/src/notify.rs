//! Messages to people: whoever has something to say seals it and leaves it in the queue, a worker delivers it.
//!
//! No request waits for a provider, or learns how a delivery went. The queue sees an id and a sealed text: neither the
//! receiver nor a code can be read from it.

mod config;
mod delivery;
mod failure;
mod mailbox;
mod message;
mod sms;
mod smtp;
mod texts;

pub use config::{BodyType, Config, Deliver, Reach, SmsConfig, SmtpConfig, Tls};
pub use delivery::Delivery;
pub use mailbox::{Mail, Mailbox};
pub use message::{Channel, CodePurpose, Message, Template};

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::seal::SealingKey;
use crate::store::{self, Queue, Topic};
use sms::Gateway;
use smtp::Smtp;
use texts::Texts;

/// Where messages are left; cheap to clone.
#[derive(Clone)]
pub struct Notify {
    queue: Queue,
    key: Arc<SealingKey>,
    clock: Clock,
    reach: Reach,
}

/// What is said, and over what, as the configuration has it.
pub struct Ways {
    texts: Texts,
    smtp: Option<Smtp>,
    gateway: Option<Gateway>,
}

/// How often a message is tried at the most is a matter of its end; this ends what its worker never survives.
const MAX_DELIVERIES: u32 = 1_000;
/// Longer than a try may take.
const LEASE: Duration = Duration::from_secs(60);
const EMAILS: Topic = Topic { name: "emails", lease: LEASE, max_deliveries: MAX_DELIVERIES };
const TEXTS: Topic = Topic { name: "texts", lease: LEASE, max_deliveries: MAX_DELIVERIES };

impl Notify {
    /// What the queue holds opens under this key alone: the same for every replica.
    pub fn new(queue: Queue, key: SealingKey, clock: Clock, reach: Reach) -> Self {
        Self { queue, key: Arc::new(key), clock, reach }
    }

    /// Over what messages reach anybody.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// Leaves it for the worker; the same id again, within ten minutes, is the same message.
    pub async fn enqueue(&self, message: &Message) -> Result<(), store::Error> {
        let sealed = message.seal(&self.key, self.clock.now());
        self.queue.publish(topic(message.channel), &message.id.to_string(), &sealed).await?;
        Ok(())
    }
}

impl Ways {
    /// Reads the files and connects to nobody; every problem at once.
    pub fn prepare(config: &Config) -> Result<Self, Vec<String>> {
        let texts = Texts::load(config.templates.as_deref(), &config.site);
        let on = config.deliver == Deliver::Auto;
        let smtp = (on && config.smtp.server.is_some()).then(|| Smtp::new(&config.smtp)).transpose();
        let gateway = (on && config.sms.url.is_some()).then(|| Gateway::new(&config.sms)).transpose();
        match (texts, smtp, gateway) {
            (Ok(texts), Ok(smtp), Ok(gateway)) => Ok(Self { texts, smtp, gateway }),
            (texts, smtp, gateway) => {
                let others = smtp.err().into_iter().chain(gateway.err());
                Err(texts.err().unwrap_or_default().into_iter().chain(others).collect())
            }
        }
    }
}

fn topic(channel: Channel) -> &'static Topic {
    match channel {
        Channel::Email => &EMAILS,
        Channel::Sms => &TEXTS,
    }
}
