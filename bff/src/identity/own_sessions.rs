//! Where an account is signed in, and signing out there.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Identity;
use super::caller::Caller;
use super::error::Error;
use super::session::Client;
use super::sessions::Ended;
use crate::events::What;
use crate::store::{Ending, Session};

/// How many sessions of an account are shown; those used last come first.
const MAX_SHOWN: u32 = 100;

impl Identity {
    pub async fn sessions_of(&self, account: Uuid) -> Result<Vec<Session>, Error> {
        Ok(self.store.sessions_of(account, self.clock.now(), MAX_SHOWN).await?)
    }

    /// Ends sessions of the caller's own account; one that is not there is told. The session of the request itself ends as
    /// it does by signing out, also while the records are away.
    pub async fn end_own_sessions(&self, caller: &Caller, which: Ending, client: &Client) -> Result<Ended, Error> {
        match self.try_end_own_sessions(caller, which, client).await {
            Err(Error::Store(error)) if error.is_outage() && which == Ending::One(caller.session) => {
                self.sessions.revoke(caller.session, self.clock.now()).await
            }
            result => result.map(|()| Ended::Done),
        }
    }

    async fn try_end_own_sessions(&self, caller: &Caller, which: Ending, client: &Client) -> Result<(), Error> {
        let now = self.clock.now();
        let account = self.me(caller).await?;
        let events = vec![self.ending(account.id, which, now).await?];
        let accompanying = self.own_change(&account, "sessions-revoked", events, client, now);
        let ended = self.store.end_sessions_of(account.id, which, now, &accompanying).await?;
        if ended.is_empty() && matches!(which, Ending::One(_)) {
            return Err(Error::Missing);
        }
        self.sessions.ended(&ended, now).await;
        Ok(())
    }

    /// What others are told of it: which sessions there were to end, a moment before.
    pub(super) async fn ending(&self, account: Uuid, which: Ending, now: OffsetDateTime) -> Result<What, Error> {
        let sessions = match which {
            Ending::One(session) => vec![session],
            Ending::AllBut(_) | Ending::All => {
                let live = self.store.sessions_of(account, now, MAX_SHOWN).await?;
                live.iter().map(|session| session.id).filter(|id| which != Ending::AllBut(*id)).collect()
            }
        };
        Ok(What::SessionsRevoked { sessions })
    }
}
