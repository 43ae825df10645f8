//! Sessions as they are kept: applies the rules of `session` to the store by compare-and-put.

mod copies;
mod ending;
mod news;
mod owed;
mod refreshing;
mod succession;

pub use copies::Copies;
pub use ending::Ended;

use std::collections::HashMap;
use std::sync::Arc;

use moka::future::Cache;
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::error::Error;
use super::revocation::Revocations;
use super::role::Role;
use super::secret::Secret;
use super::session::{self, Client, Rules};
use super::standing::{Standing, Standings};
use crate::clock::Clock;
use crate::events::{Event, What};
use crate::meter::{Counter, Meter};
use crate::store::{self, Accompanying, Account, Accounts, Bus, Ends, Session, SessionKind};
use copies::Name;
use owed::{Of, Owed};

pub struct Sessions {
    store: Accounts,
    bus: Bus,
    rules: Rules,
    revocations: Revocations,
    /// What stays open in somebody's name.
    standings: Arc<Standings>,
    /// Cookie sessions seen lately, by the hash of their secret; privileged ones are never in it.
    seen: Cache<[u8; 32], Seen>,
    /// Ends that the records do not know of yet, because they are away.
    owed: Owed,
    /// What is known of sessions elsewhere than in the records.
    copies: Copies,
    served_stale: Counter,
    refreshed_stale: Counter,
}

/// A session and its account, and when they were read: using them does not make them younger.
#[derive(Clone)]
struct Seen {
    live: Arc<Live>,
    read_at: OffsetDateTime,
}

/// A session that was live when it was read, with its account.
#[derive(Clone)]
pub struct Live {
    pub session: Session,
    pub account: Account,
    pub role: Role,
}

const MAX_SEEN: u64 = 50_000;
const SEEN_FOR: time::Duration = time::Duration::seconds(30);
/// While the records are away nothing changes in them: as long as a token would count without a look at them.
const SEEN_FOR_WITHOUT_RECORDS: std::time::Duration = copies::KEPT;
const MAX_REVOKED: u32 = 100_000;
/// So many sessions of what is open are read again so often: ten thousand within two seconds.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
const LOOK_AT: usize = 5_000;
/// A compare-and-put loses only against another request of the same session.
const MAX_TRIES: usize = 5;

impl Sessions {
    /// `token_life` is how long a token may outlive the revocation of its session.
    pub async fn open(
        store: Accounts,
        bus: Bus,
        rules: Rules,
        copies: Copies,
        token_life: time::Duration,
        now: OffsetDateTime,
        meter: &Meter,
    ) -> Result<Self, store::Error> {
        let revocations = Revocations::new(token_life, MAX_REVOKED as usize);
        let seen = Cache::builder().max_capacity(MAX_SEEN).time_to_live(SEEN_FOR_WITHOUT_RECORDS).build();
        let stale = |event| meter.counter("bff_auth_events_total", &[("event", event), ("result", "stale")]);
        let (served_stale, refreshed_stale) = (stale("session"), stale("refresh"));
        let (standings, owed) = (Arc::default(), Owed::default());
        let sessions =
            Self { store, bus, rules, revocations, standings, seen, owed, copies, served_stale, refreshed_stale };
        sessions.read_lapses(now - token_life).await?;
        Ok(sessions)
    }

    pub async fn begin(
        &self,
        account: &Account,
        role: Role,
        kind: SessionKind,
        client: &Client,
        now: OffsetDateTime,
    ) -> Result<(Session, Secret), Error> {
        let (session, secret) = self.prepare(account, role, kind, client, now);
        let what = What::LoggedIn { session: session.id, kind };
        let event = Event { account: Some(account.id), actor: None, at: now, origin: client.origin(), what };
        let accompanying = Accompanying { events: vec![event.outbox()], ..Accompanying::default() };
        self.store.begin_session(&session, &accompanying).await?;
        if let Err(error) = self.end_surplus(&session, client, now).await {
            tracing::warn!(%error, "an account may have more sessions than it should, until its next login");
        }
        self.copies.keep(&Live { session: session.clone(), account: account.clone(), role }, now).await;
        Ok((session, secret))
    }

    /// A session that is yet to be written down, and what its client presents.
    pub fn prepare(
        &self,
        account: &Account,
        role: Role,
        kind: SessionKind,
        client: &Client,
        now: OffsetDateTime,
    ) -> (Session, Secret) {
        let secret = Secret::random();
        (session::begin(&self.rules, account, role, kind, secret.hash(), client, now), secret)
    }

    /// The live session of a cookie's secret, renewed by this use; and another secret, if another session has taken the
    /// place of this one.
    pub async fn by_secret(&self, secret: &Secret, now: OffsetDateTime) -> Result<(Arc<Live>, Option<Secret>), Error> {
        let mut successor: Option<Secret> = None;
        for _ in 0..MAX_TRIES {
            let secret = successor.as_ref().unwrap_or(secret);
            let hash = secret.hash();
            let seen = self.look(&hash, now).await?;
            self.admit(&hash, &seen.live, now).await?;
            match self.successor(secret, &seen, now).await? {
                Some(next) => successor = Some(next),
                None => return Ok((self.used(&hash, seen, now).await?, successor)),
            }
        }
        Err(Error::Contended)
    }

    async fn used(&self, hash: &[u8; 32], seen: Seen, now: OffsetDateTime) -> Result<Arc<Live>, Error> {
        let seen = self.touched(hash, seen, now).await?;
        self.admit(hash, &seen.live, now).await?;
        if !seen.live.role.is_privileged() {
            if seen.read_at == now {
                self.copies.keep(&seen.live, now).await;
            }
            self.seen.insert(*hash, seen.clone()).await;
        }
        Ok(seen.live)
    }

    /// From memory while that is fresh, then from the records, and from memory again, or a copy, while those are away.
    async fn look(&self, hash: &[u8; 32], now: OffsetDateTime) -> Result<Seen, Error> {
        let known = self.seen.get(hash).await.filter(|seen| !self.is_outdated(&seen.live));
        if let Some(seen) = known.as_ref().filter(|seen| now - seen.read_at < SEEN_FOR) {
            return Ok(seen.clone());
        }
        match self.read(hash, now).await {
            Err(Error::Store(error)) if error.is_outage() => {
                let seen = match known.filter(|seen| now - seen.read_at < SEEN_FOR_WITHOUT_RECORDS) {
                    Some(seen) => Some(seen),
                    None => self.copied(hash, now).await,
                };
                let seen = seen.ok_or(Error::Store(error))?;
                self.served_stale.increment(1);
                Ok(seen)
            }
            read => read,
        }
    }

    async fn copied(&self, hash: &[u8; 32], now: OffsetDateTime) -> Option<Seen> {
        let (live, read_at) = self.copies.find(&Name::Secret(*hash), now).await?;
        let seen = Seen { live: Arc::new(live), read_at };
        (!self.is_outdated(&seen.live) && !self.owed.holds(Of::Secret(*hash))).then_some(seen)
    }

    async fn read(&self, hash: &[u8; 32], now: OffsetDateTime) -> Result<Seen, Error> {
        let session = self.store.session_by_secret(hash).await?.ok_or(UNKNOWN)?;
        Ok(Seen { live: Arc::new(self.with_account(session).await?), read_at: now })
    }

    /// Whether the account has had another role since this was read.
    fn is_outdated(&self, live: &Live) -> bool {
        self.revocations.outdates(live.session.id, live.session.auth_version)
    }

    async fn admit(&self, hash: &[u8; 32], live: &Live, now: OffsetDateTime) -> Result<(), Error> {
        let over = !session::is_live(&live.session, &live.account, now) || self.is_revoked(live.session.id);
        if over || live.session.kind != SessionKind::Cookie {
            self.seen.invalidate(hash).await;
            return Err(ENDED);
        }
        Ok(())
    }

    /// The live session of an id, straight from the records.
    pub async fn by_id(&self, id: Uuid, now: OffsetDateTime) -> Result<Live, Error> {
        let session = self.store.session(id).await?.ok_or(UNKNOWN)?;
        let live = self.with_account(session).await?;
        let over = !session::is_live(&live.session, &live.account, now) || self.is_revoked(id);
        if over { Err(ENDED) } else { Ok(live) }
    }

    /// When sessions end at the latest whose account has this role from now on.
    pub fn latest(&self, role: Role, now: OffsetDateTime) -> [(SessionKind, Ends); 2] {
        self.rules.latest(role, now)
    }

    pub fn is_revoked(&self, session: Uuid) -> bool {
        self.revocations.contains(session)
    }

    /// Whether a token of this session, of this version of its account and issued then, no longer counts.
    pub fn is_token_revoked(&self, session: Uuid, version: i64, issued_at: OffsetDateTime) -> bool {
        self.revocations.covers(session, version, issued_at)
    }

    pub fn standing(&self, session: Uuid, version: i64, role: Role) -> Standing {
        let standing = self.standings.hold(session, role);
        // Only now, so that no revocation falls in between.
        if self.is_revoked(session) || self.revocations.outdates(session, version) {
            self.standings.end(session);
        }
        standing
    }

    /// Looks again at the sessions of what is open, some of them in each turn: nobody announces that time has passed,
    /// and an announcement may not arrive. Never ends.
    pub async fn look_after(&self, clock: &Clock) {
        let mut turns = interval(LOOK_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            turns.tick().await;
            let open = self.standings.some(last, LOOK_AT);
            let sessions: Vec<Uuid> = open.iter().map(|(session, _)| *session).collect();
            // A store that is away must not end anything.
            let Ok(live) = self.store.live_among(&sessions, clock.now()).await else { continue };
            let live: HashMap<Uuid, String> = live.into_iter().collect();
            for (session, role) in open {
                last = Some(session);
                if live.get(&session).is_none_or(|now| now != role.as_str()) {
                    self.standings.end(session);
                }
            }
        }
    }

    async fn with_account(&self, session: Session) -> Result<Live, Error> {
        let account = self.store.account(session.account_id).await?.ok_or(UNKNOWN)?;
        let session = if session.auth_version == account.auth_version {
            session
        } else {
            // The account may have changed in between, and the session with it.
            self.store.session(session.id).await?.ok_or(UNKNOWN)?
        };
        let role = account.role.parse()?;
        Ok(Live { session, account, role })
    }

    /// Notes the use if it is worth a write. Whoever loses the race reads what the other wrote, which may be
    /// the session's end; a store that is away must not sign anyone out.
    async fn touched(&self, hash: &[u8; 32], seen: Seen, now: OffsetDateTime) -> Result<Seen, Error> {
        let Some(session) = session::touch(&self.rules, &seen.live.session, seen.live.role, now) else {
            return Ok(seen);
        };
        match self.store.update_session(&session).await {
            Ok(true) => {
                let session = Session { revision: session.revision + 1, ..session };
                let live = Live { session, account: seen.live.account.clone(), role: seen.live.role };
                Ok(Seen { live: Arc::new(live), ..seen })
            }
            Ok(false) => self.read(hash, now).await,
            Err(error) => {
                tracing::warn!(%error, "cannot note the use of a session");
                Ok(seen)
            }
        }
    }
}

const UNKNOWN: Error = Error::Refused("there is no such session");
const ENDED: Error = Error::Refused("the session is over");
