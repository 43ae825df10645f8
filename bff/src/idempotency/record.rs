//! What is kept of one idempotency key, and what it means for the next request that brings it: pure functions.

use std::time::Duration;

use aws_lc_rs::rand;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Error;

/// A hash of everything that a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub(super) [u8; 32]);

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// As it is stored: a line of JSON, then the answer's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    state: State,
    #[serde(skip)]
    body: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Until then, in milliseconds since 1970; the number tells two reservations apart.
    Reserved {
        fingerprint: Fingerprint,
        until: i64,
        number: [u8; 16],
    },
    /// Nothing was done.
    Released,
    Answered {
        fingerprint: Fingerprint,
        status: u16,
        headers: Vec<(String, String)>,
    },
    /// It was done, and the answer was not for keeping.
    Done {
        fingerprint: Fingerprint,
    },
}

pub enum Decision {
    /// Put this, then carry the request out.
    Begin(Record),
    Repeat(Answer),
    Refuse(Error),
}

/// Of headers and body together; a larger answer is not kept.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// What a request with this fingerprint means where the key has this record.
pub fn decide(record: Option<Record>, fingerprint: Fingerprint, reserve: Duration, now: OffsetDateTime) -> Decision {
    let now = millis(now);
    let Some(Record { state, body }) = record else { return begin(fingerprint, reserve, now) };
    match state {
        State::Released => begin(fingerprint, reserve, now),
        State::Reserved { until, .. } if until <= now => begin(fingerprint, reserve, now),
        State::Reserved { fingerprint: first, .. }
        | State::Answered { fingerprint: first, .. }
        | State::Done { fingerprint: first }
            if first != fingerprint =>
        {
            Decision::Refuse(Error::OtherRequest)
        }
        State::Reserved { until, .. } => {
            Decision::Refuse(Error::Running(Duration::from_millis((until - now).unsigned_abs())))
        }
        State::Answered { status, headers, .. } => Decision::Repeat(Answer { status, headers, body }),
        State::Done { .. } => Decision::Refuse(Error::NotKept),
    }
}

/// The record of a request that was carried out.
pub fn finish(fingerprint: Fingerprint, answer: Option<Answer>) -> Record {
    match answer.filter(|answer| answer.size() <= MAX_ANSWER_BYTES) {
        Some(Answer { status, headers, body }) => {
            Record { state: State::Answered { fingerprint, status, headers }, body }
        }
        None => Record { state: State::Done { fingerprint }, body: Bytes::new() },
    }
}

fn begin(fingerprint: Fingerprint, reserve: Duration, now: i64) -> Decision {
    let mut number = [0; 16];
    rand::fill(&mut number).expect("the system's random generator works");
    let until = now.saturating_add(i64::try_from(reserve.as_millis()).unwrap_or(i64::MAX));
    Decision::Begin(Record { state: State::Reserved { fingerprint, until, number }, body: Bytes::new() })
}

impl Answer {
    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        headers + self.body.len()
    }
}

impl Record {
    pub fn released() -> Self {
        Self { state: State::Released, body: Bytes::new() }
    }

    /// None if it was not written by us: then the key is as new.
    pub fn read(stored: &Bytes) -> Option<Self> {
        let end = stored.iter().position(|byte| *byte == b'\n')?;
        let state = serde_json::from_slice(&stored[..end]).ok()?;
        Some(Self { state, body: stored.slice(end + 1..) })
    }

    pub fn write(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(&self.state).expect("numbers and text can always be written");
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn millis(time: OffsetDateTime) -> i64 {
    time.unix_timestamp() * 1_000 + i64::from(time.millisecond())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);
    const MINUTE: Duration = Duration::from_secs(60);

    fn at(record: Option<&Record>, fingerprint: u8, now: OffsetDateTime) -> &'static str {
        match decide(record.cloned(), Fingerprint([fingerprint; 32]), MINUTE, now) {
            Decision::Begin(_) => "begin",
            Decision::Repeat(_) => "repeat",
            Decision::Refuse(Error::OtherRequest) => "other",
            Decision::Refuse(Error::Running(_)) => "running",
            Decision::Refuse(Error::NotKept) => "not kept",
            Decision::Refuse(_) => "error",
        }
    }

    fn reserved() -> Record {
        let Decision::Begin(record) = decide(None, Fingerprint([1; 32]), MINUTE, NOW) else {
            panic!("expected a start")
        };
        record
    }

    fn answer(body: Vec<u8>) -> Answer {
        Answer { status: 201, headers: vec![("etag".to_owned(), "\"1\"".to_owned())], body: body.into() }
    }

    #[test]
    fn every_state_meets_every_request_in_one_way() {
        let mine = Fingerprint([1; 32]);
        let (later, over) = (NOW + Duration::from_millis(59_999), NOW + MINUTE);
        let (reserved, answered) = (reserved(), finish(mine, Some(answer(b"{}".to_vec()))));
        let (done, released) = (finish(mine, None), Record::released());
        // The record, and what the same request and another one meet within and after the minute.
        let table = [
            (None, ["begin", "begin", "begin", "begin"]),
            (Some(&released), ["begin", "begin", "begin", "begin"]),
            (Some(&reserved), ["running", "other", "begin", "begin"]),
            (Some(&answered), ["repeat", "other", "repeat", "other"]),
            (Some(&done), ["not kept", "other", "not kept", "other"]),
        ];
        for (record, expected) in table {
            let met = [at(record, 1, later), at(record, 2, later), at(record, 1, over), at(record, 2, over)];
            assert_eq!(met, expected, "{record:?}");
        }
    }

    #[test]
    fn whoever_waits_is_told_how_long() {
        let decision = decide(Some(reserved()), Fingerprint([1; 32]), MINUTE, NOW + Duration::from_secs(59));
        let Decision::Refuse(Error::Running(wait)) = decision else { panic!("expected to wait") };
        assert_eq!(wait, Duration::from_secs(1));
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_nonsense_is_none() {
        let records = [
            reserved(),
            Record::released(),
            finish(Fingerprint([1; 32]), None),
            finish(Fingerprint([1; 32]), Some(answer(vec![0, b'\n', 255, b'\n']))),
            finish(Fingerprint([1; 32]), Some(answer(Vec::new()))),
        ];
        for record in records {
            assert_eq!(Record::read(&record.write().into()), Some(record));
        }
        for nonsense in ["", "{}", "{}\n", "\n", "\"released\"", "[1]\nx"] {
            assert_eq!(Record::read(&Bytes::from(nonsense)), None, "{nonsense}");
        }
    }

    #[test]
    fn two_reservations_are_never_the_same_and_large_answers_are_not_kept() {
        assert_ne!(reserved(), reserved());
        let large = finish(Fingerprint([1; 32]), Some(answer(vec![0; MAX_ANSWER_BYTES])));
        assert_eq!(at(Some(&large), 1, NOW), "not kept");
    }
}
