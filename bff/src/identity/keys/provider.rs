//! Signing for jsonwebtoken with keys that were parsed before.
//!
//! By itself jsonwebtoken parses the private key for every token, which takes longer than signing.
//! Its door for a better way is a plain function, so the parsed keys have to live in a static.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    RsaKeyPair,
};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, EncodingKey};
use signature::Signer;

use super::SigningAlgorithm;
use crate::identity::secret::sha256;

/// Makes jsonwebtoken sign with kept keys, for the whole process; idempotent.
pub fn install_provider() {
    // The error says only that a provider is there already.
    let _ = PROVIDER.install_default();
}

/// Parses a key for every later use.
pub(super) fn keep(algorithm: SigningAlgorithm, key: &EncodingKey) -> Result<(), Error> {
    let parsed = Arc::new(Parsed::new(algorithm.into(), key)?);
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < MAX_KEPT {
        kept.insert(sha256(key.as_bytes()), parsed);
    }
    Ok(())
}

/// More than a server ever holds; a key beyond it is parsed for each use and works all the same.
const MAX_KEPT: usize = 256;

static PROVIDER: LazyLock<CryptoProvider> =
    LazyLock::new(|| CryptoProvider { signer_factory: signer, ..DEFAULT_PROVIDER.clone() });

static KEPT: LazyLock<RwLock<HashMap<[u8; 32], Arc<Parsed>>>> = LazyLock::new(RwLock::default);

enum Parsed {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

struct KeptSigner {
    algorithm: Algorithm,
    key: Arc<Parsed>,
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner).get(&sha256(key.as_bytes())).cloned();
    match kept {
        Some(key) => Ok(Box::new(KeptSigner { algorithm: *algorithm, key })),
        None => (DEFAULT_PROVIDER.signer_factory)(algorithm, key),
    }
}

impl Parsed {
    fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, Error> {
        let der = key.as_bytes();
        match algorithm {
            Algorithm::ES256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                .map(Self::Ecdsa)
                .map_err(|_| ErrorKind::InvalidEcdsaKey.into()),
            Algorithm::RS256 | Algorithm::PS256 => RsaKeyPair::from_der(der)
                .map(Self::Rsa)
                .map_err(|error| ErrorKind::InvalidRsaKey(error.to_string()).into()),
            Algorithm::EdDSA => {
                Ed25519KeyPair::from_pkcs8(der).map(Self::Ed25519).map_err(|_| ErrorKind::InvalidEddsaKey.into())
            }
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        }
    }
}

impl JwtSigner for KeptSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Signer<Vec<u8>> for KeptSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        match (&*self.key, self.algorithm) {
            (Parsed::Ecdsa(key), Algorithm::ES256) => {
                let signature = key.sign(&SystemRandom::new(), message).map_err(signature::Error::from_source)?;
                Ok(signature.as_ref().to_vec())
            }
            (Parsed::Rsa(key), Algorithm::RS256) => sign_rsa(key, &RSA_PKCS1_SHA256, message),
            (Parsed::Rsa(key), Algorithm::PS256) => sign_rsa(key, &RSA_PSS_SHA256, message),
            (Parsed::Ed25519(key), Algorithm::EdDSA) => Ok(key.sign(message).as_ref().to_vec()),
            _ => Err(signature::Error::from_source("the key is of another algorithm")),
        }
    }
}

fn sign_rsa(key: &RsaKeyPair, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(signature::Error::from_source)?;
    Ok(signature)
}
