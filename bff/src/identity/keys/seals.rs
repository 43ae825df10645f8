//! Under what the private keys are kept: one master key, and another one that opens too while they change.

use zeroize::Zeroizing;

use crate::seal::SealingKey;

pub struct Seals {
    key: SealingKey,
    previous: Option<SealingKey>,
}

impl Seals {
    pub fn new(key: SealingKey, previous: Option<SealingKey>) -> Self {
        Self { key, previous }
    }

    pub fn seal(&self, name: &str, private: &[u8]) -> Vec<u8> {
        self.key.seal(name, private)
    }

    pub fn open(&self, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.key.open(name, sealed).or_else(|| self.previous.as_ref()?.open(name, sealed))
    }

    /// The same under the master key, if it is still under the previous one.
    pub fn renewed(&self, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        if self.key.open(name, sealed).is_some() {
            return None;
        }
        Some(self.seal(name, &self.previous.as_ref()?.open(name, sealed)?))
    }
}
