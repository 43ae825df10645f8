//! Access tokens (RFC 9068): minted for one audience, and verified without trusting a word of them.
//!
//! A header says which of our keys to use and nothing more; the algorithm is the key's. Whatever we
//! do not write ourselves (`crit`, `jku`, `jwk`, `x5c`, duplicate or unknown members) is refused.

mod audience;

pub use audience::SessionTokens;

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use moka::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::issuer::Visitor;
use super::keys::{Key, KeyRing};
use super::role::Role;
use super::secret::{Secret, sha256};
use crate::store::SessionKind;

/// Mints and verifies; one for the whole server.
pub struct Tokens {
    issuer: String,
    audience: String,
    keys: Arc<KeyRing>,
    /// By digest of the token: a signature is checked at first sight only.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

/// An access token that was found good, but for the time and revocations.
pub struct Verified {
    pub claims: Claims,
    kid: String,
    /// Found once, so that a request needs one look-up for both.
    pub session: OnceLock<Arc<SessionTokens>>,
}

/// For whom a token speaks.
#[derive(Clone)]
pub struct Subject {
    pub account: Uuid,
    pub session: Uuid,
    pub kind: SessionKind,
    pub auth_version: i64,
    pub role: Role,
    pub email: Option<String>,
    /// Where another issuer vouches for him, who then has neither account nor session.
    pub visitor: Option<Arc<Visitor>>,
}

/// Exactly the members that we sign: another one, a missing one or a second one is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    iss: String,
    pub sub: Uuid,
    aud: String,
    exp: i64,
    nbf: i64,
    iat: i64,
    #[serde(rename = "jti")]
    _jti: String,
    pub sid: Uuid,
    pub ver: i64,
    pub role: Role,
    client_id: ClientId,
    /// In our own tokens only, so that a view may show it without asking the store.
    #[serde(default)]
    pub email: Option<String>,
}

/// The same as they are written; a visitor's have other members.
#[derive(Serialize)]
struct Written<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    nbf: i64,
    iat: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ver: Option<i64>,
    role: Role,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ClientId {
    Web,
    Mobile,
}

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The reason is for the log; outsiders learn only that it is refused.
    #[error("the token is refused: {0}")]
    Refused(&'static str),
    /// It may be the key of another replica.
    #[error("the token is refused: its key is not ours")]
    UnknownKey(String),
    #[error("cannot sign a token")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// How far clocks may differ.
pub const LEEWAY: Duration = Duration::seconds(30);

const TYPE: &str = "at+jwt";
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
const MAX_VERIFIED: u64 = 50_000;
/// Only bounds memory: the times are checked at every use.
const MAX_REMEMBERED: std::time::Duration = std::time::Duration::from_secs(900);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OurHeader {
    typ: String,
    alg: String,
    kid: String,
}

impl Tokens {
    pub fn new(issuer: String, audience: String, keys: Arc<KeyRing>) -> Self {
        let verified = Cache::builder().max_capacity(MAX_VERIFIED).time_to_live(MAX_REMEMBERED).build();
        Self { issuer, audience, keys, verified }
    }

    /// An access token for this server.
    pub fn mint(&self, subject: &Subject, lifetime: Duration, now: OffsetDateTime) -> Result<String, TokenError> {
        self.sign(&self.keys.signing(), subject, &self.audience, subject.email.as_deref(), lifetime, now)
    }

    /// A token that another service verifies with the public keys, and the name of the key that does.
    fn mint_for(
        &self,
        audience: &str,
        subject: &Subject,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<(String, String), TokenError> {
        let key = self.keys.signing();
        let token = self.sign(&key, subject, audience, None, lifetime, now)?;
        Ok((token, key.kid.clone()))
    }

    fn has_key(&self, kid: &str) -> bool {
        self.keys.has(kid)
    }

    /// A token of ours that is valid now.
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<Arc<Verified>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Refused("it is too long"));
        }
        let digest = sha256(token.as_bytes());
        if let Some(known) = self.verified.get(&digest) {
            if !self.keys.has(&known.kid) {
                return Err(TokenError::Refused("its key was revoked"));
            }
            known.claims.check_time(now)?;
            return Ok(known);
        }
        let (kid, claims) = self.read(token)?;
        let verified = Arc::new(Verified { claims, kid, session: OnceLock::new() });
        verified.claims.check_time(now)?;
        self.verified.insert(digest, Arc::clone(&verified));
        Ok(verified)
    }

    /// The key and the claims of a token that is or once was valid: everything is checked but the time.
    pub fn read(&self, token: &str) -> Result<(String, Claims), TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Refused("it is too long"));
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Refused("it is not a JWT"))?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Refused("it is not a JWT"))?;
        let header: OurHeader = decode(header)?;
        let Some(key) = self.keys.find(&header.kid) else { return Err(unknown(header.kid)) };
        if header.typ != TYPE || header.alg != key.algorithm.as_str() {
            return Err(TokenError::Refused("its header is not ours"));
        }
        canonical(signature)?;
        let algorithm = key.algorithm.into();
        if !jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key.verifying, algorithm)? {
            return Err(TokenError::Refused("its signature does not fit"));
        }
        let claims: Claims = decode(claims)?;
        if claims.iss != self.issuer || claims.aud != self.audience {
            return Err(TokenError::Refused("it is not by us and for us"));
        }
        Ok((header.kid, claims))
    }

    fn sign(
        &self,
        key: &Key,
        subject: &Subject,
        audience: &str,
        email: Option<&str>,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<String, TokenError> {
        let header =
            Header { typ: Some(TYPE.to_owned()), kid: Some(key.kid.clone()), ..Header::new(key.algorithm.into()) };
        let visitor = subject.visitor.as_deref();
        let account = subject.account.to_string();
        let scope = visitor.map(|visitor| visitor.scopes.join(" ")).filter(|scope| !scope.is_empty());
        let claims = Written {
            iss: &self.issuer,
            sub: visitor.map_or(&account, |visitor| &visitor.subject),
            aud: audience,
            exp: (now + lifetime).unix_timestamp(),
            nbf: now.unix_timestamp(),
            iat: now.unix_timestamp(),
            jti: Secret::random().encode(),
            sid: visitor.is_none().then_some(subject.session),
            ver: visitor.is_none().then_some(subject.auth_version),
            role: subject.role,
            client_id: visitor.map_or(client_id(subject.kind), |visitor| &visitor.client),
            scope,
            email,
        };
        Ok(jsonwebtoken::encode(&header, &claims, &key.signing)?)
    }
}

impl Claims {
    pub fn issued_at(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.iat).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    pub fn subject(&self) -> Subject {
        Subject {
            account: self.sub,
            session: self.sid,
            kind: self.client_id.into(),
            auth_version: self.ver,
            role: self.role,
            email: self.email.clone(),
            visitor: None,
        }
    }

    fn check_time(&self, now: OffsetDateTime) -> Result<(), TokenError> {
        let (now, leeway) = (now.unix_timestamp(), LEEWAY.whole_seconds());
        if now >= self.exp.saturating_add(leeway) {
            return Err(TokenError::Refused("it has expired"));
        }
        if now < self.nbf.max(self.iat).saturating_sub(leeway) {
            return Err(TokenError::Refused("it is not valid yet"));
        }
        Ok(())
    }
}

fn client_id(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Cookie => "web",
        SessionKind::Token => "mobile",
    }
}

impl From<ClientId> for SessionKind {
    fn from(client: ClientId) -> Self {
        match client {
            ClientId::Web => Self::Cookie,
            ClientId::Mobile => Self::Token,
        }
    }
}

/// Only what could be the name of a key is worth a look at the store.
fn unknown(kid: String) -> TokenError {
    let is_thumbprint = URL_SAFE_NO_PAD.decode(&kid).is_ok_and(|digest| digest.len() == 32);
    if is_thumbprint { TokenError::UnknownKey(kid) } else { TokenError::Refused("its key is not ours") }
}

pub fn decode<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    serde_json::from_slice(&canonical(part)?).map_err(|_| TokenError::Refused("it has other members than ours"))
}

/// Unpadded base64url in its one spelling; the engine refuses stray bits at the end.
pub fn canonical(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Refused("it is not base64url"))
}
