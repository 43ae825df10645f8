//! The rules against a second telling of them, over every short history and many long ones.

use std::collections::BTreeMap;

use time::macros::datetime;

use super::*;

const NOON: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

/// What can happen to a record; challenges are counted from the newest.
#[derive(Debug, Clone, Copy)]
enum Action {
    Start(Asker),
    Submit { newest: usize, right: bool, asker: Asker },
    Release,
    Remove,
    Withdraw,
    Wait(i64),
}

use Action::{Release, Remove, Start as Ask, Submit, Wait, Withdraw};
use Asker::{KnownDevice, Stranger};

/// The record under test beside everything that ever happened to it.
struct History {
    rules: Rules,
    record: Record,
    now: OffsetDateTime,
    /// Every challenge there was, the oldest first.
    past: Vec<Past>,
    sent: Vec<(Asker, OffsetDateTime)>,
    wrong: Vec<(Asker, OffsetDateTime)>,
}

struct Past {
    challenge: Challenge,
    asker: Asker,
    tries: u32,
    claimed_at: Option<OffsetDateTime>,
    gone: bool,
}

impl History {
    fn new() -> Self {
        let (rules, record) = (Rules::default(), Record::default());
        Self { rules, record, now: NOON, past: Vec::new(), sent: Vec::new(), wrong: Vec::new() }
    }

    fn act(&mut self, action: Action) {
        match action {
            Ask(asker) => self.ask(asker),
            Submit { newest, right, asker } => self.submit(newest, right, asker),
            Release => self.settle(release, false),
            Remove => self.settle(remove, true),
            Withdraw => self.withdraw(),
            Wait(seconds) => self.now += Duration::seconds(seconds),
        }
        assert!(self.record.challenges.len() <= MAX_LIVE);
        for budget in [&self.record.strangers, &self.record.known_devices] {
            assert!(budget.sent.len() <= 10 && budget.wrong.len() <= 20);
        }
    }

    fn ask(&mut self, asker: Asker) {
        let challenge = challenge(self.now);
        let started = start(&self.rules, &self.record, challenge.clone(), asker, self.now);
        match (started, self.wait_for_send(asker)) {
            (Start::Started { record, resend_after }, None) => {
                self.record = record;
                self.sent.push((asker, self.now));
                let live: Vec<usize> = (0..self.past.len()).filter(|place| self.is_live(*place)).collect();
                if live.len() == 3 {
                    self.past[live[0]].gone = true;
                }
                self.past.push(Past { challenge, asker, tries: 0, claimed_at: None, gone: false });
                assert_eq!(Some(resend_after), self.wait_for_send(asker));
            }
            (Start::TooOften { wait }, Some(expected)) => assert_eq!(wait, expected),
            (started, expected) => panic!("{started:?} where a wait of {expected:?} was expected"),
        }
    }

    fn submit(&mut self, newest: usize, right: bool, asker: Asker) {
        let Some(place) = self.past.len().checked_sub(newest + 1) else { return };
        let id = self.past[place].challenge.id.clone();
        let mut comparisons = 0;
        let compare = |_: &Challenge| {
            comparisons += 1;
            right
        };
        let submission = Submission { challenge: &id, account: None, asker };
        let submitted = submit(&self.rules, &self.record, submission, compare, self.now);
        let leased = self.past[place].claimed_at.is_some_and(|at| self.now - at < Duration::seconds(30));
        let over = !self.is_live(place) || leased || self.past[place].tries == 5;
        let wait = self.wait_for_try(asker);
        let expected = if over || wait.is_some() { 0 } else { 1 };
        assert_eq!(comparisons, expected, "{submitted:?}");
        match submitted {
            Submitted::Over => assert!(over),
            Submitted::TooMany { wait: told } => assert_eq!((over, Some(told)), (false, wait)),
            Submitted::Wrong(record) => {
                assert!(!right);
                self.record = record;
                self.past[place].tries += 1;
                self.wrong.push((asker, self.now));
            }
            Submitted::Claimed(record, challenge) => {
                assert!(right && challenge.id == id);
                self.record = record;
                self.past[place].claimed_at = Some(self.now);
            }
        }
    }

    /// What becomes of the challenge that was claimed last.
    fn settle(&mut self, step: impl Fn(&Record, &ChallengeId) -> Record, gone: bool) {
        let claimed = self.past.iter_mut().filter(|past| past.claimed_at.is_some());
        let Some(last) = claimed.max_by_key(|past| past.claimed_at) else { return };
        self.record = step(&self.record, &last.challenge.id);
        last.claimed_at = None;
        last.gone |= gone;
    }

    fn withdraw(&mut self) {
        let Some(last) = self.past.last_mut().filter(|last| !last.gone) else { return };
        self.record = withdraw(&self.record, &last.challenge, last.asker);
        last.gone = true;
        let sent = (last.asker, last.challenge.created_at.0);
        let place = self.sent.iter().rposition(|other| *other == sent).unwrap();
        self.sent.remove(place);
    }

    fn is_live(&self, place: usize) -> bool {
        let past = &self.past[place];
        !past.gone && self.now < past.challenge.created_at.0 + Duration::minutes(10)
    }

    fn wait_for_send(&self, asker: Asker) -> Option<Duration> {
        let sent = of(&self.sent, asker);
        let pause = match sent.iter().filter(|at| self.now - **at < Duration::HOUR).count() {
            0 => 0,
            1 => 60,
            2 => 120,
            _ => 300,
        };
        let pause = sent.last().map(|last| *last + Duration::seconds(pause) - self.now);
        let caps = [self.until_fewer(&sent, 5, Duration::HOUR), self.until_fewer(&sent, 10, Duration::DAY)];
        caps.into_iter().flatten().chain(pause).filter(|wait| wait.is_positive()).max()
    }

    fn wait_for_try(&self, asker: Asker) -> Option<Duration> {
        let wrong = of(&self.wrong, asker);
        [self.until_fewer(&wrong, 10, Duration::HOUR), self.until_fewer(&wrong, 20, Duration::DAY)]
            .into_iter()
            .flatten()
            .max()
    }

    /// Looks second by second, as slowly as can be, at when fewer than so many lie within the span before.
    fn until_fewer(&self, moments: &[OffsetDateTime], count: usize, span: Duration) -> Option<Duration> {
        let within = |then: OffsetDateTime| moments.iter().filter(|at| then - **at < span).count() >= count;
        if !within(self.now) {
            return None;
        }
        let ends = moments.iter().map(|at| *at + span).filter(|end| *end > self.now && !within(*end));
        ends.min().map(|end| end - self.now)
    }
}

fn of(moments: &[(Asker, OffsetDateTime)], asker: Asker) -> Vec<OffsetDateTime> {
    moments.iter().filter(|(other, _)| *other == asker).map(|(_, at)| *at).collect()
}

fn challenge(now: OffsetDateTime) -> Challenge {
    Challenge {
        id: ChallengeId::random(Purpose::Register),
        digest: [0; 32],
        pepper: [1; 4],
        account: None,
        created_at: now.into(),
        expires_at: (now + Duration::minutes(10)).into(),
        tries: 0,
        leased_until: None,
    }
}

const ACTIONS: [Action; 9] = [
    Ask(Stranger),
    Submit { newest: 0, right: false, asker: Stranger },
    Submit { newest: 0, right: true, asker: Stranger },
    Submit { newest: 1, right: true, asker: KnownDevice },
    Release,
    Remove,
    Withdraw,
    Wait(30),
    Wait(90),
];

/// Every history of five actions: sixty thousand.
#[test]
fn every_short_history_goes_as_the_rules_are_told() {
    let length = 5;
    for number in 0..ACTIONS.len().pow(length) {
        let mut history = History::new();
        let mut rest = number;
        for _ in 0..length {
            history.act(ACTIONS[rest % ACTIONS.len()]);
            rest /= ACTIONS.len();
        }
    }
}

/// A generator of numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn action(&mut self) -> Action {
        let asker = [Stranger, Stranger, KnownDevice][self.below(3)];
        match self.below(20) {
            0..4 => Ask(asker),
            4..12 => Submit { newest: self.below(4), right: self.below(8) == 0, asker },
            12 => Release,
            13 => Remove,
            14 => Withdraw,
            _ => Wait([1, 29, 30, 60, 120, 299, 300, 600, 1800, 3600, 80_000][self.below(11)]),
        }
    }
}

#[test]
fn long_histories_do_so_too() {
    for seed in 1..=500 {
        let mut numbers = Numbers(u64::MAX / (seed + 1));
        let mut history = History::new();
        for _ in 0..200 {
            history.act(numbers.action());
        }
    }
}

/// Who asks for a new code after every five tries, for three days, without a pause.
#[test]
fn guessing_across_codes_is_bounded() {
    let mut history = History::new();
    let mut compared: BTreeMap<i64, usize> = BTreeMap::new();
    for minute in 0..3 * 24 * 60 {
        history.act(Ask(Stranger));
        let before = history.wrong.len();
        for _ in 0..6 {
            history.act(Submit { newest: 0, right: false, asker: Stranger });
        }
        *compared.entry(minute / (24 * 60)).or_default() += history.wrong.len() - before;
        history.act(Wait(60));
    }
    assert_eq!(compared.into_values().collect::<Vec<_>>(), [20, 20, 20]);
    history.act(Ask(KnownDevice));
    history.act(Submit { newest: 0, right: true, asker: KnownDevice });
    assert!(history.past.last().unwrap().claimed_at.is_some(), "a known device is not locked out");
}

#[test]
fn a_code_is_one_account_s_where_somebody_must_be_signed_in() {
    let [ada, bob] = [1, 2].map(|number| Some(Uuid::from_u128(number)));
    let challenge = Challenge { account: ada, ..challenge(NOON) };
    let Start::Started { record, .. } = start(&Rules::default(), &Record::default(), challenge.clone(), Stranger, NOON)
    else {
        panic!("the first code")
    };
    for (account, expected) in [(bob, false), (None, false), (ada, true)] {
        let submission = Submission { challenge: &challenge.id, account, asker: Stranger };
        let submitted = submit(&Rules::default(), &record, submission, |_| true, NOON);
        assert_eq!(matches!(submitted, Submitted::Claimed(..)), expected);
    }
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let mut history = History::new();
    for action in [Ask(Stranger), Submit { newest: 0, right: false, asker: KnownDevice }, Wait(60), Ask(Stranger)] {
        history.act(action);
    }
    history.act(Submit { newest: 0, right: true, asker: Stranger });
    let written = serde_json::to_vec(&history.record).unwrap();
    assert_eq!(serde_json::from_slice::<Record>(&written).unwrap(), history.record);
}
