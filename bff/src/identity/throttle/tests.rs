//! The rules against a plain model that keeps everything that ever happened, and asks it anew each time.

use time::macros::datetime;

use super::*;

const RULES: Rules =
    Rules { free_failures: 2, window_s: 10, longest_wait_s: 8, failures_per_hour: 12, address_failures: 20 };

#[derive(Clone, Copy, Debug)]
enum Act {
    Wrong(u64),
    Right(u64),
    /// The hasher was busy.
    Void(u64),
    Wait(i64),
}

/// Every try that still counts, in milliseconds and by whom, and whether peace came before it.
#[derive(Clone, Default)]
struct Model {
    counted: Vec<(i64, u64, bool)>,
}

impl Model {
    fn streak(&self) -> usize {
        let since_peace = self.counted.iter().rposition(|(_, _, after_peace)| *after_peace);
        self.counted.len() - since_peace.unwrap_or(0)
    }

    fn pause(&self) -> i64 {
        let over = self.streak().checked_sub(RULES.free_failures as usize);
        over.map_or(0, |over| (1000 << over.min(10)).min(8_000))
    }

    fn allows_at(&self, now: i64) -> bool {
        let Some((last, ..)) = self.counted.last() else { return true };
        let in_hour = self.counted.iter().filter(|(at, ..)| now - at < 3_600_000).count();
        in_hour < 12 && (now >= last + self.pause())
    }

    fn count(&mut self, now: i64, by: u64) {
        let peace = self.counted.last().is_none_or(|(last, ..)| now >= last + self.pause() + 10_000);
        self.counted.push((now, by, peace));
    }

    /// Whoever came first after the peace hands that on to the next one.
    fn take_back(&mut self, gone: impl Fn(usize, &(i64, u64, bool)) -> bool) {
        let mut hand_on = false;
        let mut kept = Vec::new();
        for (place, (at, by, peace)) in self.counted.iter().copied().enumerate() {
            if gone(place, &(at, by, peace)) {
                hand_on |= peace;
            } else {
                let handed_on = std::mem::take(&mut hand_on);
                kept.push((at, by, peace || handed_on));
            }
        }
        self.counted = kept;
    }
}

/// Does the acts to both, and compares what each says.
fn compare(acts: &[Act]) {
    let start = datetime!(2026-01-01 12:00 UTC);
    let (mut tries, mut model, mut now) = (Tries::default(), Model::default(), start);
    for (step, act) in acts.iter().enumerate() {
        let by = match act {
            Act::Wait(ms) => {
                now += Duration::milliseconds(*ms);
                continue;
            }
            Act::Wrong(by) | Act::Right(by) | Act::Void(by) => *by,
        };
        let at = millis(now);
        let begun = begin(&RULES, &tries, by, now);
        assert_eq!(begun.is_ok(), model.allows_at(at), "step {step} of {acts:?}\n{tries:?}");
        match begun {
            Err(wait) => {
                let wait = i64::try_from(wait.whole_milliseconds()).unwrap();
                assert!(model.allows_at(at + wait) && !model.allows_at(at + wait - 1), "step {step} of {acts:?}");
            }
            Ok((counted, failure)) => {
                model.count(at, by);
                let newest = model.counted.len() - 1;
                tries = match act {
                    Act::Right(_) => right(&counted, failure),
                    Act::Void(_) => void(&counted, failure),
                    _ => counted,
                };
                match act {
                    Act::Right(_) => model.take_back(|_, (then, who, _)| *who == by && at - then < 3_600_000),
                    Act::Void(_) => model.take_back(|place, _| place == newest),
                    _ => {}
                }
                assert!(tries.failures.len() <= 12);
            }
        }
    }
}

const ACTS: [Act; 7] =
    [Act::Wrong(1), Act::Wrong(2), Act::Right(1), Act::Void(2), Act::Wait(1_000), Act::Wait(4_000), Act::Wait(12_000)];

#[test]
fn every_short_history_is_as_the_model_says() {
    const STEPS: u32 = 6;
    for number in 0..ACTS.len().pow(STEPS) {
        let act = |step: u32| ACTS[number / ACTS.len().pow(step) % ACTS.len()];
        compare(&(0..STEPS).map(act).collect::<Vec<_>>());
    }
}

#[test]
fn long_histories_are_as_the_model_says() {
    let mut random: u64 = 42;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % limit
    };
    for _ in 0..2_000 {
        // Mostly wrong ones, so that the limits of an hour are met.
        let acts: Vec<Act> = (0..120)
            .map(|_| match below(10) {
                0..4 => Act::Wrong(below(3) as u64),
                4 => Act::Right(below(3) as u64),
                5 => Act::Void(below(3) as u64),
                6 => Act::Wait(400_000),
                _ => ACTS[4 + below(3)],
            })
            .collect();
        compare(&acts);
    }
}

#[test]
fn the_defaults_are_five_free_ones_and_waits_that_double_to_a_quarter_of_an_hour() {
    let rules = Rules::default();
    let (mut tries, mut now) = (Tries::default(), datetime!(2026-01-01 12:00 UTC));
    let mut waits = Vec::new();
    for _ in 0..18 {
        if let Err(wait) = begin(&rules, &tries, 1, now) {
            waits.push(wait.whole_seconds());
            now += wait;
        }
        tries = begin(&rules, &tries, 1, now).unwrap().0;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    assert!(begin(&rules, &tries, 1, now + Duration::seconds(899)).is_err());
    let peace = now + Duration::seconds(1_800);
    assert!((0..5).try_fold(tries, |tries, _| begin(&rules, &tries, 1, peace).map(|(tries, _)| tries)).is_ok());
}

#[test]
fn a_right_one_takes_nothing_back_of_others() {
    let now = datetime!(2026-01-01 12:00 UTC);
    let (owner, stranger) = (1, 2);
    let wrong = |tries: &Tries, by| begin(&Rules::default(), tries, by, now).unwrap();
    let mut tries = Tries::default();
    for by in [stranger, owner, stranger, stranger] {
        tries = wrong(&tries, by).0;
    }
    let (counted, failure) = wrong(&tries, owner);
    let after = right(&counted, failure);
    assert_eq!(after.failures.iter().map(|failure| failure.by).collect::<Vec<_>>(), [stranger; 3]);
    assert_eq!(after.streak, 3);
}
