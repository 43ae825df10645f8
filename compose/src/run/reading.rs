//! A reply as its call reads it, so that whoever keeps the reply need not have it decoded each time it is used.

use std::sync::Arc;

use bytes::Bytes;

use super::send::decoded;
use crate::plan::Call;
use crate::tape::Tape;
use crate::upstream::CallError;

#[derive(Debug, Clone)]
pub struct Reading {
    pub(super) tape: Arc<Tape>,
    bytes: usize,
}

impl Reading {
    /// An error where the reply breaks its contract, as far as the call reads it.
    pub fn of(call: &Call, reply: &Bytes) -> Result<Reading, CallError> {
        let tape = decoded(call, reply.clone())?;
        // A large reply of which little is used is let go.
        let own = if tape.bytes.as_ptr() == reply.as_ptr() { 0 } else { tape.bytes.len() };
        let bytes = size_of::<Tape>() + size_of_val(tape.cells.as_slice()) + own;
        Ok(Reading { tape: Arc::new(tape), bytes })
    }

    /// What it takes in memory beside the reply.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
