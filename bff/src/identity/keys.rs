//! The keys that sign tokens: made at first start, sealed at rest, parsed once, published as a JWKS.
//!
//! A key has one algorithm for life, and its name is the RFC 7638 thumbprint of its public half.

mod algorithm;
mod generate;
mod provider;

pub use algorithm::SigningAlgorithm;
pub use provider::install_provider;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::secret::sha256;
use crate::seal::SealingKey;
use crate::store::{self, Accounts, KeyState, SigningKey};

/// Every key that verifies, the one that signs among them.
pub struct KeyRing {
    keys: Vec<Key>,
    signing: usize,
    jwks: Jwks,
}

/// One key, ready for use.
pub struct Key {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub signing: EncodingKey,
    pub verifying: DecodingKey,
    state: KeyState,
    public: Jwk,
}

/// The public halves, as they are served.
#[derive(Debug, Clone)]
pub struct Jwks {
    pub body: Bytes,
    /// Strong, quotes included.
    pub etag: String,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "signing key {kid}: the master key in identity.master_key_file does not open it; \
         restore the file that belongs to this database"
    )]
    Sealed { kid: String },
    #[error("signing key {kid}: {reason}")]
    Unusable { kid: String, reason: String },
    #[error("identity.algorithm: there is no current {} key; add it to identity.key_algorithms", .0.as_str())]
    Missing(SigningAlgorithm),
    #[error("cannot make a signing key: {0}")]
    Generate(String),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl KeyRing {
    /// Reads the keys, after making one for each algorithm of `kept` that has none.
    pub async fn open(
        store: &Accounts,
        master: &SealingKey,
        kept: &[SigningAlgorithm],
        signing: SigningAlgorithm,
        now: OffsetDateTime,
    ) -> Result<Self, KeyError> {
        let stored = store.signing_keys().await?;
        for algorithm in kept {
            let has_key = |key: &SigningKey| key.state == KeyState::Current && key.algorithm == algorithm.as_str();
            if !stored.iter().any(has_key) {
                make(store, master, *algorithm, now).await?;
            }
        }
        // Read again: another server may have been first with a key.
        let stored = store.signing_keys().await?;
        let keys = stored.iter().map(|key| unseal(master, key)).collect::<Result<Vec<_>, _>>()?;
        Self::new(keys, signing)
    }

    fn new(keys: Vec<Key>, algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let signs = |key: &Key| key.state == KeyState::Current && key.algorithm == algorithm;
        let signing = keys.iter().position(signs).ok_or(KeyError::Missing(algorithm))?;
        let jwks = Jwks::new(&keys)?;
        Ok(Self { keys, signing, jwks })
    }

    /// The key that signs.
    pub fn signing(&self) -> &Key {
        &self.keys[self.signing]
    }

    pub fn find(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    pub fn jwks(&self) -> &Jwks {
        &self.jwks
    }
}

impl Jwks {
    fn new(keys: &[Key]) -> Result<Self, KeyError> {
        let set = JwkSet { keys: keys.iter().map(|key| key.public.clone()).collect() };
        let body = serde_json::to_vec(&set).map_err(|error| KeyError::Generate(error.to_string()))?;
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&sha256(&body)[..12]));
        Ok(Self { body: body.into(), etag })
    }
}

async fn make(
    store: &Accounts,
    master: &SealingKey,
    algorithm: SigningAlgorithm,
    now: OffsetDateTime,
) -> Result<(), KeyError> {
    // An RSA key takes a good part of a second to find.
    let generated = spawn_blocking(move || generate::private_key(algorithm)).await;
    let private = generated.map_err(|error| KeyError::Generate(error.to_string()))??;
    let kid = parse("new", algorithm, KeyState::Current, &private)?.kid;
    let record = SigningKey {
        sealed: master.seal(&kid, &private),
        kid,
        algorithm: algorithm.as_str().to_owned(),
        state: KeyState::Current,
        created_at: now,
        state_since: now,
    };
    if store.insert_signing_key(&record).await? {
        tracing::info!(kid = record.kid, algorithm = algorithm.as_str(), "made a signing key");
    }
    Ok(())
}

fn unseal(master: &SealingKey, record: &SigningKey) -> Result<Key, KeyError> {
    let kid = record.kid.as_str();
    let private = master.open(kid, &record.sealed).ok_or_else(|| KeyError::Sealed { kid: kid.to_owned() })?;
    let unusable = |reason: &str| KeyError::Unusable { kid: kid.to_owned(), reason: reason.to_owned() };
    let algorithm = SigningAlgorithm::from_name(&record.algorithm).ok_or_else(|| unusable("unknown algorithm"))?;
    let key = parse(kid, algorithm, record.state, &private)?;
    if key.kid == kid { Ok(key) } else { Err(unusable("its name is not its thumbprint")) }
}

fn parse(kid: &str, algorithm: SigningAlgorithm, state: KeyState, pkcs8: &Zeroizing<Vec<u8>>) -> Result<Key, KeyError> {
    let unusable = |reason: String| KeyError::Unusable { kid: kid.to_owned(), reason };
    let signing = generate::encoding_key(algorithm, pkcs8).map_err(unusable)?;
    let refused = |error: jsonwebtoken::errors::Error| unusable(error.to_string());
    let mut public = Jwk::from_encoding_key(&signing, algorithm.into()).map_err(refused)?;
    let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(refused)?;
    public.common.key_id = Some(kid.clone());
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    let verifying = DecodingKey::from_jwk(&public).map_err(refused)?;
    provider::keep(algorithm, &signing).map_err(refused)?;
    Ok(Key { kid, algorithm, signing, verifying, state, public })
}
