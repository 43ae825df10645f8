//! Sessions as they are kept: applies the rules of `session` to the store by compare-and-put.

mod ending;
mod owed;

pub use ending::Ended;

use std::collections::HashMap;
use std::sync::Arc;

use moka::future::Cache;
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::error::Error;
use super::revocation::{Revocation, Revocations};
use super::role::Role;
use super::secret::Secret;
use super::session::{self, Client, Refresh, RefreshToken, Rules};
use super::standing::{Standing, Standings};
use crate::clock::Clock;
use crate::events::{Event, What};
use crate::meter::{Counter, Meter};
use crate::store::{self, Accompanying, Account, Accounts, Bus, Heard, Session, SessionKind, Subscription};
use owed::Owed;

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
    served_stale: Counter,
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
const SEEN_FOR_WITHOUT_RECORDS: time::Duration = time::Duration::minutes(10);
const MAX_REVOKED: u32 = 100_000;
/// The topic of the bus.
const REVOKED: &str = "revoked";
/// So many sessions of what is open are read again so often: ten thousand within two seconds.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
const LOOK_AT: usize = 5_000;
const POLL_EVERY: std::time::Duration = std::time::Duration::from_secs(5);
/// How late a row may appear, and how far the clocks of two replicas may be apart.
const OVERLAP: time::Duration = time::Duration::seconds(60);
/// A compare-and-put loses only against another request of the same session.
const MAX_TRIES: usize = 5;

impl Sessions {
    /// `token_life` is how long a token may outlive the revocation of its session.
    pub async fn open(
        store: Accounts,
        bus: Bus,
        rules: Rules,
        token_life: time::Duration,
        now: OffsetDateTime,
        meter: &Meter,
    ) -> Result<Self, store::Error> {
        let revocations = Revocations::new(token_life, MAX_REVOKED as usize);
        let seen =
            Cache::builder().max_capacity(MAX_SEEN).time_to_live(SEEN_FOR_WITHOUT_RECORDS.unsigned_abs()).build();
        let served_stale = meter.counter("bff_auth_events_total", &[("event", "session"), ("result", "stale")]);
        let (standings, owed) = (Arc::default(), Owed::default());
        let sessions = Self { store, bus, rules, revocations, standings, seen, owed, served_stale };
        sessions.read_revoked(now - token_life).await?;
        Ok(sessions)
    }

    /// Learns what other replicas revoke: from the bus at once, from the rows after a while. Never ends.
    pub async fn follow(&self, clock: &Clock) {
        let mut turns = interval(POLL_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut subscription: Option<Subscription> = None;
        let mut complete_until = clock.now();
        loop {
            tokio::select! {
                heard = next(&mut subscription) => if let Heard::Announcement(bytes) = heard {
                    if let Some(revocation) = Revocation::from_bytes(&bytes) {
                        self.note(revocation.session, revocation.at);
                    }
                    continue;
                },
                _ = turns.tick() => {}
            }
            if subscription.is_none() {
                subscription = self.bus.subscribe(REVOKED).await.ok();
            }
            self.settle().await;
            let now = clock.now();
            match self.read_revoked(complete_until - OVERLAP).await {
                Ok(()) => complete_until = now,
                Err(error) => tracing::warn!(%error, "cannot see what other replicas revoked"),
            }
        }
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

    /// The live session of a cookie's secret, renewed by this use.
    pub async fn by_secret(&self, secret: &Secret, now: OffsetDateTime) -> Result<Arc<Live>, Error> {
        let hash = secret.hash();
        let seen = self.look(&hash, now).await?;
        self.admit(&hash, &seen.live, now).await?;
        let seen = self.touched(&hash, seen, now).await?;
        self.admit(&hash, &seen.live, now).await?;
        if !seen.live.role.is_privileged() {
            self.seen.insert(hash, seen.clone()).await;
        }
        Ok(seen.live)
    }

    /// From memory while that is fresh, then from the records, and from memory again while those are away.
    async fn look(&self, hash: &[u8; 32], now: OffsetDateTime) -> Result<Seen, Error> {
        let known = self.seen.get(hash).await;
        if let Some(seen) = known.as_ref().filter(|seen| now - seen.read_at < SEEN_FOR) {
            return Ok(seen.clone());
        }
        match (self.read(hash, now).await, known) {
            (Err(Error::Store(error)), Some(seen))
                if error.is_outage() && now - seen.read_at < SEEN_FOR_WITHOUT_RECORDS =>
            {
                self.served_stale.increment(1);
                Ok(seen)
            }
            (read, _) => read,
        }
    }

    async fn read(&self, hash: &[u8; 32], now: OffsetDateTime) -> Result<Seen, Error> {
        let session = self.store.session_by_secret(hash).await?.ok_or(UNKNOWN)?;
        Ok(Seen { live: Arc::new(self.with_account(session).await?), read_at: now })
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

    /// Uses a refresh token and hands out the next one.
    pub async fn refresh(
        &self,
        token: &RefreshToken,
        client: &Client,
        now: OffsetDateTime,
    ) -> Result<(Live, RefreshToken), Error> {
        if self.is_revoked(token.session) {
            return Err(ENDED);
        }
        let successor = Secret::random();
        for _ in 0..MAX_TRIES {
            let session = self.store.session(token.session).await?.ok_or(UNKNOWN)?;
            let live = self.with_account(session).await?;
            if !session::is_live(&live.session, &live.account, now) {
                return Err(ENDED);
            }
            match session::refresh(&self.rules, &live.session, token, successor.clone(), live.role, now) {
                Refresh::Rotated(session, next) => {
                    if self.store.update_session(&session).await? {
                        return Ok((Live { session: *session, ..live }, next));
                    }
                }
                Refresh::Repeated(next) => return Ok((live, next)),
                Refresh::Reused => {
                    self.end_reused(&live.session, client, now).await?;
                    return Err(ENDED);
                }
                Refresh::Ended => return Err(ENDED),
            }
        }
        Err(Error::Contended)
    }

    /// Tells of sessions that ended together with a change of their account.
    pub async fn ended(&self, sessions: &[Uuid], at: OffsetDateTime) {
        for session in sessions {
            self.revoked(*session, at).await;
        }
    }

    pub fn is_revoked(&self, session: Uuid) -> bool {
        self.revocations.contains(session)
    }

    /// Whether a token of this session, issued then, no longer counts.
    pub fn is_token_revoked(&self, session: Uuid, issued_at: OffsetDateTime) -> bool {
        self.revocations.covers(session, issued_at)
    }

    /// Here at once, elsewhere soon: a replica that the announcement does not reach reads the rows.
    async fn revoked(&self, session: Uuid, at: OffsetDateTime) {
        self.note(session, at);
        if let Err(error) = self.bus.announce(REVOKED, &Revocation { session, at }.to_bytes()).await {
            tracing::debug!(%error, "cannot announce a revocation");
        }
    }

    async fn read_revoked(&self, since: OffsetDateTime) -> Result<(), store::Error> {
        // Oldest first, so that an overflow is met as it would have been met live.
        for (session, at) in self.store.revoked_since(since, MAX_REVOKED + 1).await?.into_iter().rev() {
            self.note(session, at);
        }
        Ok(())
    }

    fn note(&self, session: Uuid, revoked_at: OffsetDateTime) {
        self.revocations.add(session, revoked_at);
        self.standings.end(session);
    }

    pub fn standing(&self, session: Uuid, role: Role) -> Standing {
        let standing = self.standings.hold(session, role);
        // Only now, so that no revocation falls in between.
        if self.is_revoked(session) {
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

/// What the bus says next; where there is no subscription, or its bus is closed, that is nothing, ever.
async fn next(subscription: &mut Option<Subscription>) -> Heard {
    if let Some(subscription) = subscription
        && let Some(heard) = subscription.next().await
    {
        return heard;
    }
    std::future::pending().await
}

const UNKNOWN: Error = Error::Refused("there is no such session");
const ENDED: Error = Error::Refused("the session is over");
