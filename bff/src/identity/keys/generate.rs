//! New private keys in PKCS #8, and their way from there into jsonwebtoken.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use jsonwebtoken::EncodingKey;
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use zeroize::Zeroizing;

use super::{KeyError, SigningAlgorithm};

/// Slow for RSA: call it where blocking is allowed.
pub fn private_key(algorithm: SigningAlgorithm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let random = SystemRandom::new();
    let document = match algorithm {
        SigningAlgorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
        SigningAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&random),
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => return rsa_key(),
    };
    let document = document.map_err(|error| KeyError::Generate(error.to_string()))?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

pub fn encoding_key(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<EncodingKey, String> {
    match algorithm {
        SigningAlgorithm::Es256 => Ok(EncodingKey::from_ec_der(pkcs8)),
        SigningAlgorithm::EdDsa => Ok(EncodingKey::from_ed_der(pkcs8)),
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
            // The `rsa` crate converts keys and never signs: its arithmetic leaks timing (RUSTSEC-2023-0071).
            let key = RsaPrivateKey::from_pkcs8_der(pkcs8).map_err(|error| error.to_string())?;
            let pkcs1 = key.to_pkcs1_der().map_err(|error| error.to_string())?;
            Ok(EncodingKey::from_rsa_der(pkcs1.as_bytes()))
        }
    }
}

fn rsa_key() -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let key = KeyPair::generate(KeySize::Rsa3072);
    let document: Result<Pkcs8V1Der<'static>, Unspecified> = key.and_then(|key| key.as_der());
    let document = document.map_err(|error| KeyError::Generate(error.to_string()))?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}
