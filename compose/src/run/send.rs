//! Sends what a call is made of, and decodes what comes back.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Duration, Instant, sleep};

use super::found::{Keys, absent};
use super::start::Sending;
use super::{Found, Keyed, Outcome};
use crate::decode;
use crate::definition::Missing;
use crate::plan::{Call, Each};
use crate::tape::{Cell, Tape};
use crate::upstream::{CallError, Code, Reply, Request, Upstream};

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
        (Sending::One(request), _) => flight.reply(request).await.and_then(|reply| only(call, reply)),
        (Sending::Each { requests, keys }, Some(each)) => flight.all(each, requests, keys).boxed().await,
        (Sending::Keyed(keyed), _) => flight.by_key(keyed).boxed().await,
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
    async fn all(self, each: &Each, requests: Vec<Request>, keys: Keys) -> Result<Outcome, CallError> {
        match &each.batch {
            Some(batch) => {
                let tapes = self.tapes(requests, Missing::Fail).await?;
                let found =
                    Found::in_lists(batch, absent(self.call, each.missing), tapes.into_iter().flatten().collect());
                with_every_key(found, &keys)
            }
            None => {
                let tapes = self.tapes(requests, each.missing).await?;
                Ok(Outcome::Found(Found::by_request(keys, tapes, absent(self.call, each.missing))))
            }
        }
    }

    /// The replies, or none where the service has no such thing and that is no failure.
    async fn tapes(self, mut requests: Vec<Request>, missing: Missing) -> Result<Vec<Option<Arc<Tape>>>, CallError> {
        let tape = |reply: Result<Reply, CallError>| match reply {
            Err(error) if error.code == Code::NotFound && missing != Missing::Fail => Ok(None),
            reply => decoded(self.call, reply?.body).map(|tape| Some(tape.into())),
        };
        match requests.pop() {
            Some(request) if requests.is_empty() => Ok(vec![tape(self.reply(request).await)?]),
            last => {
                let replies = stream::iter(requests.into_iter().chain(last)).map(|request| self.reply(request));
                // In the order of the keys, so that of several failures the same one counts every time.
                replies.buffered(MAX_IN_FLIGHT).map(tape).try_collect().boxed().await
            }
        }
    }

    /// The keys that are kept are not asked for again.
    async fn by_key(self, keyed: Arc<Keyed>) -> Result<Outcome, CallError> {
        let parts = self.upstream.call_keys(self.call, Arc::clone(&keyed), self.until).await?;
        let tapes = parts.into_iter().flatten().map(|part| decoded(self.call, part).map(Arc::new));
        of_keys(self.call, &keyed.keys, tapes.collect::<Result<_, _>>()?)
    }

    fn reply(self, request: Request) -> BoxFuture<'a, Result<Reply, CallError>> {
        let request = Request { deadline: self.until, ..request };
        match self.call.hedge {
            None => self.upstream.call(self.call, request),
            Some(delay) => self.hedged(request, delay).boxed(),
        }
    }

    /// The first answer wins; a failure counts only where no other try is under way.
    async fn hedged(self, request: Request, delay: Duration) -> Result<Reply, CallError> {
        let first = self.upstream.call(self.call, request.clone());
        let first = match select(first, pin!(sleep(delay))).await {
            Either::Left((reply, _)) => return reply,
            Either::Right(((), first)) => first,
        };
        match select(first, self.upstream.call(self.call, Request { second: true, ..request })).await {
            Either::Left((Ok(reply), _)) | Either::Right((Ok(reply), _)) => Ok(reply),
            Either::Left((Err(error), second)) => second.await.map_err(|_| error),
            Either::Right((Err(_), first)) => first.await,
        }
    }
}

/// What the parts of a batch's replies say of its keys.
pub fn of_keys(call: &Call, keys: &Keys, tapes: Vec<Arc<Tape>>) -> Result<Outcome, CallError> {
    let Some((each, batch)) = call.each.as_ref().and_then(|each| Some((each, each.batch.as_ref()?))) else {
        return Err(CallError::new(Code::Internal, "what is kept by key is a batch"));
    };
    let found = Found::in_lists(batch, absent(call, each.missing), tapes);
    if each.missing == Missing::Fail { with_every_key(found, keys) } else { Ok(Outcome::Found(found)) }
}

fn with_every_key(found: Found, keys: &Keys) -> Result<Outcome, CallError> {
    if keys.iter().enumerate().any(|(i, key)| found.place(&key, i).is_none()) {
        return Err(CallError::new(Code::Internal, "the batch has no result for one of its keys"));
    }
    Ok(Outcome::Found(found))
}

fn only(call: &Call, Reply { body, headers }: Reply) -> Result<Outcome, CallError> {
    Ok(Outcome::Reply { tape: decoded(call, body)?.into(), headers })
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
