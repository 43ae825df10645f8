//! A call with `each`: the distinct keys that go out, and the results found by key.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use crate::definition::{Missing, Then};
use crate::expr::{Env, Fault, Value};
use crate::plan::{Batch, Call, Keys};
use crate::tape::{Cell, Tape};
use crate::upstream::Code;

/// The results of a call with `each`, by key.
#[derive(Debug)]
pub(crate) struct Found {
    results: Results,
    pub missing: Missing,
}

#[derive(Debug)]
enum Results {
    /// Every key had a request of its own: the replies in the order of the keys, and which is whose.
    ByRequest {
        tapes: Vec<Tape>,
        places: HashMap<String, usize>,
    },
    InLists(Lists),
}

/// The results of a batch. The keys stay where they are: in the replies.
#[derive(Debug)]
struct Lists {
    tapes: Vec<Tape>,
    /// Of every result: its reply, and its place in the list there.
    places: HashTable<Place>,
    hasher: DefaultHashBuilder,
    key: u16,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    tape: u32,
    record: u32,
}

impl Found {
    pub fn none(missing: Missing) -> Found {
        Found::by_request(std::iter::empty(), missing)
    }

    pub fn by_request(replies: impl Iterator<Item = (String, Tape)>, missing: Missing) -> Found {
        let (keys, tapes): (Vec<String>, Vec<Tape>) = replies.unzip();
        let places = keys.into_iter().zip(0..).collect();
        Found { results: Results::ByRequest { tapes, places }, missing }
    }

    pub fn in_lists(batch: &Batch, missing: Missing, tapes: Vec<Tape>) -> Found {
        Found { results: Results::InLists(Lists::new(batch, tapes)), missing }
    }

    pub fn get(&self, key: &Value<'_>) -> Option<Value<'_>> {
        let key = key.text()?;
        match &self.results {
            Results::ByRequest { tapes, places } => places.get(&*key).and_then(|i| tapes.get(*i)).map(Value::of_tape),
            Results::InLists(lists) => lists.get(&key),
        }
    }

    /// Every result that is not null, in the order of the replies.
    pub fn all(&self) -> Vec<Value<'_>> {
        match &self.results {
            Results::ByRequest { tapes, .. } => {
                tapes.iter().map(Value::of_tape).filter(|value| !value.is_null()).collect()
            }
            Results::InLists(lists) => lists.all(),
        }
    }
}

impl Lists {
    /// Of two results with the same key the first counts.
    fn new(batch: &Batch, tapes: Vec<Tape>) -> Lists {
        let mut lists = Lists {
            tapes: Vec::new(),
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            key: batch.key,
        };
        for (i, tape) in tapes.iter().enumerate() {
            let list = match (Value::of_tape(tape), batch.items) {
                (Value::Record(root), Some(slot)) => root.slot(slot),
                (list, _) => list,
            };
            let Value::List(list) = list else { continue };
            for item in list.iter() {
                let Value::Record(node) = item else { continue };
                let place = Place { tape: i as u32, record: node.at };
                lists.insert(&tapes, place, &node.slot(batch.key));
            }
        }
        Lists { tapes, ..lists }
    }

    fn insert(&mut self, tapes: &[Tape], place: Place, key: &Value<'_>) {
        let Some(text) = key.text() else { return };
        let hash = self.hasher.hash_one(&*text);
        let (slot, hasher) = (self.key, &self.hasher);
        let same = |other: &Place| key_at(tapes, *other, slot).is_some_and(|k| k == text);
        if self.places.find(hash, same).is_none() {
            let rehash = |place: &Place| hasher.hash_one(key_at(tapes, *place, slot).as_deref().unwrap_or_default());
            self.places.insert_unique(hash, place, rehash);
        }
    }

    fn get(&self, key: &str) -> Option<Value<'_>> {
        let same = |place: &Place| key_at(&self.tapes, *place, self.key).is_some_and(|k| k == key);
        let place = self.places.find(self.hasher.hash_one(key), same)?;
        Some(self.at(place))
    }

    fn all(&self) -> Vec<Value<'_>> {
        let mut places: Vec<&Place> = self.places.iter().collect();
        places.sort_unstable_by_key(|place| (place.tape, place.record));
        places.into_iter().map(|place| self.at(place)).collect()
    }

    fn at(&self, place: &Place) -> Value<'_> {
        Value::of_cell(&self.tapes[place.tape as usize], Cell::Record(place.record))
    }
}

fn key_at(tapes: &[Tape], place: Place, slot: u16) -> Option<Cow<'_, str>> {
    let tape = tapes.get(place.tape as usize)?;
    match Value::of_cell(tape, *tape.cells.get(place.record as usize + usize::from(slot))?) {
        Value::Text(t) => Some(t),
        other => other.text().map(|t| Cow::Owned(t.into_owned())),
    }
}

/// What a look-up outside the keys gives: null where the call may fail so.
pub(crate) fn absent(call: &Call, missing: Missing) -> Missing {
    match call.on_fail.of(Code::Internal).then {
        Then::Null | Then::Omit if missing == Missing::Fail => Missing::Null,
        _ => missing,
    }
}

/// The distinct keys, in the order they are first met; null is no key.
pub(crate) fn keys<'a>(keys: &'a Keys, env: &mut Env<'a>) -> Result<Vec<Value<'a>>, Fault> {
    let mut distinct = Vec::new();
    let mut seen = HashSet::new();
    env.each(&keys.lists, &keys.key, &mut |key| {
        if let Some(text) = key.text()
            && seen.insert(text.into_owned())
        {
            distinct.push(key);
        }
    })?;
    Ok(distinct)
}
