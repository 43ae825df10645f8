//! What is written beside a change of an account, and what its owner is told.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Identity;
use super::session::{Client, network};
use crate::notify::{Channel, Message, Template};
use crate::store::{Accompanying, Account, AuditEntry};

impl Identity {
    /// A line of the audit: somebody changed an account of their own.
    pub(super) fn own_change(
        &self,
        account: &Account,
        action: &str,
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
        Accompanying { audit: vec![entry], events: Vec::new() }
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
