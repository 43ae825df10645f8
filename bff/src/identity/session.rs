//! The life of a session as pure functions from (record, input, now) to a new record and an outcome.
//!
//! Whoever applies them puts the new record back only if the row has not changed meanwhile.

mod refresh;
mod succession;

pub use refresh::{Refresh, RefreshToken, is_current, refresh};
pub use succession::{Succession, succeed, succession};

use std::net::{IpAddr, Ipv6Addr};

use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::role::Role;
use crate::events::Origin;
use crate::store::{Account, Ends, Session, SessionKind};

/// How long sessions last: `[identity.sessions]`. Idle time is renewed by use, the absolute end never.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    pub web_idle_s: u32,
    pub web_absolute_s: u32,
    pub mobile_idle_s: u32,
    pub mobile_absolute_s: u32,
    /// Operators, auditors and admins, whatever they use.
    pub staff_idle_s: u32,
    pub staff_absolute_s: u32,
    /// How long a client may ask again for the answer to a refresh that it did not receive.
    pub refresh_grace_s: u32,
    /// How many sessions an account has at the most: with one more, the one that was used longest ago ends.
    pub per_account: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            web_idle_s: 14 * DAY_S,
            web_absolute_s: 30 * DAY_S,
            mobile_idle_s: 30 * DAY_S,
            mobile_absolute_s: 90 * DAY_S,
            staff_idle_s: 30 * 60,
            staff_absolute_s: 12 * 60 * 60,
            refresh_grace_s: 30,
            per_account: 1_000,
        }
    }
}

const DAY_S: u32 = 24 * 60 * 60;
/// Each login counts them.
pub const MAX_PER_ACCOUNT: u32 = 10_000;

/// What is known of a client that asks for a session; the session remembers some of it. No `Debug`: the device is a secret.
#[derive(Clone, Default)]
pub struct Client {
    pub user_agent: Option<String>,
    pub address: Option<IpAddr>,
    /// What an earlier login left with it.
    pub device: Option<String>,
}

impl Client {
    /// As others may be told of it.
    pub fn origin(&self) -> Origin {
        Origin { network: self.address.map(network), user_agent: self.user_agent.as_deref().map(shortened) }
    }
}

impl Rules {
    /// When sessions end at the latest whose account has this role from now on.
    pub fn latest(&self, role: Role, now: OffsetDateTime) -> [(SessionKind, Ends); 2] {
        [SessionKind::Cookie, SessionKind::Token].map(|kind| {
            let absolute = now + self.absolute(kind, role);
            (kind, Ends { idle: absolute.min(now + self.idle(kind, role)), absolute })
        })
    }

    fn idle(&self, kind: SessionKind, role: Role) -> Duration {
        Duration::seconds(i64::from(match kind {
            _ if role.is_privileged() => self.staff_idle_s,
            SessionKind::Cookie => self.web_idle_s,
            SessionKind::Token => self.mobile_idle_s,
        }))
    }

    fn absolute(&self, kind: SessionKind, role: Role) -> Duration {
        Duration::seconds(i64::from(match kind {
            _ if role.is_privileged() => self.staff_absolute_s,
            SessionKind::Cookie => self.web_absolute_s,
            SessionKind::Token => self.mobile_absolute_s,
        }))
    }

    /// The idle end of a session used now; never beyond the absolute one.
    fn idle_end(&self, session: &Session, role: Role, now: OffsetDateTime) -> OffsetDateTime {
        (now + self.idle(session.kind, role)).min(session.absolute_expires_at)
    }
}

/// A new session of an account.
pub fn begin(
    rules: &Rules,
    account: &Account,
    role: Role,
    kind: SessionKind,
    secret_hash: [u8; 32],
    client: &Client,
    now: OffsetDateTime,
) -> Session {
    let absolute_expires_at = now + rules.absolute(kind, role);
    Session {
        id: Uuid::now_v7(),
        account_id: account.id,
        kind,
        secret_hash,
        generation: 0,
        previous: None,
        created_at: now,
        last_seen_at: now,
        idle_expires_at: (now + rules.idle(kind, role)).min(absolute_expires_at),
        absolute_expires_at,
        auth_version: account.auth_version,
        renewed_at: None,
        tokens_from: 0,
        user_agent: client.user_agent.as_deref().map(shortened),
        address: client.address.map(network),
        revoked_at: None,
        revision: 0,
    }
}

/// Neither over nor revoked, and begun under what its account still is.
pub fn is_live(session: &Session, account: &Account, now: OffsetDateTime) -> bool {
    session.revoked_at.is_none()
        && now < session.idle_expires_at
        && now < session.absolute_expires_at
        && session.auth_version == account.auth_version
        && account.disabled_at.is_none()
        && account.deleted_at.is_none()
}

/// The record of a session that was just used, if it is worth a write.
pub fn touch(rules: &Rules, session: &Session, role: Role, now: OffsetDateTime) -> Option<Session> {
    (now - session.last_seen_at >= TOUCH_EVERY).then(|| Session {
        last_seen_at: now,
        idle_expires_at: rules.idle_end(session, role, now),
        ..session.clone()
    })
}

/// None if it was revoked before: the first moment stays.
pub fn revoke(session: &Session, now: OffsetDateTime) -> Option<Session> {
    session.revoked_at.is_none().then(|| Session { revoked_at: Some(now), ..session.clone() })
}

const TOUCH_EVERY: Duration = Duration::MINUTE;
const MAX_USER_AGENT_CHARS: usize = 256;

fn shortened(user_agent: &str) -> String {
    user_agent.chars().take(MAX_USER_AGENT_CHARS).collect()
}

/// Enough to recognise a place, too little to find a household.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests;
