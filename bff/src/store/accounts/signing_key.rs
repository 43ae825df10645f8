//! The rows of signing keys.

use super::Accounts;
use crate::store::database::{Query, Row, corrupt, micros, time_from};
use crate::store::{Accompanying, Error, KeyChange, KeyState, SigningKey};

impl Accounts {
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        self.database.query(ALL).all("read the signing keys", key_in).await
    }

    /// All of these changes with what accompanies them; false, and none of them, where a row is no longer as it was
    /// seen or another has its place.
    pub async fn change_signing_keys(&self, changes: &[KeyChange], accompanying: &Accompanying) -> Result<bool, Error> {
        let write = async {
            let mut transaction = self.database.begin().await?;
            for change in changes {
                match self.change(change).execute_in(&mut transaction).await {
                    Ok(1) => {}
                    Ok(_) => return Ok(false),
                    Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
                        return Ok(false);
                    }
                    Err(error) => return Err(error),
                }
            }
            self.accompany(&mut transaction, accompanying).await?;
            transaction.commit().await?;
            Ok(true)
        };
        self.database.guard().call("change the signing keys", write).await
    }

    fn change(&self, change: &KeyChange) -> Query<'_> {
        let name = |state: KeyState| state.as_str().to_owned();
        match change {
            KeyChange::Insert(key) => self
                .database
                .query(INSERT)
                .bind(key.kid.clone())
                .bind(key.algorithm.clone())
                .bind(name(key.state))
                .bind(key.sealed.clone())
                .bind(micros(key.created_at))
                .bind(micros(key.state_since)),
            KeyChange::Move { kid, from, to, at } => {
                self.database.query(MOVE).bind(kid.clone()).bind(name(*from)).bind(name(*to)).bind(micros(*at))
            }
            KeyChange::Reseal { kid, from, to } => {
                self.database.query(RESEAL).bind(kid.clone()).bind(from.clone()).bind(to.clone())
            }
            KeyChange::Remove { kid, state } => self.database.query(REMOVE).bind(kid.clone()).bind(name(*state)),
        }
    }
}

const ALL: &str = "
    SELECT kid, algorithm, state, sealed, created_at, state_since
      FROM signing_keys
     ORDER BY created_at, kid
     LIMIT 100";

const INSERT: &str = "
    INSERT INTO signing_keys (kid, algorithm, state, sealed, created_at, state_since)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING";

const MOVE: &str = "UPDATE signing_keys SET state = $3, state_since = $4 WHERE kid = $1 AND state = $2";

const RESEAL: &str = "UPDATE signing_keys SET sealed = $3 WHERE kid = $1 AND sealed = $2";

const REMOVE: &str = "DELETE FROM signing_keys WHERE kid = $1 AND state = $2";

fn state_from(name: &str) -> Result<KeyState, sqlx::Error> {
    let states = [KeyState::Next, KeyState::Current, KeyState::Retiring];
    let found = states.into_iter().find(|state| state.as_str() == name);
    found.ok_or_else(|| corrupt(format!("unknown state of a signing key `{name}`")))
}

fn key_in(row: &Row) -> Result<SigningKey, sqlx::Error> {
    Ok(SigningKey {
        kid: row.get("kid")?,
        algorithm: row.get("algorithm")?,
        state: state_from(&row.get::<String>("state")?)?,
        sealed: row.get("sealed")?,
        created_at: time_from(row.get("created_at")?)?,
        state_since: time_from(row.get("state_since")?)?,
    })
}
