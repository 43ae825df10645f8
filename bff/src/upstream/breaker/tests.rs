//! The breaker's decisions, one moment after the other.

use super::*;

const PAUSE: Duration = Duration::from_secs(1);
const SECOND: Duration = Duration::from_secs(1);

fn breaker(in_a_row: u32, percent: u32) -> Breaker {
    Breaker::new(Rules { in_a_row, percent, pause: PAUSE }, Gauge::noop())
}

fn fail(breaker: &Breaker, times: u32, now: Instant) {
    for _ in 0..times {
        breaker.enter(now).expect("it is closed").failed(now);
    }
}

fn succeed(breaker: &Breaker, times: u32, now: Instant) {
    for _ in 0..times {
        breaker.enter(now).expect("it admits").answered(now);
    }
}

#[tokio::test]
async fn failures_in_a_row_open_it_and_an_answer_in_between_does_not_count() {
    let (breaker, now) = (breaker(5, 0), Instant::now());
    fail(&breaker, 4, now);
    succeed(&breaker, 1, now);
    fail(&breaker, 4, now);
    assert!(breaker.enter(now).is_some());
    fail(&breaker, 1, now);
    assert!(breaker.enter(now).is_none());
    assert!(breaker.enter(now + PAUSE - Duration::from_millis(1)).is_none());
}

#[tokio::test]
async fn a_share_of_the_last_seconds_opens_it_but_not_of_a_handful() {
    let (breaker, now) = (breaker(0, 50), Instant::now());
    for _ in 0..9 {
        fail(&breaker, 1, now);
        succeed(&breaker, 1, now);
    }
    succeed(&breaker, 1, now);
    assert!(breaker.enter(now).is_some(), "nine of nineteen");
    fail(&breaker, 1, now);
    assert!(breaker.enter(now).is_none(), "ten of twenty");
}

#[tokio::test]
async fn what_is_long_ago_does_not_count() {
    let (breaker, now) = (breaker(0, 50), Instant::now());
    fail(&breaker, 19, now);
    let later = now + SECOND * 10;
    fail(&breaker, 1, later);
    assert!(breaker.enter(later).is_some());
}

#[tokio::test]
async fn trials_go_one_by_one_and_close_it() {
    let (breaker, now) = (breaker(1, 0), Instant::now());
    fail(&breaker, 1, now);
    let later = now + PAUSE;
    let trial = breaker.enter(later).expect("a trial");
    assert!(breaker.enter(later).is_none(), "no herd");
    drop(trial);
    succeed(&breaker, TRIALS, later);
    let together = [breaker.enter(later), breaker.enter(later)];
    assert!(together.iter().all(Option::is_some), "closed again");
}

#[tokio::test]
async fn a_trial_that_fails_doubles_the_pause_up_to_a_limit() {
    let (breaker, mut now) = (breaker(1, 0), Instant::now());
    fail(&breaker, 1, now);
    for expected in [1, 2, 4, 8, 16, 30, 30] {
        assert!(breaker.enter(now + SECOND * expected - Duration::from_millis(1)).is_none());
        now += SECOND * expected;
        breaker.enter(now).expect("a trial").failed(now);
    }
    now += MAX_PAUSE;
    succeed(&breaker, TRIALS, now);
    fail(&breaker, 1, now);
    assert!(breaker.enter(now + PAUSE).is_some(), "the pause begins anew");
}

#[tokio::test]
async fn what_was_sent_before_it_opened_decides_nothing() {
    let (breaker, now) = (breaker(2, 0), Instant::now());
    let early = breaker.enter(now).expect("closed");
    fail(&breaker, 2, now);
    early.answered(now);
    assert!(breaker.enter(now).is_none());
}

#[tokio::test]
async fn what_fails_together_is_one_piece_of_bad_luck() {
    let (breaker, now) = (breaker(5, 0), Instant::now());
    let burst: Vec<_> = (0..10).map(|_| breaker.enter(now).expect("closed")).collect();
    let mut burst = burst.into_iter();
    burst.by_ref().take(9).for_each(|turn| turn.failed(now));
    assert!(breaker.enter(now).is_some(), "the tenth may still answer");
    burst.for_each(|turn| turn.failed(now));
    assert!(breaker.enter(now).is_none(), "nobody has answered");
}
