//! How sessions end before their time, also while the records are away.

use time::OffsetDateTime;
use uuid::Uuid;

use super::copies::Name;
use super::owed::{Debt, Of};
use super::{MAX_TRIES, Sessions};
use crate::events::{Event, What};
use crate::identity::error::Error;
use crate::identity::revocation::Revocation;
use crate::identity::secret::Secret;
use crate::identity::session::{self, Client, Succession};
use crate::store::{Accompanying, AuditEntry, Ending, Session, SessionKind};

/// How a session came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Done,
    /// Here and on the bus; the records follow when they are back.
    Owed,
}

impl Sessions {
    /// Whoever comes with a token that was used twice: the session of both ends, and that is noted with it.
    pub(super) async fn end_reused(
        &self,
        session: &Session,
        client: &Client,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        tracing::warn!(session = %session.id, "refresh_reuse: a used refresh token came back");
        let accompanying = reuse(session, client, now);
        let ended = self.store.end_sessions_of(session.account_id, Ending::One(session.id), now, &accompanying).await?;
        self.ended(&ended, now).await;
        Ok(())
    }

    /// Of more sessions than an account may have, those used longest ago end.
    pub(super) async fn end_surplus(&self, begun: &Session, client: &Client, now: OffsetDateTime) -> Result<(), Error> {
        let account = begun.account_id;
        for session in self.store.surplus_of(account, (self.rules.per_account, begun.id), now).await? {
            let what = What::SessionsRevoked { sessions: vec![session] };
            let event = Event { account: Some(account), actor: None, at: now, origin: client.origin(), what };
            let accompanying = Accompanying { events: vec![event.outbox()], ..Accompanying::default() };
            let ended = self.store.end_sessions_of(account, Ending::One(session), now, &accompanying).await?;
            self.ended(&ended, now).await;
        }
        Ok(())
    }

    /// Ends a session; ending one that is over is no error, and neither is it that the records are away.
    pub async fn revoke(&self, id: Uuid, now: OffsetDateTime) -> Result<Ended, Error> {
        match self.try_revoke(id, now).await {
            Err(Error::Store(error)) if error.is_outage() && self.owed.add(Debt { of: Of::Session(id), at: now }) => {
                self.tell(Revocation::ended(id, now)).await;
                Ok(Ended::Owed)
            }
            result => result.map(|()| Ended::Done),
        }
    }

    async fn try_revoke(&self, id: Uuid, now: OffsetDateTime) -> Result<(), Error> {
        for _ in 0..MAX_TRIES {
            let Some(session) = self.store.session(id).await? else { return Ok(()) };
            let Some(revoked) = session::revoke(&session, now) else { return Ok(()) };
            if self.store.update_session(&revoked).await? {
                self.tell(Revocation::ended(id, now)).await;
                self.seen.invalidate(&session.secret_hash).await;
                return Ok(());
            }
        }
        Err(Error::Contended)
    }

    /// Ends the session of a cookie's secret.
    pub async fn revoke_secret(&self, secret: &Secret, now: OffsetDateTime) -> Result<Ended, Error> {
        let hash = secret.hash();
        if let Some(seen) = self.seen.get(&hash).await {
            return self.revoke(seen.live.session.id, now).await;
        }
        match self.store.session_by_secret(&hash).await {
            Ok(Some(session)) if session.kind == SessionKind::Cookie => {
                if let Succession::Done(next) = session::succession(&session, secret) {
                    Box::pin(self.revoke_secret(&next, now)).await?;
                }
                self.revoke(session.id, now).await
            }
            Ok(_) => Ok(Ended::Done),
            Err(error) if error.is_outage() => match self.copies.find(&Name::Secret(hash), now).await {
                Some((live, _)) => self.revoke(live.session.id, now).await,
                // Whoever does not know the session cannot use it either while the records are away.
                None if self.owed.add(Debt { of: Of::Secret(hash), at: now }) => Ok(Ended::Owed),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Tells the records what they missed while they were away.
    pub(super) async fn settle(&self) {
        let mut debts = self.owed.take().into_iter();
        while let Some(debt) = debts.next() {
            let id = match debt.of {
                Of::Session(id) => Ok(Some(id)),
                Of::Secret(hash) => self.store.session_by_secret(&hash).await.map(|found| found.map(|it| it.id)),
            };
            let settled = match id {
                Ok(Some(id)) => self.try_revoke(id, debt.at).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if settled.is_err() {
                self.owed.put_back(std::iter::once(debt).chain(debts));
                return;
            }
        }
    }
}

/// The line of the audit that tells of a token in two hands.
fn reuse(session: &Session, client: &Client, now: OffsetDateTime) -> Accompanying {
    let entry = AuditEntry {
        id: Uuid::now_v7(),
        at: now,
        actor: None,
        action: "refresh-reuse".to_owned(),
        target: Some(session.account_id.to_string()),
        network: client.address.map(session::network),
        result: "session ended".to_owned(),
        reason: Some(format!("session {}", session.id)),
    };
    let what = What::RefreshReuse { session: session.id };
    let event = Event { account: Some(session.account_id), actor: None, at: now, origin: client.origin(), what };
    Accompanying { audit: vec![entry], events: vec![event.outbox()] }
}
