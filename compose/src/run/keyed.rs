//! A batch whose results are kept by key: what one key asks for, the request of some of them, and its reply by key.

use std::borrow::Cow;

use bytes::Bytes;
use hashbrown::HashMap;

use super::decoded;
use super::found::{Key, Keys, results};
use super::tags::Tags;
use crate::decode::Items;
use crate::encode::with_keys;
use crate::expr::{Fault, Value};
use crate::plan::Call;
use crate::upstream::{CallError, Code, Part, Target};

/// Holds all that it needs, so that whoever answers it may do so later.
#[derive(Debug)]
pub struct Keyed {
    /// The request without its keys.
    pub target: Target,
    pub body: Bytes,
    pub(super) keys: Keys,
    /// Those of the first key, then those of the second.
    pub(super) tags: Tags,
}

impl Keyed {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that tell a key from the others of its call.
    pub fn key(&self, index: usize) -> Cow<'_, [u8]> {
        match self.keys.get(index) {
            Some(Key::Text(text)) => text,
            Some(Key::Integer(integer)) => Cow::Owned(integer.to_be_bytes().to_vec()),
            None => Cow::Borrowed(&[]),
        }
    }

    /// What makes the result of this key stale.
    pub fn tags(&self, index: usize) -> impl Iterator<Item = &str> {
        let each = self.tags.iter().len() / self.len().max(1);
        (index * each..(index + 1) * each).map(|tag| self.tags.get(tag))
    }

    /// The request for these of the keys; no more of them than the service takes at once.
    pub fn request(&self, call: &Call, keys: &[usize]) -> Result<(Target, Bytes), CallError> {
        let keys: Vec<Value<'_>> = keys.iter().map(|key| self.keys.value(*key)).collect();
        let failed = |fault: Fault| CallError::new(fault.code, fault.0.message);
        with_keys(&call.request, (&self.target, &self.body), &keys).map_err(failed)
    }

    /// The parts that the reply to the request for these keys has for them.
    pub fn split(&self, call: &Call, reply: &Bytes, keys: &[usize]) -> Result<Vec<Part>, CallError> {
        let tape = decoded(call, reply.clone())?;
        let (Some(layout), Some(batch)) = (&call.layout, call.each.as_ref().and_then(|each| each.batch.as_ref()))
        else {
            return Err(CallError::new(Code::Internal, "what is kept by key is a batch"));
        };
        let list = results(batch, &tape);
        let values: Vec<Value<'_>> = list.iter().flat_map(|list| list.iter()).collect();
        let found: Vec<Value<'_>> = values.iter().map(|value| result_key(value, batch.key)).collect();
        // Of two results with the same key the first counts.
        let mut places: HashMap<Key<'_>, usize> = HashMap::with_capacity(found.len());
        for (place, key) in found.iter().enumerate() {
            if let Some(key) = Key::of(key) {
                places.entry(key).or_insert(place);
            }
        }
        let items = Items::of(layout, batch.items, reply).filter(|items| items.len() == values.len());
        let part = |place: usize| items.as_ref().map_or_else(|| reply.clone(), |items| items.alone(reply, place));
        let keys = keys.iter().map(|key| self.keys.get(*key));
        Ok(keys.map(|key| key.and_then(|key| places.get(&key).copied()).map(part)).collect())
    }
}

fn result_key<'v>(result: &Value<'v>, slot: u16) -> Value<'v> {
    match result {
        Value::Record(node) => node.slot(slot),
        _ => Value::Null,
    }
}
