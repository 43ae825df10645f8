//! The sessions of one account: begun, listed and ended together with what accompanies that.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Accounts;
use super::session::session_in;
use crate::store::database::{Id, micros};
use crate::store::{Accompanying, Ending, Error, Keep, Session};

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

    /// The sessions of an account that have not ended, those used last first.
    pub async fn sessions_of(&self, account: Uuid, now: OffsetDateTime, limit: u32) -> Result<Vec<Session>, Error> {
        let query = self.database.query(LIVE).bind(Id(account)).bind(micros(now)).bind(i64::from(limit));
        query.all("list the sessions of an account", session_in).await
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
            // Whoever ends the sessions of an account holds its row, so that two of them do not wait for each other.
            self.database.query(HOLD).bind(Id(account)).execute_in(&mut transaction).await?;
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
           last_seen_at, idle_expires_at, absolute_expires_at, auth_version, user_agent, address, revoked_at, revision
      FROM sessions
     WHERE account_id = $1 AND revoked_at IS NULL AND idle_expires_at > $2
       AND auth_version = (SELECT auth_version FROM accounts WHERE id = $1)
     ORDER BY last_seen_at DESC, id DESC
     LIMIT $3";

const HOLD: &str = "UPDATE accounts SET auth_version = auth_version WHERE id = $1";

const END_ONE: &str = "
    UPDATE sessions
       SET revoked_at = $3, revision = revision + 1
     WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL
    RETURNING id";
