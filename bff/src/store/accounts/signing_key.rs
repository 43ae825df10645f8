//! The rows of signing keys.

use super::Accounts;
use crate::store::database::{Row, corrupt, micros, time_from};
use crate::store::{Error, KeyState, SigningKey};

impl Accounts {
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        self.database.query(ALL).all("read the signing keys", key_in).await
    }

    /// False if another server has put a current key of this algorithm first.
    pub async fn insert_signing_key(&self, key: &SigningKey) -> Result<bool, Error> {
        let insert = self
            .database
            .query(INSERT)
            .bind(key.kid.clone())
            .bind(key.algorithm.clone())
            .bind(state_name(key.state).to_owned())
            .bind(key.sealed.clone())
            .bind(micros(key.created_at))
            .bind(micros(key.state_since));
        Ok(insert.execute("add a signing key").await? == 1)
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

fn state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::Current => "current",
        KeyState::Retiring => "retiring",
    }
}

fn state_from(name: &str) -> Result<KeyState, sqlx::Error> {
    match name {
        "next" => Ok(KeyState::Next),
        "current" => Ok(KeyState::Current),
        "retiring" => Ok(KeyState::Retiring),
        _ => Err(corrupt(format!("unknown state of a signing key `{name}`"))),
    }
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
