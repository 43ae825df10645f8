//! Encryption of what is stored: AES-256-GCM with a random nonce, bound to the name of what it holds.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
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

#[cfg(test)]
mod tests {
    use super::*;

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
