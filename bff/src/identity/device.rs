//! Known devices: what a login leaves with its client, so that wrong passwords of strangers do not keep it out.
//!
//! `kd1.<end>.<id>.<tags>`: one tag for each identifier of the account, so that no record has to be read to know it. It proves
//! nothing but that somebody was signed in there, and opens nothing.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::{Duration, OffsetDateTime};

use super::account::Identifier;
use super::secret::Secret;
use crate::store::Account;

/// Makes tokens and knows them again.
pub struct Devices(hmac::Key);

/// The number of a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceId([u8; ID_BYTES]);

/// Browsers keep no cookie longer.
pub const DEVICE_LIFE: Duration = Duration::days(400);
/// A longer text is no token of ours.
const MAX_BYTES: usize = 160;
const ID_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
const PREFIX: &str = "kd1";

impl Devices {
    pub fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// The device that presents this, if the account of this identifier was signed in there.
    pub fn known(&self, token: &str, identifier: &Identifier, now: OffsetDateTime) -> Option<DeviceId> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let mut parts = token.split('.');
        let (prefix, end, id) = (parts.next()?, parts.next()?, parts.next()?);
        let ends_at = end.parse::<i64>().ok()?;
        if prefix != PREFIX || ends_at.to_string() != end || ends_at <= now.unix_timestamp() {
            return None;
        }
        let id = DeviceId(URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?);
        let expected = self.tag(ends_at, id, identifier);
        let is_ours =
            |tag: &str| URL_SAFE_NO_PAD.decode(tag).is_ok_and(|tag| verify_slices_are_equal(&tag, &expected).is_ok());
        parts.any(is_ours).then_some(id)
    }

    /// A new token for the account's owner. A device that he is known by already keeps its number, and so its budget.
    pub fn issue(&self, presented: Option<&str>, account: &Account, now: OffsetDateTime) -> String {
        let identifiers = identifiers(account);
        let same = presented.and_then(|token| identifiers.iter().find_map(|name| self.known(token, name, now)));
        let id = same.unwrap_or_else(DeviceId::random);
        let ends_at = (now + DEVICE_LIFE).unix_timestamp();
        let tags = identifiers.iter().map(|name| URL_SAFE_NO_PAD.encode(self.tag(ends_at, id, name)));
        let parts = [PREFIX.to_owned(), ends_at.to_string(), URL_SAFE_NO_PAD.encode(id.0)];
        parts.into_iter().chain(tags).collect::<Vec<_>>().join(".")
    }

    fn tag(&self, ends_at: i64, id: DeviceId, identifier: &Identifier) -> [u8; TAG_BYTES] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&ends_at.to_le_bytes());
        context.update(&id.0);
        context.update(identifier.as_str().as_bytes());
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG_BYTES]);
        tag
    }
}

impl DeviceId {
    fn random() -> Self {
        let mut id = [0; ID_BYTES];
        rand::fill(&mut id).expect("the system's random generator works");
        Self(id)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// How the owner of an account may name it.
fn identifiers(account: &Account) -> Vec<Identifier> {
    let email = account.email.clone().map(Identifier::Email);
    email.into_iter().chain(account.phone.clone().map(Identifier::Phone)).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

    fn account() -> Account {
        Account {
            id: Uuid::nil(),
            email: Some("ada@shop.test".to_owned()),
            email_verified_at: None,
            phone: Some("+15550100001".to_owned()),
            phone_verified_at: None,
            password_hash: None,
            name: String::new(),
            locale: None,
            role: "user".to_owned(),
            auth_version: 0,
            credentials_changed_at: NOW,
            created_at: NOW,
            disabled_at: None,
            deleted_at: None,
        }
    }

    fn named(text: &str) -> Identifier {
        Identifier::parse(text).unwrap()
    }

    #[test]
    fn a_device_is_known_to_its_own_account_alone_for_its_time() {
        let devices = Devices::new(&Secret::from_bytes(&[7; 32]).unwrap());
        let token = devices.issue(None, &account(), NOW);
        assert!(token.len() <= MAX_BYTES, "{}", token.len());
        let known = |token: &str, name: &str, now| devices.known(token, &named(name), now);
        let id = known(&token, "Ada@shop.test", NOW).unwrap();
        assert!(known(&token, "+1 555 010 0001", NOW) == Some(id), "by either name");
        assert!(known(&token, "bob@shop.test", NOW).is_none());
        assert!(known(&token, "ada@shop.test", NOW + DEVICE_LIFE).is_none());
        let elsewhere = Devices::new(&Secret::from_bytes(&[8; 32]).unwrap());
        assert!(elsewhere.known(&token, &named("ada@shop.test"), NOW).is_none());

        let later = devices.issue(Some(&token), &account(), NOW + Duration::days(300));
        assert!(known(&later, "ada@shop.test", NOW + Duration::days(500)) == Some(id), "it stays the same device");
        let other = devices.issue(Some("kd1.nonsense"), &account(), NOW);
        assert!(known(&other, "ada@shop.test", NOW) != Some(id));
    }

    #[test]
    fn what_was_changed_is_not_known() {
        let devices = Devices::new(&Secret::from_bytes(&[7; 32]).unwrap());
        let token = devices.issue(None, &account(), NOW);
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(changed).unwrap();
            let both = ["ada@shop.test", "+15550100001"].map(|name| devices.known(&changed, &named(name), NOW));
            assert!(both.iter().any(Option::is_none), "{changed}");
        }
        let parts: Vec<&str> = token.split('.').collect();
        let longer_lived = format!("kd1.{}.{}.{}", i64::MAX, parts[2], parts[3]);
        for text in ["", "kd1", "kd1...", longer_lived.as_str(), &"x".repeat(1_000_000)] {
            assert!(devices.known(text, &named("ada@shop.test"), NOW).is_none());
        }
    }
}
