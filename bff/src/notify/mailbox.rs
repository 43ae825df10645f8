//! Where messages end in development, instead of with a provider: in memory, the oldest forgotten first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use super::message::{Channel, Message, Template};

/// What this replica has delivered; cheap to clone.
#[derive(Clone, Default)]
pub struct Mailbox(Arc<Mutex<VecDeque<Mail>>>);

#[derive(Clone)]
pub struct Mail {
    pub to: String,
    pub channel: Channel,
    /// What the code is for, or what the message tells.
    pub purpose: &'static str,
    pub code: Option<SecretString>,
    pub sent_at: OffsetDateTime,
}

const CAPACITY: usize = 1_000;

impl Mailbox {
    pub(super) fn deliver(&self, message: &Message, now: OffsetDateTime) {
        let code = match &message.template {
            Template::Code { code, .. } => Some(SecretString::from(code.expose_secret())),
            _ => None,
        };
        let purpose = message.template.name();
        let mail = Mail { to: message.to.clone(), channel: message.channel, purpose, code, sent_at: now };
        let mut mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if mails.len() >= CAPACITY {
            mails.pop_back();
        }
        mails.push_front(mail);
    }

    /// Newest first; everybody's without an address.
    pub fn mails(&self, to: Option<&str>) -> Vec<Mail> {
        let mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.iter().filter(|mail| to.is_none_or(|to| mail.to == to)).cloned().collect()
    }
}
