//! What is said, to whom and over what, and its form in the queue: sealed, bound to its id.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::seal::SealingKey;

/// One message to one person.
#[derive(Clone)]
pub struct Message {
    /// Its name in the queue and towards the provider: sent twice, it can be told that it is the same.
    pub id: Uuid,
    pub channel: Channel,
    /// A normalised e-mail address, or a number in E.164.
    pub to: String,
    pub template: Template,
    /// As the account or its browser says; English where there is no text in it.
    pub locale: Option<String>,
    /// Nobody wants it later.
    pub expires_at: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    Email,
    Sms,
}

#[derive(Clone)]
pub enum Template {
    /// A one-time code and what it is good for.
    Code {
        purpose: CodePurpose,
        code: SecretString,
    },
    /// Somebody tried to register what belongs to the receiver.
    AlreadyRegistered,
    PasswordChanged,
    /// To the old address or number as well.
    IdentifierChanged,
    AccountDeleted,
    /// Signed out everywhere, by the server.
    SessionsRevoked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodePurpose {
    Register,
    ResetPassword,
    VerifyEmail,
    VerifyPhone,
    StepUp,
}

/// How long a message without a code is worth sending.
const NOTICE_LIFE: Duration = Duration::DAY;

impl Message {
    /// A message that carries no code.
    pub fn notice(
        channel: Channel,
        to: String,
        template: Template,
        locale: Option<String>,
        now: OffsetDateTime,
    ) -> Self {
        Self { id: Uuid::now_v7(), channel, to, template, locale, expires_at: now + NOTICE_LIFE }
    }

    pub(super) fn seal(&self, key: &SealingKey, now: OffsetDateTime) -> Vec<u8> {
        let (purpose, code) = match &self.template {
            Template::Code { purpose, code } => (Some(*purpose), Some(Cow::Borrowed(code.expose_secret()))),
            _ => (None, None),
        };
        let letter = Letter {
            channel: self.channel,
            to: Cow::Borrowed(&self.to),
            template: Cow::Borrowed(self.template.name()),
            purpose,
            code,
            locale: self.locale.as_deref().map(Cow::Borrowed),
            expires_at: self.expires_at.unix_timestamp(),
            queued_at: now.unix_timestamp(),
        };
        let plain = serde_json::to_vec(&letter).map(Zeroizing::new).expect("text and numbers can always be written");
        key.seal(&bound_to(self.id), &plain)
    }

    /// The message and when it was queued; none if it is not one, or not the one of this id.
    pub(super) fn open(key: &SealingKey, id: Uuid, sealed: &[u8]) -> Option<(Self, OffsetDateTime)> {
        let plain = key.open(&bound_to(id), sealed)?;
        let letter: Letter<'_> = serde_json::from_slice(&plain).ok()?;
        let code = letter.code.map(|code| SecretString::from(code.into_owned()));
        let template = Template::named(&letter.template, letter.purpose.zip(code))?;
        let message = Self {
            id,
            channel: letter.channel,
            to: letter.to.into_owned(),
            template,
            locale: letter.locale.map(Cow::into_owned),
            expires_at: OffsetDateTime::from_unix_timestamp(letter.expires_at).ok()?,
        };
        Some((message, OffsetDateTime::from_unix_timestamp(letter.queued_at).ok()?))
    }
}

impl Channel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

impl Template {
    /// As metrics and files call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Code { purpose, .. } => purpose.as_str(),
            Self::AlreadyRegistered => "already-registered",
            Self::PasswordChanged => "password-changed",
            Self::IdentifierChanged => "identifier-changed",
            Self::AccountDeleted => "account-deleted",
            Self::SessionsRevoked => "sessions-revoked",
        }
    }

    fn named(name: &str, code: Option<(CodePurpose, SecretString)>) -> Option<Self> {
        match (name, code) {
            (name, Some((purpose, code))) if name == purpose.as_str() => Some(Self::Code { purpose, code }),
            ("already-registered", None) => Some(Self::AlreadyRegistered),
            ("password-changed", None) => Some(Self::PasswordChanged),
            ("identifier-changed", None) => Some(Self::IdentifierChanged),
            ("account-deleted", None) => Some(Self::AccountDeleted),
            ("sessions-revoked", None) => Some(Self::SessionsRevoked),
            _ => None,
        }
    }
}

impl CodePurpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::ResetPassword => "reset-password",
            Self::VerifyEmail => "verify-email",
            Self::VerifyPhone => "verify-phone",
            Self::StepUp => "step-up",
        }
    }
}

/// The form under the seal.
#[derive(Serialize, Deserialize)]
struct Letter<'a> {
    channel: Channel,
    to: Cow<'a, str>,
    template: Cow<'a, str>,
    purpose: Option<CodePurpose>,
    code: Option<Cow<'a, str>>,
    locale: Option<Cow<'a, str>>,
    /// Seconds since 1970.
    expires_at: i64,
    queued_at: i64,
}

fn bound_to(id: Uuid) -> String {
    format!("message {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: OffsetDateTime = time::macros::datetime!(2026-01-01 12:00 UTC);

    fn message(template: Template) -> Message {
        Message {
            id: Uuid::from_u128(7),
            channel: Channel::Email,
            to: "ada@shop.test".to_owned(),
            template,
            locale: Some("kk".to_owned()),
            expires_at: NOON + Duration::MINUTE,
        }
    }

    #[test]
    fn a_message_survives_the_queue_and_shows_nothing_there() {
        let key = SealingKey::new(&[7; 32]);
        let code = Template::Code { purpose: CodePurpose::Register, code: "012345".into() };
        let sealed = message(code).seal(&key, NOON);
        let text = String::from_utf8_lossy(&sealed);
        assert!(!text.contains("012345") && !text.contains("ada@"), "{text}");

        let (opened, queued_at) = Message::open(&key, Uuid::from_u128(7), &sealed).unwrap();
        let Template::Code { purpose: CodePurpose::Register, code } = &opened.template else { panic!("not a code") };
        assert_eq!((code.expose_secret(), opened.to.as_str(), queued_at), ("012345", "ada@shop.test", NOON));
        assert_eq!((opened.locale.as_deref(), opened.expires_at), (Some("kk"), NOON + Duration::MINUTE));

        assert!(Message::open(&key, Uuid::from_u128(8), &sealed).is_none(), "it is bound to its id");
        assert!(Message::open(&SealingKey::new(&[8; 32]), Uuid::from_u128(7), &sealed).is_none());
    }

    #[test]
    fn every_kind_of_message_keeps_its_name() {
        let key = SealingKey::new(&[7; 32]);
        for template in [
            Template::AlreadyRegistered,
            Template::PasswordChanged,
            Template::IdentifierChanged,
            Template::AccountDeleted,
            Template::SessionsRevoked,
        ] {
            let name = template.name();
            let sealed = message(template).seal(&key, NOON);
            assert_eq!(Message::open(&key, Uuid::from_u128(7), &sealed).unwrap().0.template.name(), name);
        }
    }
}
