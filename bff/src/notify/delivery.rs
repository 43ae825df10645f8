//! The worker: claims a message, opens it, and hands it on, until it is delivered or nobody wants it any more.

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::mailbox::Mailbox;
use super::message::Message;
use super::{Notify, TOPIC};
use crate::meter::Meter;
use crate::store::Job;

/// One for each replica; each message is claimed by one of them.
pub struct Delivery {
    notify: Notify,
    /// Takes what no provider is configured for.
    mailbox: Option<Mailbox>,
    meter: Meter,
}

/// How many messages one replica delivers at a time.
const AT_ONCE: usize = 8;

impl Delivery {
    pub fn new(notify: Notify, mailbox: Option<Mailbox>, meter: Meter) -> Self {
        Self { notify, mailbox, meter }
    }

    /// Delivers until told to stop; what was begun is finished.
    pub async fn run(&self, stop: &CancellationToken) {
        self.notify.queue.work(&TOPIC, AT_ONCE, stop, |job| self.handle(job)).await;
    }

    async fn handle(&self, job: Job) {
        let now = self.notify.clock.now();
        let id = Uuid::try_parse(&job.id).ok();
        let Some((message, _)) = id.and_then(|id| Message::open(&self.notify.key, id, &job.payload)) else {
            tracing::error!(
                message = job.id,
                "a message cannot be opened and is dropped: sealed under another master key?"
            );
            return done(job).await;
        };
        let result = self.deliver(&message, now);
        let labels = [("channel", message.channel.as_str()), ("template", message.template.name()), ("result", result)];
        self.meter.counter("bff_messages_total", &labels).increment(1);
        done(job).await;
    }

    fn deliver(&self, message: &Message, now: OffsetDateTime) -> &'static str {
        if message.expires_at <= now {
            return "expired";
        }
        match &self.mailbox {
            Some(mailbox) => {
                mailbox.deliver(message, now);
                "sent"
            }
            None => "no-provider",
        }
    }
}

/// A message that cannot be acknowledged comes again.
async fn done(job: Job) {
    if let Err(error) = job.acknowledge().await {
        tracing::warn!(%error, "a message was handled and cannot be acknowledged");
    }
}
