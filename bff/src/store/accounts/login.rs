//! The history of who signed in, for the account's owner.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Accounts;
use crate::store::database::{Id, Row, micros, time_from};
use crate::store::{Error, LoginEntry, Position};

impl Accounts {
    /// False if it is known already.
    pub async fn insert_login(&self, login: &LoginEntry) -> Result<bool, Error> {
        let insert = self
            .database
            .query(INSERT)
            .bind(Id(login.id))
            .bind(Id(login.account_id))
            .bind(micros(login.at))
            .bind(login.kind.clone())
            .bind(login.network.clone())
            .bind(login.user_agent.clone())
            .bind(login.result.clone());
        Ok(insert.execute("add to the login history").await? == 1)
    }

    /// An account's logins, newest first, from before a position.
    pub async fn logins(&self, account: Uuid, before: Option<Position>, limit: u32) -> Result<Vec<LoginEntry>, Error> {
        let (at, id) = Position::bounds(before);
        let query = self.database.query(OF).bind(Id(account)).bind(at).bind(id).bind(i64::from(limit));
        query.all("read the login history", login_in).await
    }

    /// Removes up to a thousand logins from before a moment, and gives how many.
    pub async fn forget_logins(&self, before: OffsetDateTime) -> Result<u64, Error> {
        self.database.query(FORGET).bind(micros(before)).execute("shorten the login history").await
    }
}

const INSERT: &str = "
    INSERT INTO logins (id, account_id, at, kind, network, user_agent, result)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING";

const OF: &str = "
    SELECT id, account_id, at, kind, network, user_agent, result
      FROM logins
     WHERE account_id = $1 AND (at, id) < ($2, $3)
     ORDER BY at DESC, id DESC
     LIMIT $4";

const FORGET: &str = "
    DELETE FROM logins
     WHERE id IN (SELECT id FROM logins WHERE at < $1 LIMIT 1000)";

fn login_in(row: &Row) -> Result<LoginEntry, sqlx::Error> {
    Ok(LoginEntry {
        id: row.get::<Id>("id")?.0,
        account_id: row.get::<Id>("account_id")?.0,
        at: time_from(row.get("at")?)?,
        kind: row.get("kind")?,
        network: row.get("network")?,
        user_agent: row.get("user_agent")?,
        result: row.get("result")?,
    })
}
