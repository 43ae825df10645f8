//! What is written beside a change of an account, and what its owner is told.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Identity;
use super::session::{Client, network};
use crate::events::{Event, What};
use crate::notify::{Channel, Message, Template};
use crate::store::{Accompanying, Account, AuditEntry};

impl Identity {
    /// Tells of what somebody did to an account of their own: a line of the audit, and events.
    pub(super) fn own_change(
        &self,
        account: &Account,
        action: &str,
        events: Vec<What>,
        client: &Client,
        now: OffsetDateTime,
    ) -> Accompanying {
        let entry = AuditEntry {
            id: Uuid::now_v7(),
            at: now,
            actor: Some(account.id),
            action: action.to_owned(),
            target: Some(account.id.to_string()),
            network: client.address.map(network),
            result: "ok".to_owned(),
            reason: None,
        };
        let event = |what| Event { account: Some(account.id), actor: None, at: now, origin: client.origin(), what };
        let events = events.into_iter().map(|what| event(what).outbox()).collect();
        Accompanying { audit: vec![entry], events }
    }

    /// To an address or number that is known, best effort: the change itself is done.
    pub(super) async fn tell(&self, account: &Account, template: Template) {
        let to = account.email.clone().map(|email| (Channel::Email, email));
        let to = to.or_else(|| account.phone.clone().map(|phone| (Channel::Sms, phone)));
        let Some((channel, to)) = to else { return };
        let message = Message::notice(channel, to, template, account.locale.clone(), self.clock.now());
        if let Err(error) = self.notify.enqueue(&message).await {
            tracing::warn!(%error, account = %account.id, "the owner of an account cannot be told of a change");
        }
    }
}
