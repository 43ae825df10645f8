//! The door's way through the cache: what is kept is not asked for again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use compose::plan::Call;
use compose::run::Keyed;
use compose::upstream::{CallError, Code, Kept, Part, Reading, Reply, Request, Tags, Target};
use tokio::time::Instant;

use super::destination::Destination;
use super::door::{Door, failed};
use super::fetching::Fetching;
use super::keeping::{Keeping, asked, with_tags};
use crate::cache::{Asked, Entry, How, KeyText, Served, TagId, Usable};
use crate::upstream::{self, Error, Identity};

/// A whole reply.
const ONE: &str = "one";
/// A part of a batch's.
const BY_KEY: &str = "key";

impl Door<'_> {
    /// What is fresh and in memory.
    pub(super) fn at_hand(&self, call: &Call, request: &Request) -> Option<Kept> {
        let destination = &self.destinations[call.index];
        let (keeping, tags) = destination.keeping().zip(request.tags.as_ref())?;
        let mut key = self.key(keeping, destination, ONE, (&request.target, &request.body));
        with_tags(&mut key, tags.iter());
        let Usable { entry, reading, .. } = keeping.fresh(call, &key, self.now)?;
        // That there is no such thing is told by `kept_or_fetched`, which finds it as well.
        let reading = reading?;
        keeping.count(How::Hit, 1);
        self.note(keeping, entry.age(self.now));
        Some(Kept { reading, headers: entry.headers.clone() })
    }

    /// The same of every key; none where one of them is not there.
    pub(super) fn keys_at_hand(&self, call: &Call, keyed: &Keyed) -> Option<Vec<Option<Reading>>> {
        let destination = &self.destinations[call.index];
        let keeping = destination.keeping()?;
        let mut key = self.key(keeping, destination, BY_KEY, (&keyed.target, &keyed.body));
        let start = key.mark();
        let (mut readings, mut oldest) = (Vec::with_capacity(keyed.len()), Duration::ZERO);
        for index in 0..keyed.len() {
            key.back_to(start);
            of_key(&mut key, keyed, index);
            let Usable { entry, reading, .. } = keeping.fresh(call, &key, self.now)?;
            oldest = oldest.max(entry.age(self.now));
            readings.push(reading);
        }
        keeping.count(How::Hit, readings.len());
        self.note(keeping, oldest);
        Some(readings)
    }

    /// What is kept, or is fetched and then kept.
    pub(super) async fn kept_or_fetched(
        &self,
        call: &Call,
        keeping: &Keeping,
        tags: &Tags,
        request: Request,
    ) -> Result<Reply, CallError> {
        let destination = &self.destinations[call.index];
        let mut key = self.key(keeping, destination, ONE, (&request.target, &request.body));
        with_tags(&mut key, tags.iter());
        let made = self.with_trace(self.asked(call, destination, request)?);
        let served = self.served(call, keeping, asked(&key, tags), made, None).await.pop();
        let served = served.ok_or_else(|| CallError::new(Code::Internal, "nothing was asked for"))?;
        reply(&served.map_err(|error| failed(&error))?.entry)
    }

    /// Only the keys that are not kept are fetched.
    pub(super) async fn kept_or_fetched_keys(
        &self,
        call: &Call,
        keeping: &Keeping,
        keyed: Arc<Keyed>,
        deadline: Instant,
    ) -> Result<Vec<Part>, CallError> {
        let destination = &self.destinations[call.index];
        let mut key = self.key(keeping, destination, BY_KEY, (&keyed.target, &keyed.body));
        let start = key.mark();
        let asked = (0..keyed.len()).map(|index| {
            key.back_to(start);
            of_key(&mut key, &keyed, index);
            Asked { key: key.key(), tags: keyed.tags(index).map(TagId::of).collect() }
        });
        let asked: Arc<[Asked]> = asked.collect();
        let made = self.with_trace(upstream::Call {
            // What each request has instead is known once it is known which keys are missing.
            target: upstream::Target::Http(http::Method::GET, String::new()),
            headers: self.headers(call, &destination.source)?,
            body: Bytes::new(),
            deadline,
            repeatable: true,
        });
        let served = self.served(call, keeping, asked, made, Some(keyed)).await;
        served.into_iter().map(|served| Ok(served.map_err(|error| failed(&error))?.entry.body.clone())).collect()
    }

    async fn served(
        &self,
        call: &Call,
        keeping: &Keeping,
        asked: Arc<[Asked]>,
        made: upstream::Call,
        keyed: Option<Arc<Keyed>>,
    ) -> Vec<Result<Served<Option<Reading>>, Error>> {
        let (plan, destination) = (Arc::clone(self.plan), Arc::clone(&self.destinations[call.index]));
        let deadline = made.deadline;
        // What goes on in the background has a call's whole time.
        let fetching = Fetching { plan, index: call.index, destination, call: made, keyed };
        let served = keeping.cache.get_or_fetch(asked, keeping.policy, deadline, Arc::new(fetching)).await;
        for served in served.iter().flatten() {
            keeping.count(served.how, 1);
            self.left.fetch_min(millis(keeping.left(served, self.now)), Ordering::Relaxed);
        }
        served
    }

    fn note(&self, keeping: &Keeping, age: Duration) {
        self.left.fetch_min(millis(keeping.policy.ttl.saturating_sub(age)), Ordering::Relaxed);
    }

    /// Everything that the reply depends on; of a token, whom it speaks for.
    fn key(
        &self,
        keeping: &Keeping,
        destination: &Destination,
        kind: &str,
        (target, body): (&Target, &Bytes),
    ) -> KeyText {
        let mut key = keeping.key();
        key.part(kind);
        match self.sender.caller.as_ref().filter(|_| keeping.private) {
            None => key.part(""),
            Some(caller) => {
                key.part(caller.sub.as_bytes());
                if destination.source.identity() == Identity::Token {
                    key.part(caller.session.as_bytes());
                    key.part(caller.role.as_str());
                    key.part(caller.email.as_deref().unwrap_or_default());
                }
            }
        }
        for name in destination.forward() {
            let value = self.sender.forwarded.iter().find(|(other, _)| other == name).map(|(_, value)| value);
            // Absent is not empty.
            key.part(if value.is_some() { "+" } else { "" });
            key.part(value.map_or(&b""[..], |value| value.as_bytes()));
        }
        if let Target::Http { path_and_query, headers } = target {
            key.part(path_and_query);
            key.part((headers.len() as u64).to_be_bytes());
            for (name, value) in headers {
                key.part(name);
                key.part(value);
            }
        }
        key.part(body);
        key
    }
}

fn of_key(key: &mut KeyText, keyed: &Keyed, index: usize) {
    key.part(keyed.key(index));
    with_tags(key, keyed.tags(index));
}

fn reply(entry: &Entry<Option<Reading>>) -> Result<Reply, CallError> {
    match &entry.body {
        Some(body) => Ok(Reply { body: body.clone(), headers: entry.headers.clone() }),
        None => Err(CallError::new(Code::NotFound, "it was not found lately")),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
