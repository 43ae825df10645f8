//! What an entry is found by: everything that its reply depends on, as bytes that nothing else has.

use std::sync::Arc;

pub type Key = Arc<[u8]>;

/// A key while it is written. Every part stands behind its length, so that no two keys of different parts are the same.
#[derive(Debug, Clone, Default)]
pub struct KeyText(Vec<u8>);

const ROOM: usize = 384;

impl KeyText {
    /// Begins with what was written before.
    pub fn after(start: &[u8]) -> Self {
        let mut text = Vec::with_capacity(ROOM + start.len());
        text.extend_from_slice(start);
        Self(text)
    }

    pub fn part(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes()[2..]);
        self.0.extend_from_slice(part);
    }

    pub fn mark(&self) -> usize {
        self.0.len()
    }

    /// Takes back what was written since.
    pub fn back_to(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn key(&self) -> Key {
        self.0.as_slice().into()
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
