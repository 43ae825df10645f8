//! What the worker is asked to do, as the queue holds it: sealed, so that neither the address nor the code can be read.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::identity::account::Identifier;
use crate::identity::code::{Code, Purpose};
use crate::seal::SealingKey;
use crate::store::Topic;

/// Finding out who is behind an identifier, and what to send there.
pub struct Errand {
    pub id: Uuid,
    pub purpose: Purpose,
    pub identifier: Identifier,
    /// Who was signed in.
    pub account: Option<Uuid>,
    pub code: Code,
    pub locale: Option<String>,
    /// Nobody wants the code later.
    pub expires_at: OffsetDateTime,
}

pub const TOPIC: Topic = Topic { name: "codes", lease: Duration::from_secs(30), max_deliveries: 1_000 };

/// The form under the seal.
#[derive(Serialize, Deserialize)]
struct Note<'a> {
    purpose: Purpose,
    identifier: Cow<'a, str>,
    account: Option<Uuid>,
    code: Cow<'a, str>,
    locale: Option<Cow<'a, str>>,
    #[serde(with = "timestamp")]
    expires_at: OffsetDateTime,
}

impl Errand {
    pub fn seal(&self, key: &SealingKey) -> Vec<u8> {
        let note = Note {
            purpose: self.purpose,
            identifier: self.identifier.as_str().into(),
            account: self.account,
            code: self.code.as_str().into(),
            locale: self.locale.as_deref().map(Cow::Borrowed),
            expires_at: self.expires_at,
        };
        let plain = serde_json::to_vec(&note).map(Zeroizing::new).expect("text and numbers can always be written");
        key.seal(&bound_to(&self.id.to_string()), &plain)
    }

    /// None if it is not an errand, or not the one of this id.
    pub fn open(key: &SealingKey, id: &str, payload: &[u8]) -> Option<Self> {
        let plain = key.open(&bound_to(id), payload)?;
        let note: Note<'_> = serde_json::from_slice(&plain).ok()?;
        Some(Self {
            id: Uuid::try_parse(id).ok()?,
            purpose: note.purpose,
            identifier: Identifier::parse(&note.identifier).ok()?,
            account: note.account,
            code: Code::parse(&note.code)?,
            locale: note.locale.map(Cow::into_owned),
            expires_at: note.expires_at,
        })
    }
}

fn bound_to(id: &str) -> String {
    format!("errand {id}")
}
