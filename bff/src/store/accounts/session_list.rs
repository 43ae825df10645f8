//! The sessions of one account: begun, listed, replaced, renewed and ended together with what accompanies that.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Accounts;
use super::session::kind_name;
use super::session::session_in;
use crate::store::database::{Id, Transaction, micros};
use crate::store::{Accompanying, Account, Ending, Ends, Error, Keep, Session, SessionKind};

impl Accounts {
    pub async fn begin_session(&self, session: &Session, accompanying: &Accompanying) -> Result<(), Error> {
        let write = async {
            let mut transaction = self.database.begin().await?;
            self.session_insertion(session).execute_in(&mut transaction).await?;
            self.accompany(&mut transaction, accompanying).await?;
            transaction.commit().await
        };
        self.database.guard().call("add a session", write).await
    }

    /// Puts a session that was used, and the one that takes its place. False, and nothing written, if the row of the old
    /// one is no longer at its revision.
    pub async fn replace_session(&self, old: &Session, new: &Session) -> Result<bool, Error> {
        let write = async {
            let mut transaction = self.database.begin().await?;
            self.hold(&mut transaction, old.account_id).await?;
            if self.session_update(old).execute_in(&mut transaction).await? == 0 {
                return Ok(false);
            }
            self.session_insertion(new).execute_in(&mut transaction).await?;
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(true)
        };
        self.database.guard().call("replace a session", write).await
    }

    /// Those that were live go on as sessions of what the account is now. To be called after the account's row was written.
    pub(super) async fn renew_sessions(
        &self,
        transaction: &mut Transaction,
        account: &Account,
        latest: [(SessionKind, Ends); 2],
        now: OffsetDateTime,
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        let mut renewed = Vec::new();
        for (kind, ends) in latest {
            let renew = self.database.query(RENEW).bind(Id(account.id)).bind(account.auth_version).bind(micros(now));
            let renew = renew.bind(kind_name(kind).to_owned()).bind(micros(ends.idle)).bind(micros(ends.absolute));
            renewed.extend(renew.all_in(transaction, |row| Ok(row.get::<Id>("id")?.0)).await?);
        }
        Ok(renewed)
    }

    /// Whoever changes the sessions of an account holds its row, so that two of them do not wait for each other, and
    /// neither misses what the other adds.
    async fn hold(&self, transaction: &mut Transaction, account: Uuid) -> Result<(), sqlx::Error> {
        self.database.query(HOLD).bind(Id(account)).execute_in(transaction).await.map(drop)
    }

    /// The sessions of an account that have not ended, those used last first; none whose place another has taken.
    pub async fn sessions_of(&self, account: Uuid, now: OffsetDateTime, limit: u32) -> Result<Vec<Session>, Error> {
        let query = self.database.query(LIVE).bind(Id(account)).bind(micros(now)).bind(i64::from(limit));
        query.all("list the sessions of an account", session_in).await
    }

    /// Those of them that are more than so many, beside one that stays: the ones used longest ago, no more than a hundred.
    pub async fn surplus_of(
        &self,
        account: Uuid,
        (most, stays): (u32, Uuid),
        now: OffsetDateTime,
    ) -> Result<Vec<Uuid>, Error> {
        let others = i64::from(most) - 1;
        let query = self.database.query(SURPLUS).bind(Id(account)).bind(micros(now)).bind(others).bind(Id(stays));
        query.all("count the sessions of an account", |row| Ok(row.get::<Id>("id")?.0)).await
    }

    /// Ends sessions of an account, and gives their ids; nothing is written where there is nothing to end.
    pub async fn end_sessions_of(
        &self,
        account: Uuid,
        which: Ending,
        now: OffsetDateTime,
        accompanying: &Accompanying,
    ) -> Result<Vec<Uuid>, Error> {
        let write = async {
            let mut transaction = self.database.begin().await?;
            self.hold(&mut transaction, account).await?;
            let ended = match which {
                Ending::One(session) => {
                    let end = self.database.query(END_ONE).bind(Id(account)).bind(Id(session)).bind(micros(now));
                    end.all_in(&mut transaction, |row| Ok(row.get::<Id>("id")?.0)).await?
                }
                Ending::AllBut(session) => {
                    self.end_sessions(&mut transaction, account, Keep::Session(session), now).await?
                }
                Ending::All => self.end_sessions(&mut transaction, account, Keep::None, now).await?,
            };
            if ended.is_empty() {
                return Ok(ended);
            }
            self.accompany(&mut transaction, accompanying).await?;
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(ended)
        };
        self.database.guard().call("end sessions", write).await
    }
}

const LIVE: &str = "
    SELECT id, account_id, kind, secret_hash, generation, previous_hash, sealed_successor, rotated_at, created_at,
           last_seen_at, idle_expires_at, absolute_expires_at, auth_version, renewed_at, tokens_from, user_agent, address,
           revoked_at, revision
      FROM sessions
     WHERE account_id = $1 AND revoked_at IS NULL AND idle_expires_at > $2
       AND (kind = 'token' OR previous_hash IS NULL)
       AND auth_version = (SELECT auth_version FROM accounts WHERE id = $1)
     ORDER BY last_seen_at DESC, id DESC
     LIMIT $3";

/// SQLite takes no OFFSET without a LIMIT.
const SURPLUS: &str = "
    SELECT id
      FROM (SELECT id, last_seen_at
              FROM sessions
             WHERE account_id = $1 AND id <> $4 AND revoked_at IS NULL AND idle_expires_at > $2
               AND (kind = 'token' OR previous_hash IS NULL)
               AND auth_version = (SELECT auth_version FROM accounts WHERE id = $1)
             ORDER BY last_seen_at DESC, id DESC
             LIMIT 1000000 OFFSET $3) AS surplus
     ORDER BY last_seen_at, id
     LIMIT 100";

const HOLD: &str = "UPDATE accounts SET auth_version = auth_version WHERE id = $1";

const RENEW: &str = "
    UPDATE sessions
       SET auth_version = $2, tokens_from = $2, renewed_at = $3,
           idle_expires_at = CASE WHEN idle_expires_at < $5 THEN idle_expires_at ELSE $5 END,
           absolute_expires_at = CASE WHEN absolute_expires_at < $6 THEN absolute_expires_at ELSE $6 END,
           revision = revision + 1
     WHERE account_id = $1 AND kind = $4 AND revoked_at IS NULL AND auth_version = $2 - 1
    RETURNING id";

const END_ONE: &str = "
    UPDATE sessions
       SET revoked_at = $3, revision = revision + 1
     WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL
    RETURNING id";
