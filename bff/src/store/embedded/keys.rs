//! The rows of signing keys.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Embedded, corrupt, failed_to, micros, time_in};
use crate::store::{Error, KeyState, SigningKey};

impl Embedded {
    pub(in crate::store) async fn signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        let query = sqlx::query("SELECT * FROM signing_keys ORDER BY created_at, kid LIMIT 100");
        query.try_map(key_in).fetch_all(&self.pool).await.map_err(failed_to("read the signing keys"))
    }

    pub(in crate::store) async fn insert_signing_key(&self, key: &SigningKey) -> Result<bool, Error> {
        let done = sqlx::query(INSERT)
            .bind(&key.kid)
            .bind(&key.algorithm)
            .bind(state_name(key.state))
            .bind(&key.sealed)
            .bind(micros(key.created_at))
            .bind(micros(key.state_since))
            .execute(&self.pool)
            .await
            .map_err(failed_to("add a signing key"))?;
        Ok(done.rows_affected() == 1)
    }
}

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

fn key_in(row: SqliteRow) -> Result<SigningKey, sqlx::Error> {
    Ok(SigningKey {
        kid: row.try_get("kid")?,
        algorithm: row.try_get("algorithm")?,
        state: state_from(row.try_get("state")?)?,
        sealed: row.try_get("sealed")?,
        created_at: time_in(&row, "created_at")?,
        state_since: time_in(&row, "state_since")?,
    })
}
