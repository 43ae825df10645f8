//! One key, from the random generator to the row and back.

use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::{KeyError, Seals, SigningAlgorithm, generate, provider};
use crate::store::{KeyState, SigningKey};

/// Parsed once, ready for every use.
pub struct Key {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub signing: EncodingKey,
    pub verifying: DecodingKey,
    pub public: Jwk,
}

/// A new key, as it is kept.
pub async fn make(
    seals: &Seals,
    algorithm: SigningAlgorithm,
    state: KeyState,
    now: OffsetDateTime,
) -> Result<SigningKey, KeyError> {
    // An RSA key takes a good part of a second to find.
    let generated = spawn_blocking(move || generate::private_key(algorithm)).await;
    let private = generated.map_err(|error| KeyError::Generate(error.to_string()))??;
    let kid = parse("new", algorithm, &private)?.kid;
    Ok(SigningKey {
        sealed: seals.seal(&kid, &private),
        kid,
        algorithm: algorithm.as_str().to_owned(),
        state,
        created_at: now,
        state_since: now,
    })
}

/// The key of a row.
pub fn unseal(seals: &Seals, record: &SigningKey) -> Result<Key, KeyError> {
    let kid = record.kid.as_str();
    let private = seals.open(kid, &record.sealed).ok_or_else(|| KeyError::Sealed { kid: kid.to_owned() })?;
    let unusable = |reason: &str| KeyError::Unusable { kid: kid.to_owned(), reason: reason.to_owned() };
    let algorithm = SigningAlgorithm::from_name(&record.algorithm).ok_or_else(|| unusable("unknown algorithm"))?;
    let key = parse(kid, algorithm, &private)?;
    if key.kid == kid { Ok(key) } else { Err(unusable("its name is not its thumbprint")) }
}

fn parse(kid: &str, algorithm: SigningAlgorithm, pkcs8: &Zeroizing<Vec<u8>>) -> Result<Key, KeyError> {
    let unusable = |reason: String| KeyError::Unusable { kid: kid.to_owned(), reason };
    let signing = generate::encoding_key(algorithm, pkcs8).map_err(unusable)?;
    let refused = |error: jsonwebtoken::errors::Error| unusable(error.to_string());
    let mut public = Jwk::from_encoding_key(&signing, algorithm.into()).map_err(refused)?;
    let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(refused)?;
    public.common.key_id = Some(kid.clone());
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    let verifying = DecodingKey::from_jwk(&public).map_err(refused)?;
    provider::keep(algorithm, &signing).map_err(refused)?;
    Ok(Key { kid, algorithm, signing, verifying, public })
}
