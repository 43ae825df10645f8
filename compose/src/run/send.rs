//! Sends what a call is made of, and decodes what comes back.

use std::pin::pin;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Duration, Instant, sleep};

use super::found::{Keys, absent};
use super::start::Sending;
use super::{Found, Outcome};
use crate::decode;
use crate::definition::Missing;
use crate::plan::{Call, Each};
use crate::tape::{Cell, Tape};
use crate::upstream::{CallError, Code, Reply, Request, Target, Upstream};

/// A call without which the view can do is given up this long before the deadline, so that the answer still goes out.
const RESERVE: Duration = Duration::from_millis(10);
/// Requests of one call that are under way at once.
const MAX_IN_FLIGHT: usize = 16;

/// How the call ended, and its place in the plan.
///
/// What is rare or large is boxed: this future is moved, once for each call of each request.
pub async fn send(
    call: &Call,
    sending: Sending,
    upstream: &dyn Upstream,
    deadline: Instant,
) -> (usize, Result<Outcome, CallError>) {
    let latest = if call.must_answer() { deadline } else { deadline.checked_sub(RESERVE).unwrap_or(deadline) };
    let now = Instant::now();
    let until = (now + call.timeout).min(latest);
    if until <= now {
        return (call.index, Err(CallError::new(Code::DeadlineExceeded, "no time is left for it")));
    }
    let flight = Flight { call, upstream, until };
    let outcome = match (sending, &call.each) {
        (Sending::One(target, body), _) => flight.reply(target, body).await.and_then(|reply| only(call, reply)),
        (Sending::Each { requests, keys }, Some(each)) => flight.all(each, requests, keys).boxed().await,
        (Sending::Each { .. }, None) => Err(CallError::new(Code::Internal, "keys of no list")),
    };
    if outcome.as_ref().is_err_and(|error| error.malformed) {
        upstream.broke_contract(call);
    }
    (call.index, outcome)
}

#[derive(Clone, Copy)]
struct Flight<'a> {
    call: &'a Call,
    upstream: &'a dyn Upstream,
    until: Instant,
}

impl<'a> Flight<'a> {
    async fn all(self, each: &Each, requests: Vec<(Target, Bytes)>, keys: Keys) -> Result<Outcome, CallError> {
        match &each.batch {
            Some(batch) => {
                let tapes = self.tapes(requests, Missing::Fail).await?;
                let found =
                    Found::in_lists(batch, absent(self.call, each.missing), tapes.into_iter().flatten().collect());
                if keys.iter().enumerate().any(|(i, key)| found.place(&key, i).is_none()) {
                    return Err(CallError::new(Code::Internal, "the batch has no result for one of its keys"));
                }
                Ok(Outcome::Found(found))
            }
            None => {
                let tapes = self.tapes(requests, each.missing).await?;
                Ok(Outcome::Found(Found::by_request(keys, tapes, absent(self.call, each.missing))))
            }
        }
    }

    /// The replies, or none where the service has no such thing and that is no failure.
    async fn tapes(self, mut requests: Vec<(Target, Bytes)>, missing: Missing) -> Result<Vec<Option<Tape>>, CallError> {
        let tape = |reply: Result<Reply, CallError>| match reply {
            Err(error) if error.code == Code::NotFound && missing != Missing::Fail => Ok(None),
            reply => decoded(self.call, reply?.body).map(Some),
        };
        match requests.pop() {
            Some((target, body)) if requests.is_empty() => Ok(vec![tape(self.reply(target, body).await)?]),
            last => {
                let replies =
                    stream::iter(requests.into_iter().chain(last)).map(|(target, body)| self.reply(target, body));
                // In the order of the keys, so that of several failures the same one counts every time.
                replies.buffered(MAX_IN_FLIGHT).map(tape).try_collect().boxed().await
            }
        }
    }

    fn reply(self, target: Target, body: Bytes) -> BoxFuture<'a, Result<Reply, CallError>> {
        match self.call.hedge {
            None => self.once(target, body, false),
            Some(delay) => self.hedged(target, body, delay).boxed(),
        }
    }

    /// The first answer wins; a failure counts only where no other try is under way.
    async fn hedged(self, target: Target, body: Bytes, delay: Duration) -> Result<Reply, CallError> {
        let first = self.once(target.clone(), body.clone(), false);
        let first = match select(first, pin!(sleep(delay))).await {
            Either::Left((reply, _)) => return reply,
            Either::Right(((), first)) => first,
        };
        match select(first, self.once(target, body, true)).await {
            Either::Left((Ok(reply), _)) | Either::Right((Ok(reply), _)) => Ok(reply),
            Either::Left((Err(error), second)) => second.await.map_err(|_| error),
            Either::Right((Err(_), first)) => first.await,
        }
    }

    fn once(self, target: Target, body: Bytes, second: bool) -> BoxFuture<'a, Result<Reply, CallError>> {
        self.upstream.call(self.call, Request { target, body, deadline: self.until, second })
    }
}

fn only(call: &Call, Reply { body, headers }: Reply) -> Result<Outcome, CallError> {
    Ok(Outcome::Reply { tape: decoded(call, body)?, headers })
}

/// A reply that breaks its contract is a failed call.
pub fn decoded(call: &Call, reply: Bytes) -> Result<Tape, CallError> {
    let Some(layout) = &call.layout else {
        return Ok(Tape { bytes: reply, cells: vec![Cell::Null] });
    };
    decode::reply(layout, reply).map(Tape::compact).map_err(|violation| {
        let message = format!("the reply breaks its contract at `{}`: {}", violation.pointer, violation.message);
        CallError { malformed: true, ..CallError::new(Code::DataLoss, message) }
    })
}
