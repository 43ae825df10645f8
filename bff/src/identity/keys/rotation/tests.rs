use std::collections::{BTreeSet, HashMap, HashSet};

use time::macros::datetime;

use super::*;

const NOON: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);
const ALGORITHM: SigningAlgorithm = SigningAlgorithm::Es256;
const KEPT: [SigningAlgorithm; 1] = [ALGORITHM];
/// A token lives for an hour, and a replica looks every hour.
const RULES: Rules = Rules { every: Duration::hours(4), ahead: Duration::hours(2), keep: Duration::hours(3) };

fn key(kid: &str, state: KeyState, since: OffsetDateTime) -> SigningKey {
    let algorithm = ALGORITHM.as_str().to_owned();
    SigningKey { kid: kid.to_owned(), algorithm, state, sealed: Vec::new(), created_at: since, state_since: since }
}

#[test]
fn a_key_is_made_published_used_rested_and_forgotten() {
    let at = |hours| NOON + Duration::hours(hours);
    let due = |keys: &[SigningKey], hours| due(keys, &KEPT, &RULES, at(hours));
    assert_eq!(due(&[], 0), [Step::Make(ALGORITHM, KeyState::Current)]);

    let a = key("a", KeyState::Current, at(0));
    assert_eq!(due(std::slice::from_ref(&a), 0), [Step::Make(ALGORITHM, KeyState::Next)]);

    let keys = [a, key("b", KeyState::Next, at(0))];
    assert_eq!(due(&keys, 3), []);
    let promote = Step::Promote { next: "b".to_owned(), current: Some("a".to_owned()) };
    assert_eq!(due(&keys, 4), [promote]);

    let keys = [(KeyState::Retiring, "a"), (KeyState::Current, "b"), (KeyState::Next, "c")];
    let keys = keys.map(|(state, kid)| key(kid, state, at(4)));
    assert_eq!(due(&keys, 6), []);
    assert_eq!(due(&keys, 7), [Step::Forget("a".to_owned())]);
}

#[test]
fn nothing_signs_before_it_was_published_for_long_enough() {
    let keys = [key("a", KeyState::Current, NOON), key("b", KeyState::Next, NOON + Duration::minutes(150))];
    let at = |minutes| NOON + Duration::minutes(minutes);
    assert_eq!(due(&keys, &KEPT, &RULES, at(269)), []);
    assert_eq!(early(&keys, ALGORITHM, &RULES, at(269)), Err(NotYet::Until(at(270))));
    let promote = Step::Promote { next: "b".to_owned(), current: Some("a".to_owned()) };
    assert_eq!(early(&keys, ALGORITHM, &RULES, at(270)), Ok(promote));
    assert_eq!(early(&keys[..1], ALGORITHM, &RULES, at(270)), Err(NotYet::NoNext));
}

#[test]
fn without_a_current_key_the_next_one_signs_at_once() {
    let keys = [key("b", KeyState::Next, NOON)];
    assert_eq!(due(&keys, &KEPT, &RULES, NOON), [Step::Promote { next: "b".to_owned(), current: None }]);
}

#[test]
fn each_algorithm_turns_by_itself_and_one_that_is_not_kept_stays() {
    let other = SigningKey { algorithm: "EdDSA".to_owned(), ..key("e", KeyState::Current, NOON) };
    let keys = [other, key("a", KeyState::Current, NOON)];
    let late = NOON + Duration::days(1);
    assert_eq!(due(&keys, &KEPT, &RULES, late), [Step::Make(ALGORITHM, KeyState::Next)]);
    let both = [SigningAlgorithm::EdDsa, ALGORITHM];
    let expected = both.map(|algorithm| Step::Make(algorithm, KeyState::Next));
    assert_eq!(due(&keys, &both, &RULES, late), expected);
    assert_eq!(due(&keys, &[], &RULES, late), []);
}

/// Two replicas that look and act in any order, over rows that they change by compare-and-put. Times are hours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    rows: Vec<Row>,
    replicas: [Replica; 2],
    now: i8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Row {
    kid: u8,
    state: u8,
    since: i8,
    /// When a replica that had looked within the hour signed with it last.
    signed: i8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Replica {
    seen: Vec<Row>,
    looked: Option<i8>,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Wait,
    Look(usize),
    Act(usize),
    ActEarly(usize),
}

const ACTIONS: [Action; 7] = [
    Action::Wait,
    Action::Look(0),
    Action::Look(1),
    Action::Act(0),
    Action::Act(1),
    Action::ActEarly(0),
    Action::ActEarly(1),
];
const STATES: [KeyState; 3] = [KeyState::Next, KeyState::Current, KeyState::Retiring];
const NEXT: u8 = 0;
const CURRENT: u8 = 1;
const RETIRING: u8 = 2;

fn hour(hour: i8) -> OffsetDateTime {
    NOON + Duration::hours(hour.into())
}

fn keys(rows: &[Row]) -> Vec<SigningKey> {
    rows.iter().map(|row| key(&row.kid.to_string(), STATES[usize::from(row.state)], hour(row.since))).collect()
}

impl Replica {
    /// The key it signs with, if it has looked lately: one that has not is not served any more.
    fn signs(&self, now: i8) -> Option<u8> {
        self.looked.filter(|looked| now - looked <= 1)?;
        self.seen.iter().find(|row| row.state == CURRENT).map(|row| row.kid)
    }
}

impl World {
    fn after(&self, action: Action) -> World {
        let mut world = self.clone();
        match action {
            Action::Wait => world.now += 1,
            Action::Look(replica) => {
                world.replicas[replica] = Replica { seen: world.rows.clone(), looked: Some(world.now) };
            }
            Action::Act(replica) => {
                for step in due(&keys(&self.replicas[replica].seen), &KEPT, &RULES, hour(self.now)) {
                    world.apply(&step);
                }
            }
            Action::ActEarly(replica) => {
                if let Ok(step) = early(&keys(&self.replicas[replica].seen), ALGORITHM, &RULES, hour(self.now)) {
                    world.apply(&step);
                }
            }
        }
        for kid in [0, 1].map(|replica: usize| world.replicas[replica].signs(world.now)) {
            for row in world.rows.iter_mut().filter(|row| Some(row.kid) == kid) {
                row.signed = world.now;
            }
        }
        world.relative()
    }

    fn new_kid(&self) -> u8 {
        let seen = self.replicas.iter().flat_map(|replica| &replica.seen);
        self.rows.iter().chain(seen).map(|row| row.kid + 1).max().unwrap_or_default()
    }

    /// As the store does it: wholly, or not at all where a row is no longer what it was.
    fn apply(&mut self, step: &Step) {
        let (now, is) = (self.now, |kid: &String, row: &Row| kid.parse() == Ok(row.kid));
        let mut rows = self.rows.clone();
        let mut moved = |kid: &String, from, to| {
            let row = rows.iter_mut().find(|row| is(kid, row) && row.state == from);
            row.map(|row| (row.state, row.since) = (to, now)).is_some()
        };
        let done = match step {
            Step::Make(_, state) => {
                let state = if *state == KeyState::Next { NEXT } else { CURRENT };
                rows.push(Row { kid: self.new_kid(), state, since: now, signed: now });
                true
            }
            Step::Promote { next, current } => {
                current.as_ref().is_none_or(|current| moved(current, CURRENT, RETIRING)) && moved(next, NEXT, CURRENT)
            }
            Step::Forget(kid) => {
                let gone = rows.iter().position(|row| is(kid, row) && row.state == RETIRING);
                if let Some(row) = gone.map(|place| rows.remove(place)) {
                    assert!(now > row.signed + 1, "a token that still lives lost its key: {self:?}");
                }
                gone.is_some()
            }
        };
        let unique = |state| rows.iter().filter(|row| row.state == state).count() <= 1;
        if done && unique(CURRENT) && unique(NEXT) {
            self.rows = rows;
        }
    }

    fn check(&self) {
        let count = |state| self.rows.iter().filter(|row| row.state == state).count();
        assert!(self.rows.is_empty() || count(CURRENT) == 1, "none or two sign: {self:?}");
        for (one, other) in [(0, 1), (1, 0)].map(|(one, other)| (&self.replicas[one], &self.replicas[other])) {
            // A replica without a key to sign with is not ready yet.
            let (Some(kid), Some(_)) = (one.signs(self.now), other.signs(self.now)) else { continue };
            let published = other.seen.iter().any(|row| row.kid == kid);
            assert!(published, "{kid} signs and is not published everywhere: {self:?}");
        }
    }

    /// The same world, with hours counted from now and keys by their order, so that equal ones are equal.
    fn relative(self) -> World {
        let World { rows, replicas, now } = self;
        let seen = replicas.iter().flat_map(|replica| &replica.seen);
        let kids: BTreeSet<u8> = rows.iter().chain(seen).map(|row| row.kid).collect();
        let order: HashMap<u8, u8> = kids.into_iter().zip(0..).collect();
        // Beyond what a rule asks for one hour is as good as another.
        let ago = |at: i8, most: i8| (at - now).max(-most);
        let row = |row: &Row, signed| Row {
            kid: order[&row.kid],
            since: ago(row.since, [2, 4, 3][usize::from(row.state)]),
            signed,
            ..*row
        };
        let seen = |rows: &[Row]| rows.iter().map(|it| row(it, 0)).collect();
        let replicas = replicas.map(|it| Replica { seen: seen(&it.seen), looked: it.looked.map(|at| ago(at, 2)) });
        let rows = rows.iter().map(|it| row(it, ago(it.signed, 3))).collect();
        World { rows, replicas, now: 0 }
    }
}

#[test]
fn in_any_order_one_key_signs_and_every_replica_that_looks_knows_it() {
    let start = World { rows: Vec::new(), replicas: Default::default(), now: 0 };
    let (mut known, mut open) = (HashSet::from([start.clone()]), vec![start]);
    while let Some(world) = open.pop() {
        world.check();
        // Waiting on would only make more worlds in which a replica acts on what it saw long ago.
        let waits = world.replicas.iter().all(|replica| replica.looked.is_none_or(|at| at > -2));
        for action in ACTIONS.iter().filter(|action| waits || !matches!(action, Action::Wait)) {
            let next = world.after(*action);
            if known.insert(next.clone()) {
                open.push(next);
            }
        }
        assert!(known.len() < 500_000, "too many to look at");
    }
    assert!(known.len() > 1_000, "{} worlds are not all of them", known.len());
}
