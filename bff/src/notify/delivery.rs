//! The worker: claims a message, opens it and hands it to a provider, until it is delivered or nobody wants it any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::failure::Failure;
use super::mailbox::Mailbox;
use super::message::{Channel, Message};
use super::sms::Gateway;
use super::smtp::Smtp;
use super::texts::Texts;
use super::{Notify, Reach, Ways, topic};
use crate::meter::{Gauge, Meter};
use crate::store::{Error, Job, KeyValue};

/// One for each replica; each message is claimed by one of them.
pub struct Delivery {
    notify: Notify,
    /// Remembers which messages were begun and which were sent.
    tries: KeyValue,
    texts: Texts,
    email: Outlet,
    sms: Outlet,
    meter: Meter,
}

struct Outlet {
    provider: Provider,
    is_away: AtomicBool,
    degraded: Gauge,
}

enum Provider {
    Smtp(Box<Smtp>),
    Gateway(Box<Gateway>),
    Mailbox(Mailbox),
    Nowhere,
}

/// How many messages of a channel one replica delivers at a time.
const AT_ONCE: usize = 8;
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// How long a message that was sent is remembered beyond its end: longer than a claim lasts.
const REMEMBERED: Duration = Duration::from_secs(600);

impl Delivery {
    /// What has no provider goes to the mailbox, where there is one.
    pub fn new(ways: Ways, notify: Notify, tries: KeyValue, mailbox: Option<Mailbox>, meter: Meter) -> Self {
        let without = || mailbox.clone().map_or(Provider::Nowhere, Provider::Mailbox);
        let outlet = |part, provider| {
            let degraded = meter.gauge("bff_degraded", &[("part", part)]);
            Outlet { provider, is_away: AtomicBool::new(false), degraded }
        };
        let email = outlet("smtp", ways.smtp.map(Box::new).map_or_else(without, Provider::Smtp));
        let sms = outlet("sms", ways.gateway.map(Box::new).map_or_else(without, Provider::Gateway));
        for (outlet, channel) in [(&email, "email"), (&sms, "sms")] {
            match outlet.provider {
                Provider::Mailbox(_) => {
                    tracing::info!(channel, "no provider: GET /dev/messages on the admin address shows what is sent");
                }
                Provider::Nowhere => {
                    tracing::warn!(channel, "no provider: codes are refused, and what else is sent is dropped");
                }
                Provider::Smtp(_) | Provider::Gateway(_) => {}
            }
        }
        if notify.reach() == (Reach { email: false, sms: false }) {
            tracing::warn!("no provider at all: nobody can register, or reset a forgotten password");
        }
        Self { notify, tries, texts: ways.texts, email, sms, meter }
    }

    /// Delivers until told to stop; what was begun is finished.
    pub async fn run(&self, stop: &CancellationToken) {
        // Apart, so that a slow gateway of one holds up none of the other.
        let of = |channel| self.notify.queue.work(topic(channel), AT_ONCE, stop, |job| self.handle(job));
        tokio::join!(of(Channel::Email), of(Channel::Sms));
    }

    async fn handle(&self, job: Job) {
        let id = Uuid::try_parse(&job.id).ok();
        let opened = id.and_then(|id| Message::open(&self.notify.key, id, &job.payload));
        let Some((message, queued_at)) = opened else {
            tracing::error!(
                job = job.id,
                "a message cannot be opened and is dropped; was identity.master_key_file changed?"
            );
            return report(job.acknowledge().await);
        };
        let now = self.notify.clock.now();
        let left = Duration::try_from(message.expires_at - now).unwrap_or_default();
        if left.is_zero() {
            return self.finish(job, &message, "expired").await;
        }
        if !self.begin(message.id, left).await {
            return self.finish(job, &message, "repeated").await;
        }
        match self.send(&message, queued_at, now).await {
            Ok(result) => {
                report(self.tries.put(&tries_key(message.id), SENT, left + REMEMBERED).await);
                self.finish(job, &message, result).await;
            }
            Err(Failure::Never(reason)) => {
                tracing::warn!(
                    job = job.id,
                    channel = message.channel.as_str(),
                    reason,
                    "a message was refused and is dropped"
                );
                self.finish(job, &message, "refused").await;
            }
            Err(Failure::Later(_)) => {
                report(self.tries.delete(&tries_key(message.id)).await);
                let pause = pause(job.delivery, message.id, left);
                if pause >= left {
                    return self.finish(job, &message, "expired").await;
                }
                self.count(&message, "retried");
                report(job.give_back(pause).await);
            }
        }
    }

    async fn send(
        &self,
        message: &Message,
        queued_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<&'static str, Failure> {
        let outlet = match message.channel {
            Channel::Email => &self.email,
            Channel::Sms => &self.sms,
        };
        let sent = match &outlet.provider {
            Provider::Smtp(smtp) => {
                let email = self.texts.email(message, queued_at, now);
                smtp.send(message.id, &message.to, email, now).await
            }
            Provider::Gateway(gateway) => {
                let text = self.texts.sms(message, queued_at, now);
                gateway.send(message.id, &message.to, &text).await
            }
            Provider::Mailbox(mailbox) => {
                mailbox.deliver(message, now);
                Ok(())
            }
            Provider::Nowhere => return Ok("no-provider"),
        };
        outlet.note(message.channel, &sent);
        sent.map(|()| "sent")
    }

    /// Whether it may be sent: what was begun and never finished, because its worker died, is sent once more.
    async fn begin(&self, id: Uuid, left: Duration) -> bool {
        for (before, after) in [(None, FIRST), (Some(FIRST), SECOND)] {
            match self.tries.compare_and_put(&tries_key(id), before, after, left + REMEMBERED).await {
                Ok(false) => {}
                Ok(true) => return true,
                // Better twice than never.
                Err(error) => {
                    report(Err(error));
                    return true;
                }
            }
        }
        false
    }

    async fn finish(&self, job: Job, message: &Message, result: &'static str) {
        self.count(message, result);
        report(job.acknowledge().await);
    }

    fn count(&self, message: &Message, result: &'static str) {
        let labels = [("channel", message.channel.as_str()), ("template", message.template.name()), ("result", result)];
        self.meter.counter("bff_messages_total", &labels).increment(1);
    }
}

impl Outlet {
    /// Says once that a provider is away, and once that it is back.
    fn note(&self, channel: Channel, sent: &Result<(), Failure>) {
        let away = matches!(sent, Err(Failure::Later(_)));
        self.degraded.set(if away { 1.0 } else { 0.0 });
        match (self.is_away.swap(away, Ordering::Relaxed), sent) {
            (false, Err(Failure::Later(reason))) => {
                tracing::warn!(channel = channel.as_str(), reason, "messages cannot be delivered and are tried again");
            }
            (true, Ok(()) | Err(Failure::Never(_))) => {
                tracing::info!(channel = channel.as_str(), "messages are delivered again");
            }
            _ => {}
        }
    }
}

const FIRST: &[u8] = b"begun";
const SECOND: &[u8] = b"begun again";
const SENT: &[u8] = b"sent";

fn tries_key(id: Uuid) -> String {
    format!("message:{id}")
}

/// Doubles with each try, but leaves time for another; no two messages wait equally long.
fn pause(delivery: u32, id: Uuid, left: Duration) -> Duration {
    let doubled = Duration::from_secs(1 << delivery.saturating_sub(1).min(16));
    let longest = doubled.min(MAX_PAUSE).min((left / 4).max(Duration::from_secs(1)));
    // The last bits of an id are random.
    let share = id.as_u128().wrapping_mul(u128::from(delivery) * 2 + 1) % 500;
    longest * (500 + u32::try_from(share).unwrap_or_default()) / 1000
}

/// A store that is away is no reason to lose a message: it comes again.
fn report(outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "what became of a message cannot be noted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rarer_and_stop_before_the_end() {
        let seconds = Duration::from_secs;
        for id in [Uuid::from_u128(1), Uuid::from_u128(u128::MAX), Uuid::from_u128(123_456_789)] {
            for (delivery, left, longest) in
                [(1, 600, 1), (2, 600, 2), (5, 600, 16), (30, 600, 150), (30, 86_400, 300), (9, 2, 1)]
            {
                let pause = pause(delivery, id, seconds(left));
                assert!(pause >= seconds(longest) / 2 && pause < seconds(longest), "{delivery} {left}: {pause:?}");
            }
        }
        assert_ne!(pause(5, Uuid::from_u128(1), seconds(600)), pause(5, Uuid::from_u128(2), seconds(600)));
    }

    #[test]
    fn a_code_is_tried_some_thirty_times() {
        let mut left = Duration::from_secs(600);
        let mut tries = 1;
        loop {
            let pause = pause(tries, Uuid::from_u128(7), left);
            if pause >= left {
                break;
            }
            left -= pause;
            tries += 1;
        }
        assert!((20..60).contains(&tries), "{tries}");
    }
}
