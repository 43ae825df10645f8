//! The rows of sessions.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Embedded, corrupt, failed_to, hash_from, micros, optional_time_in, time_in, uuid_in};
use crate::store::{Error, Previous, Session, SessionKind};

impl Embedded {
    pub(in crate::store) async fn session(&self, id: Uuid) -> Result<Option<Session>, Error> {
        let query = sqlx::query("SELECT * FROM sessions WHERE id = $1").bind(id.to_string());
        query.try_map(session_in).fetch_optional(&self.pool).await.map_err(failed_to(READ))
    }

    pub(in crate::store) async fn session_by_secret(&self, hash: &[u8; 32]) -> Result<Option<Session>, Error> {
        let query = sqlx::query("SELECT * FROM sessions WHERE secret_hash = $1").bind(&hash[..]);
        query.try_map(session_in).fetch_optional(&self.pool).await.map_err(failed_to(READ))
    }

    pub(in crate::store) async fn insert_session(&self, session: &Session) -> Result<(), Error> {
        sqlx::query(INSERT)
            .bind(session.id.to_string())
            .bind(session.account_id.to_string())
            .bind(kind_name(session.kind))
            .bind(&session.secret_hash[..])
            .bind(session.generation)
            .bind(micros(session.created_at))
            .bind(micros(session.last_seen_at))
            .bind(micros(session.idle_expires_at))
            .bind(micros(session.absolute_expires_at))
            .bind(session.auth_version)
            .bind(&session.user_agent)
            .bind(&session.address)
            .bind(session.revision)
            .execute(&self.pool)
            .await
            .map_err(failed_to("add a session"))?;
        Ok(())
    }

    pub(in crate::store) async fn update_session(&self, session: &Session) -> Result<bool, Error> {
        let previous = session.previous.as_ref();
        let done = sqlx::query(UPDATE)
            .bind(session.id.to_string())
            .bind(session.revision)
            .bind(&session.secret_hash[..])
            .bind(session.generation)
            .bind(previous.map(|previous| &previous.secret_hash[..]))
            .bind(previous.map(|previous| &previous.sealed_successor[..]))
            .bind(previous.map(|previous| micros(previous.rotated_at)))
            .bind(micros(session.last_seen_at))
            .bind(micros(session.idle_expires_at))
            .bind(session.revoked_at.map(micros))
            .execute(&self.pool)
            .await
            .map_err(failed_to("change a session"))?;
        Ok(done.rows_affected() == 1)
    }

    pub(in crate::store) async fn revoked_since(
        &self,
        since: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<(Uuid, OffsetDateTime)>, Error> {
        sqlx::query("SELECT id, revoked_at FROM sessions WHERE revoked_at > $1 ORDER BY revoked_at DESC LIMIT $2")
            .bind(micros(since))
            .bind(limit)
            .try_map(|row| Ok((uuid_in(&row, "id")?, time_in(&row, "revoked_at")?)))
            .fetch_all(&self.pool)
            .await
            .map_err(failed_to("list the revoked sessions"))
    }
}

const READ: &str = "read a session";

const INSERT: &str = "
    INSERT INTO sessions (id, account_id, kind, secret_hash, generation, created_at, last_seen_at, idle_expires_at,
                          absolute_expires_at, auth_version, user_agent, address, revision)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

const UPDATE: &str = "
    UPDATE sessions
    SET secret_hash = $3, generation = $4, previous_hash = $5, sealed_successor = $6, rotated_at = $7,
        last_seen_at = $8, idle_expires_at = $9, revoked_at = $10, revision = revision + 1
    WHERE id = $1 AND revision = $2";

fn kind_name(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Cookie => "cookie",
        SessionKind::Token => "token",
    }
}

fn kind_from(name: &str) -> Result<SessionKind, sqlx::Error> {
    match name {
        "cookie" => Ok(SessionKind::Cookie),
        "token" => Ok(SessionKind::Token),
        _ => Err(corrupt(format!("unknown kind of session `{name}`"))),
    }
}

fn session_in(row: SqliteRow) -> Result<Session, sqlx::Error> {
    Ok(Session {
        id: uuid_in(&row, "id")?,
        account_id: uuid_in(&row, "account_id")?,
        kind: kind_from(row.try_get("kind")?)?,
        secret_hash: hash_from(row.try_get("secret_hash")?)?,
        generation: row.try_get("generation")?,
        previous: previous_in(&row)?,
        created_at: time_in(&row, "created_at")?,
        last_seen_at: time_in(&row, "last_seen_at")?,
        idle_expires_at: time_in(&row, "idle_expires_at")?,
        absolute_expires_at: time_in(&row, "absolute_expires_at")?,
        auth_version: row.try_get("auth_version")?,
        user_agent: row.try_get("user_agent")?,
        address: row.try_get("address")?,
        revoked_at: optional_time_in(&row, "revoked_at")?,
        revision: row.try_get("revision")?,
    })
}

fn previous_in(row: &SqliteRow) -> Result<Option<Previous>, sqlx::Error> {
    let Some(hash) = row.try_get::<Option<Vec<u8>>, _>("previous_hash")? else { return Ok(None) };
    Ok(Some(Previous {
        secret_hash: hash_from(hash)?,
        sealed_successor: row.try_get("sealed_successor")?,
        rotated_at: time_in(row, "rotated_at")?,
    }))
}
