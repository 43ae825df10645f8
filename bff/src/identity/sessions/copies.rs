//! Sessions as they were last read, for when the records are away: sealed, and where every replica finds them.
//!
//! Redis has them where it is used, else this process's memory: the database, where other values are kept then, is what
//! would be away. Staff's are in neither, and nothing is decided by a copy while the records answer.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::future::Cache;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Live;
use crate::seal::SealingKey;
use crate::store::{Account, KeyValue, Session, SessionKind};

pub struct Copies {
    place: Place,
    seal: SealingKey,
}

enum Place {
    Shared(KeyValue),
    Here(Cache<String, Vec<u8>>),
}

/// By what a copy is found.
pub enum Name {
    /// Of a cookie.
    Secret([u8; 32]),
    /// Of the session of a refresh token.
    Session(Uuid),
}

/// As long as a token would count without a look at the records.
pub const KEPT: Duration = Duration::from_secs(600);
const MAX_HERE: u64 = 50_000;
/// Of a row that no write fits, so that none is made from a copy.
const NO_REVISION: i64 = -1;

/// The form under the seal; of a session that was live, so that its version is its account's.
#[derive(Serialize, Deserialize)]
struct Note<'a> {
    #[serde(with = "timestamp")]
    read_at: OffsetDateTime,
    id: Uuid,
    account: Uuid,
    is_cookie: bool,
    secret_hash: [u8; 32],
    generation: u32,
    #[serde(with = "timestamp")]
    created_at: OffsetDateTime,
    #[serde(with = "timestamp")]
    last_seen_at: OffsetDateTime,
    #[serde(with = "timestamp")]
    idle_expires_at: OffsetDateTime,
    #[serde(with = "timestamp")]
    absolute_expires_at: OffsetDateTime,
    version: i64,
    tokens_from: i64,
    role: Cow<'a, str>,
    name: Cow<'a, str>,
    email: Option<Cow<'a, str>>,
    phone: Option<Cow<'a, str>>,
}

impl Copies {
    pub fn new(values: KeyValue, seal: SealingKey) -> Self {
        let here = || Cache::builder().max_capacity(MAX_HERE).time_to_live(KEPT).build();
        let place = if values.is_remote() { Place::Shared(values) } else { Place::Here(here()) };
        Self { place, seal }
    }

    /// Best effort: without it less is served while the records are away. Redis is boxed, so that no request carries it.
    pub async fn keep(&self, live: &Live, read_at: OffsetDateTime) {
        if live.role.is_privileged() {
            return;
        }
        let name = Name::of(&live.session).key();
        let sealed = self.seal.seal(&name, &written(live, read_at));
        match &self.place {
            Place::Here(copies) => copies.insert(name, sealed).await,
            Place::Shared(values) => {
                if let Err(error) = Box::pin(values.put(&name, &sealed, KEPT)).await {
                    tracing::debug!(%error, "cannot keep a copy of a session");
                }
            }
        }
    }

    /// The session as it was then, if that is not too long ago.
    pub async fn find(&self, name: &Name, now: OffsetDateTime) -> Option<(Live, OffsetDateTime)> {
        let key = name.key();
        let sealed = match &self.place {
            Place::Here(copies) => copies.get(&key).await?,
            Place::Shared(values) => Box::pin(values.get(&key)).await.ok()??.to_vec(),
        };
        let plain = self.seal.open(&key, &sealed)?;
        let (live, read_at) = read(&plain)?;
        (now - read_at < KEPT && !live.role.is_privileged()).then_some((live, read_at))
    }

    /// Of what may no longer be as it was.
    pub async fn forget(&self, name: &Name) {
        match &self.place {
            Place::Here(copies) => copies.invalidate(&name.key()).await,
            Place::Shared(values) => {
                if let Err(error) = Box::pin(values.delete(&name.key())).await {
                    tracing::debug!(%error, "cannot remove the copy of a session");
                }
            }
        }
    }
}

impl Name {
    fn of(session: &Session) -> Self {
        match session.kind {
            SessionKind::Cookie => Self::Secret(session.secret_hash),
            SessionKind::Token => Self::Session(session.id),
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Secret(hash) => format!("session:cookie:{}", URL_SAFE_NO_PAD.encode(hash)),
            Self::Session(id) => format!("session:token:{id}"),
        }
    }
}

fn written(live: &Live, read_at: OffsetDateTime) -> Zeroizing<Vec<u8>> {
    let Live { session, account, .. } = live;
    let note = Note {
        read_at,
        id: session.id,
        account: account.id,
        is_cookie: session.kind == SessionKind::Cookie,
        secret_hash: session.secret_hash,
        generation: session.generation,
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
        idle_expires_at: session.idle_expires_at,
        absolute_expires_at: session.absolute_expires_at,
        version: account.auth_version,
        tokens_from: session.tokens_from,
        role: account.role.as_str().into(),
        name: account.name.as_str().into(),
        email: account.email.as_deref().map(Cow::Borrowed),
        phone: account.phone.as_deref().map(Cow::Borrowed),
    };
    Zeroizing::new(serde_json::to_vec(&note).expect("text and numbers can always be written"))
}

fn read(plain: &[u8]) -> Option<(Live, OffsetDateTime)> {
    let note: Note<'_> = serde_json::from_slice(plain).ok()?;
    let session = Session {
        id: note.id,
        account_id: note.account,
        kind: if note.is_cookie { SessionKind::Cookie } else { SessionKind::Token },
        secret_hash: note.secret_hash,
        generation: note.generation,
        previous: None,
        created_at: note.created_at,
        last_seen_at: note.last_seen_at,
        idle_expires_at: note.idle_expires_at,
        absolute_expires_at: note.absolute_expires_at,
        auth_version: note.version,
        renewed_at: None,
        tokens_from: note.tokens_from,
        user_agent: None,
        address: None,
        revoked_at: None,
        revision: NO_REVISION,
    };
    let account = Account {
        id: note.account,
        email: note.email.map(Cow::into_owned),
        email_verified_at: None,
        phone: note.phone.map(Cow::into_owned),
        phone_verified_at: None,
        password_hash: None,
        name: note.name.into_owned(),
        locale: None,
        role: note.role.into_owned(),
        auth_version: note.version,
        credentials_changed_at: note.created_at,
        created_at: note.created_at,
        disabled_at: None,
        deleted_at: None,
    };
    let role = account.role.parse().ok()?;
    Some((Live { session, account, role }, note.read_at))
}
