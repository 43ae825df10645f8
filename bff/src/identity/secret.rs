//! Secrets that a client keeps and the store does not: 256 random bits, of which only a hash is stored.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// No `Debug`, no `Serialize`: it leaves only where `encode` is written.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(&mut bytes[..]).expect("the system's random generator works");
        Self(bytes)
    }

    /// The inverse of `encode`; refuses every other spelling.
    pub fn decode(text: &str) -> Option<Self> {
        // 32 bytes are 43 characters: nothing longer is worth decoding.
        if text.len() != 43 {
            return None;
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        Self::from_bytes(&bytes)
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0[..])
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key of its own for each purpose: none tells of another, or of this.
    pub fn derive(&self, purpose: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0[..]);
        Self::from_bytes(hmac::sign(&key, purpose.as_bytes()).as_ref()).expect("HMAC-SHA-256 yields 32 bytes")
    }

    /// What the store keeps. A plain hash is enough: there is nothing to guess in 256 random bits.
    pub fn hash(&self) -> [u8; 32] {
        sha256(&self.0[..])
    }
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 yields 32 bytes")
}
