//! Encryption of what is stored: AES-256-GCM with a random nonce, bound to the name of what it holds.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// The nonce comes first, then the ciphertext with its tag.
pub struct SealingKey(RandomizedNonceKey);

impl SealingKey {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(RandomizedNonceKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes"))
    }

    pub fn seal(&self, name: &str, plaintext: &[u8]) -> Vec<u8> {
        // Room for the tag, so that growing leaves no copy of the plaintext behind.
        let mut ciphertext = Vec::with_capacity(plaintext.len() + AES_256_GCM.tag_len());
        ciphertext.extend_from_slice(plaintext);
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut ciphertext)
            .expect("sealing fails only beyond 64 GiB or without a random generator");
        [&nonce.as_ref()[..], &ciphertext].concat()
    }

    /// None if it was sealed under another key or name, or changed since.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        let length = self.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut plaintext).ok()?.len();
        plaintext.truncate(length);
        Some(plaintext)
    }
}

/// A name and a key for each of many things: the name tells nothing of the thing or its key, and so many are sealed
/// that nonces under one key for all would some day repeat.
pub struct SealingKeys(hmac::Key);

impl SealingKeys {
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA512, secret))
    }

    pub fn of(&self, thing: &[u8]) -> ([u8; 32], SealingKey) {
        let tag = hmac::sign(&self.0, thing);
        let (name, key) = tag.as_ref().split_first_chunk().expect("HMAC-SHA-512 yields 64 bytes");
        (*name, SealingKey::new(key.try_into().expect("HMAC-SHA-512 yields 64 bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_has_a_name_and_a_key_of_its_own() {
        let keys = SealingKeys::new(&[7; 32]);
        let [(a, of_a), (b, of_b)] = [b"a", b"b"].map(|thing| keys.of(thing));
        let (other, of_other) = SealingKeys::new(&[8; 32]).of(b"a");
        assert!(a != b && a != other);
        let sealed = of_a.seal("", b"secret");
        assert!(of_b.open("", &sealed).is_none() && of_other.open("", &sealed).is_none());
        let (again, of_again) = keys.of(b"a");
        assert_eq!((again, of_again.open("", &sealed).as_deref().map(Vec::as_slice)), (a, Some(&b"secret"[..])));
    }

    #[test]
    fn opens_only_under_its_own_key_and_name() {
        let key = SealingKey::new(&[7; 32]);
        let sealed = key.seal("a", b"secret");
        assert_eq!(key.open("a", &sealed).as_deref().map(Vec::as_slice), Some(&b"secret"[..]));
        assert!(key.open("b", &sealed).is_none());
        assert!(SealingKey::new(&[8; 32]).open("a", &sealed).is_none());
        assert!(key.open("a", &sealed[..sealed.len() - 1]).is_none());
        assert!(key.open("a", b"short").is_none());
        assert_ne!(sealed, key.seal("a", b"secret"));
    }
}
