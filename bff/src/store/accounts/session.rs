//! The rows of sessions.

use std::iter::repeat;
use std::sync::LazyLock;

use time::OffsetDateTime;
use uuid::Uuid;

use super::Accounts;
use crate::store::database::{Id, Query, Row, corrupt, micros, time_from};
use crate::store::{Error, Lapse, Lapsed, Previous, Session, SessionKind};

impl Accounts {
    pub async fn session(&self, id: Uuid) -> Result<Option<Session>, Error> {
        self.database.query(BY_ID).bind(Id(id)).first(READ, session_in).await
    }

    pub async fn session_by_secret(&self, hash: &[u8; 32]) -> Result<Option<Session>, Error> {
        self.database.query(BY_SECRET).bind(hash.to_vec()).first(READ, session_in).await
    }

    pub async fn insert_session(&self, session: &Session) -> Result<(), Error> {
        self.session_insertion(session).execute("add a session").await?;
        Ok(())
    }

    /// Compare-and-put; what was revoked stays so. False if the row is no longer at `session.revision`, which the write raises by one.
    pub async fn update_session(&self, session: &Session) -> Result<bool, Error> {
        Ok(self.session_update(session).execute("change a session").await? == 1)
    }

    pub(super) fn session_update(&self, session: &Session) -> Query<'_> {
        let previous = session.previous.as_ref();
        self.database
            .query(UPDATE)
            .bind(Id(session.id))
            .bind(session.revision)
            .bind(session.secret_hash.to_vec())
            .bind(i64::from(session.generation))
            .bind(previous.map(|previous| previous.secret_hash.to_vec()))
            .bind(previous.map(|previous| previous.sealed_successor.clone()))
            .bind(previous.map(|previous| micros(previous.rotated_at)))
            .bind(micros(session.last_seen_at))
            .bind(micros(session.idle_expires_at))
            .bind(session.revoked_at.map(micros))
    }

    /// What was revoked after a moment, or renewed, newest first.
    pub async fn lapsed_since(&self, since: OffsetDateTime, limit: u32) -> Result<Vec<Lapse>, Error> {
        let query = self.database.query(LAPSED_SINCE).bind(micros(since)).bind(i64::from(limit));
        query.all("list the revoked sessions", lapse_in).await
    }

    /// Those of the sessions that have not ended, each with the role of its account.
    pub async fn live_among(&self, sessions: &[Uuid], now: OffsetDateTime) -> Result<Vec<(Uuid, String)>, Error> {
        let mut live = Vec::with_capacity(sessions.len());
        for some in sessions.chunks(AT_ONCE) {
            // One statement for any number: places that are left over name the last one again.
            let filled = some.iter().chain(repeat(&some[some.len() - 1])).take(AT_ONCE);
            let query = self.database.query(&LIVE_AMONG).bind(micros(now));
            let query = filled.fold(query, |query, session| query.bind(Id(*session)));
            let read = |row: &Row| Ok((row.get::<Id>("id")?.0, row.get("role")?));
            live.append(&mut query.all("look at sessions", read).await?);
        }
        Ok(live)
    }

    /// Removes up to a thousand sessions that ended before a moment, and gives how many.
    pub async fn forget_sessions(&self, ended_before: OffsetDateTime) -> Result<u64, Error> {
        self.database.query(FORGET).bind(micros(ended_before)).execute("remove old sessions").await
    }

    pub(super) fn session_insertion(&self, session: &Session) -> Query<'_> {
        self.database
            .query(INSERT)
            .bind(Id(session.id))
            .bind(Id(session.account_id))
            .bind(kind_name(session.kind).to_owned())
            .bind(session.secret_hash.to_vec())
            .bind(i64::from(session.generation))
            .bind(micros(session.created_at))
            .bind(micros(session.last_seen_at))
            .bind(micros(session.idle_expires_at))
            .bind(micros(session.absolute_expires_at))
            .bind(session.auth_version)
            .bind(session.user_agent.clone())
            .bind(session.address.clone())
            .bind(session.revision)
    }
}

const READ: &str = "read a session";

const BY_ID: &str = "
    SELECT id, account_id, kind, secret_hash, generation, previous_hash, sealed_successor, rotated_at, created_at,
           last_seen_at, idle_expires_at, absolute_expires_at, auth_version, renewed_at, tokens_from, user_agent, address,
           revoked_at, revision
      FROM sessions
     WHERE id = $1";

const BY_SECRET: &str = "
    SELECT id, account_id, kind, secret_hash, generation, previous_hash, sealed_successor, rotated_at, created_at,
           last_seen_at, idle_expires_at, absolute_expires_at, auth_version, renewed_at, tokens_from, user_agent, address,
           revoked_at, revision
      FROM sessions
     WHERE secret_hash = $1";

const INSERT: &str = "
    INSERT INTO sessions (id, account_id, kind, secret_hash, generation, created_at, last_seen_at, idle_expires_at,
                          absolute_expires_at, auth_version, user_agent, address, revision)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

const UPDATE: &str = "
    UPDATE sessions
       SET secret_hash = $3, generation = $4, previous_hash = $5, sealed_successor = $6, rotated_at = $7,
           last_seen_at = $8, idle_expires_at = $9, revoked_at = COALESCE(revoked_at, $10), revision = revision + 1
     WHERE id = $1 AND revision = $2";

const LAPSED_SINCE: &str = "
    SELECT id, revoked_at, renewed_at, tokens_from
      FROM sessions
     WHERE revoked_at > $1 OR renewed_at > $1
     ORDER BY COALESCE(revoked_at, renewed_at) DESC
     LIMIT $2";

/// Sessions that one statement asks about.
const AT_ONCE: usize = 500;

/// The rule is `is_live` of `identity/session.rs`.
static LIVE_AMONG: LazyLock<String> = LazyLock::new(|| {
    let places: Vec<String> = (2..AT_ONCE + 2).map(|place| format!("${place}")).collect();
    format!(
        "
    SELECT sessions.id, accounts.role
      FROM sessions JOIN accounts ON accounts.id = sessions.account_id
     WHERE sessions.id IN ({})
       AND revoked_at IS NULL AND idle_expires_at > $1 AND absolute_expires_at > $1
       AND sessions.auth_version = accounts.auth_version AND disabled_at IS NULL AND deleted_at IS NULL",
        places.join(", ")
    )
});

const FORGET: &str = "
    DELETE FROM sessions
     WHERE id IN (SELECT id FROM sessions WHERE idle_expires_at < $1 OR revoked_at < $1 LIMIT 1000)";

pub(super) fn kind_name(kind: SessionKind) -> &'static str {
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

fn lapse_in(row: &Row) -> Result<Lapse, sqlx::Error> {
    let (at, what) = match row.get::<Option<i64>>("revoked_at")? {
        Some(at) => (at, Lapsed::All),
        None => (row.get("renewed_at")?, Lapsed::TokensBefore(row.get("tokens_from")?)),
    };
    Ok(Lapse { session: row.get::<Id>("id")?.0, at: time_from(at)?, what })
}

pub(super) fn session_in(row: &Row) -> Result<Session, sqlx::Error> {
    Ok(Session {
        id: row.get::<Id>("id")?.0,
        account_id: row.get::<Id>("account_id")?.0,
        kind: kind_from(&row.get::<String>("kind")?)?,
        secret_hash: hash_from(row.get("secret_hash")?)?,
        generation: u32::try_from(row.get::<i64>("generation")?).map_err(corrupt)?,
        previous: previous_in(row)?,
        created_at: time_from(row.get("created_at")?)?,
        last_seen_at: time_from(row.get("last_seen_at")?)?,
        idle_expires_at: time_from(row.get("idle_expires_at")?)?,
        absolute_expires_at: time_from(row.get("absolute_expires_at")?)?,
        auth_version: row.get("auth_version")?,
        renewed_at: row.get::<Option<i64>>("renewed_at")?.map(time_from).transpose()?,
        tokens_from: row.get("tokens_from")?,
        user_agent: row.get("user_agent")?,
        address: row.get("address")?,
        revoked_at: row.get::<Option<i64>>("revoked_at")?.map(time_from).transpose()?,
        revision: row.get("revision")?,
    })
}

fn previous_in(row: &Row) -> Result<Option<Previous>, sqlx::Error> {
    let Some(hash) = row.get::<Option<Vec<u8>>>("previous_hash")? else { return Ok(None) };
    Ok(Some(Previous {
        secret_hash: hash_from(hash)?,
        sealed_successor: row.get("sealed_successor")?,
        rotated_at: time_from(row.get("rotated_at")?)?,
    }))
}

fn hash_from(bytes: Vec<u8>) -> Result<[u8; 32], sqlx::Error> {
    bytes.try_into().map_err(|_| corrupt("a hash that is not 32 bytes long"))
}
