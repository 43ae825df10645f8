//! A call with `each`: the distinct keys that go out, and the results found by key.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use crate::definition::{Missing, Then};
use crate::expr::{Env, Fault, List, Value, unescaped};
use crate::plan::{Batch, Call, Each};
use crate::tape::{Cell, Tape};
use crate::upstream::Code;

/// A key as it is compared: all keys of a call are texts, or all are integers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key<'k> {
    Text(Cow<'k, [u8]>),
    Integer(i128),
}

impl<'k> Key<'k> {
    /// None of what is no key, such as null.
    pub fn of(value: &'k Value<'_>) -> Option<Key<'k>> {
        match value {
            Value::Text(text) => Some(Key::Text(Cow::Borrowed(text))),
            Value::Escaped(text) => Some(Key::Text(unescaped(text))),
            value => value.integer().map(Key::Integer),
        }
    }

    fn hash(&self, seed: &DefaultHashBuilder) -> u64 {
        let mut hasher = seed.build_hasher();
        match self {
            Key::Text(text) => hasher.write(text),
            Key::Integer(integer) => hasher.write_i128(*integer),
        }
        hasher.finish()
    }

    fn of_cell(tape: &'k Tape, cell: Cell) -> Option<Key<'k>> {
        match cell {
            Cell::Text(span) => Some(Key::Text(Cow::Borrowed(tape.slice(span)))),
            Cell::Escaped(span) => Some(Key::Text(unescaped(tape.slice(span)))),
            Cell::Int(i) => Some(Key::Integer(i.into())),
            Cell::Uint(u) => Some(Key::Integer(u.into())),
            _ => None,
        }
    }
}

/// Keys that outlive the values they were, with the texts of all in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    texts: Vec<u8>,
    keys: Vec<Kept>,
}

#[derive(Debug)]
enum Kept {
    Text { from: usize, to: usize },
    Integer(i128),
}

impl Keys {
    pub fn with_capacity(keys: usize) -> Keys {
        Keys { texts: Vec::with_capacity(keys * 16), keys: Vec::with_capacity(keys) }
    }

    pub fn push(&mut self, key: &Key<'_>) {
        let from = self.texts.len();
        self.keys.push(match key {
            Key::Text(text) => {
                self.texts.extend_from_slice(text);
                Kept::Text { from, to: self.texts.len() }
            }
            Key::Integer(integer) => Kept::Integer(*integer),
        });
    }

    pub fn get(&self, index: usize) -> Option<Key<'_>> {
        Some(match self.keys.get(index)? {
            Kept::Text { from, to } => Key::Text(Cow::Borrowed(&self.texts[*from..*to])),
            Kept::Integer(integer) => Key::Integer(*integer),
        })
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key as a value, to be sent.
    pub fn value(&self, index: usize) -> Value<'_> {
        match self.get(index) {
            Some(Key::Text(text)) => Value::Text(text),
            Some(Key::Integer(integer)) => Value::of_integer(integer),
            None => Value::Null,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Key<'_>> {
        (0..self.keys.len()).map_while(|index| self.get(index))
    }
}

/// The results of a call with `each`, by key.
#[derive(Debug)]
pub(crate) struct Found {
    tapes: Vec<Arc<Tape>>,
    /// One for each key that has a result, in the order of the replies.
    places: Vec<Place>,
    by_key: HashTable<usize>,
    hasher: DefaultHashBuilder,
    keyed: Keyed,
    pub missing: Missing,
}

#[derive(Debug)]
enum Keyed {
    /// Every key had a request of its own.
    ByRequest(Keys),
    /// The keys stay where they are: in this slot of the results.
    InSlot(u16),
}

#[derive(Debug, Clone, Copy)]
struct Place {
    tape: u32,
    /// Of a list: the item. Else which of the keys it is for.
    record: u32,
}

impl Found {
    pub fn none(missing: Missing) -> Found {
        Found::by_request(Keys::default(), Vec::new(), missing)
    }

    /// The replies in the order of the keys; none where the service has no result.
    pub fn by_request(keys: Keys, replies: Vec<Option<Arc<Tape>>>, missing: Missing) -> Found {
        let results = (0..).zip(replies).filter_map(|(key, tape)| Some((key, tape?)));
        let (keyed, tapes): (Vec<u32>, Vec<Arc<Tape>>) = results.unzip();
        let places = (0..).zip(keyed).map(|(tape, record)| Place { tape, record }).collect();
        Found::new(Keyed::ByRequest(keys), places, tapes, missing)
    }

    pub fn in_lists(batch: &Batch, missing: Missing, tapes: Vec<Arc<Tape>>) -> Found {
        let mut places = Vec::new();
        for (i, tape) in (0..).zip(&tapes) {
            let Some(list) = results(batch, tape) else { continue };
            places.reserve(list.len());
            for item in list.iter() {
                if let Value::Record(node) = item {
                    places.push(Place { tape: i, record: node.at });
                }
            }
        }
        Found::new(Keyed::InSlot(batch.key), places, tapes, missing)
    }

    /// Of two results with the same key the first counts.
    fn new(keyed: Keyed, mut places: Vec<Place>, tapes: Vec<Arc<Tape>>, missing: Missing) -> Found {
        let hasher = DefaultHashBuilder::default();
        let mut by_key = HashTable::with_capacity(places.len());
        let mut next = 0;
        for i in 0..places.len() {
            let Some(key) = keyed.key(&tapes, places[i]) else { continue };
            let of = |index: &usize| keyed.key(&tapes, places[*index]);
            let same = |other: &usize| of(other).is_some_and(|other| other == key);
            let hash = |other: &usize| of(other).map_or(0, |key| key.hash(&hasher));
            if *by_key.entry(key.hash(&hasher), same, hash).or_insert(next).get() == next {
                places[next] = places[i];
                next += 1;
            }
        }
        places.truncate(next);
        Found { tapes, places, by_key, hasher, keyed, missing }
    }

    /// The place of the key's result. Keys mostly come in the order of their results: the place `next` is looked at first.
    pub fn place(&self, key: &Key<'_>, next: usize) -> Option<usize> {
        let same = |index: &usize| {
            let place = self.places.get(*index);
            place.and_then(|place| self.keyed.key(&self.tapes, *place)).is_some_and(|other| other == *key)
        };
        if same(&next) {
            return Some(next);
        }
        self.by_key.find(key.hash(&self.hasher), same).copied()
    }

    /// Every result that is not null, in the order of the replies.
    pub fn all(&self) -> Vec<Value<'_>> {
        (0..self.places.len()).map(|place| self.at(place)).filter(|value| !value.is_null()).collect()
    }

    /// The result at a place.
    pub fn at(&self, place: usize) -> Value<'_> {
        let Some(place) = self.places.get(place) else { return Value::Null };
        let tape = &self.tapes[place.tape as usize];
        match self.keyed {
            Keyed::ByRequest(_) => Value::of_tape(tape),
            Keyed::InSlot(_) => Value::of_cell(tape, Cell::Record(place.record)),
        }
    }
}

impl Keyed {
    fn key<'k>(&'k self, tapes: &'k [Arc<Tape>], place: Place) -> Option<Key<'k>> {
        match self {
            Keyed::ByRequest(keys) => keys.get(place.record as usize),
            Keyed::InSlot(slot) => {
                let tape = tapes.get(place.tape as usize)?;
                Key::of_cell(tape, *tape.cells.get(place.record as usize + usize::from(*slot))?)
            }
        }
    }
}

/// The list of a reply's results.
pub(crate) fn results<'t>(batch: &Batch, tape: &'t Tape) -> Option<List<'t>> {
    match (Value::of_tape(tape), batch.items) {
        (Value::Record(root), Some(slot)) => match root.slot(slot) {
            Value::List(list) => Some(list),
            _ => None,
        },
        (Value::List(list), _) => Some(list),
        _ => None,
    }
}

/// What a look-up outside the keys gives: null where the call may fail so.
pub(crate) fn absent(call: &Call, missing: Missing) -> Missing {
    match call.on_fail.of(Code::Internal).then {
        Then::Null | Then::Omit if missing == Missing::Fail => Missing::Null,
        _ => missing,
    }
}

/// Room for so many keys is made at once.
const USUAL_KEYS: usize = 16;

/// The distinct keys, in the order they are first met; null is no key.
pub(crate) fn keys<'a>(each: &'a Each, env: &mut Env<'a>) -> Result<Vec<Value<'a>>, Fault> {
    let usual = each.bound.min(USUAL_KEYS);
    let (mut distinct, mut seen) = (Vec::<Value<'a>>::with_capacity(usual), HashTable::with_capacity(usual));
    let hasher = DefaultHashBuilder::default();
    env.each(&each.keys.lists, &each.keys.key, &mut |value| {
        let Some(key) = Key::of(&value) else { return };
        let same = |other: &usize| Key::of(&distinct[*other]).is_some_and(|other| other == key);
        let hash = |other: &usize| Key::of(&distinct[*other]).map_or(0, |key| key.hash(&hasher));
        let next = distinct.len();
        if *seen.entry(key.hash(&hasher), same, hash).or_insert(next).get() == next {
            distinct.push(value);
        }
    })?;
    Ok(distinct)
}
