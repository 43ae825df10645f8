//! Sends what a call is made of, and decodes what comes back.

use std::borrow::Cow;
use std::pin::pin;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Duration, Instant, sleep};

use super::found::absent;
use super::start::Sending;
use super::{Found, Outcome};
use crate::decode;
use crate::definition::Missing;
use crate::expr::Value;
use crate::plan::{Batch, Call, Each};
use crate::tape::{Cell, Tape};
use crate::upstream::{CallError, Code, Reply, Request, Target, Upstream};

/// A call without which the view can do is given up this long before the deadline, so that the answer still goes out.
const RESERVE: Duration = Duration::from_millis(10);
/// Requests of one call that are under way at once.
const MAX_IN_FLIGHT: usize = 16;

pub async fn send(
    call: &Call,
    sending: Sending,
    upstream: &dyn Upstream,
    deadline: Instant,
) -> Result<Outcome, CallError> {
    let latest = if call.must_answer() { deadline } else { deadline.checked_sub(RESERVE).unwrap_or(deadline) };
    let until = (Instant::now() + call.timeout).min(latest);
    if until <= Instant::now() {
        return Err(CallError::new(Code::DeadlineExceeded, "no time is left for it"));
    }
    let flight = Flight { call, upstream, until };
    let outcome = match &call.each {
        None => flight.only(sending).await,
        Some(each) => flight.all(each, sending).await.map(Outcome::Found),
    };
    if outcome.as_ref().is_err_and(|error| error.malformed) {
        upstream.broke_contract(call);
    }
    outcome
}

#[derive(Clone, Copy)]
struct Flight<'a> {
    call: &'a Call,
    upstream: &'a dyn Upstream,
    until: Instant,
}

impl Flight<'_> {
    async fn only(self, mut sending: Sending) -> Result<Outcome, CallError> {
        let request = sending.requests.pop().ok_or_else(|| CallError::new(Code::Internal, "nothing to send"))?;
        let Reply { body, headers } = self.reply(request).await?;
        Ok(Outcome::Reply { tape: decoded(self.call, body)?, headers })
    }

    async fn all(self, each: &Each, Sending { requests, keys }: Sending) -> Result<Found, CallError> {
        let replies = stream::iter(requests).map(|request| self.reply(request));
        // In the order of the keys, so that of several failures the same one counts every time.
        let replies = replies.buffered(MAX_IN_FLIGHT);
        match &each.batch {
            Some(batch) => {
                let replies = replies.map_ok(|reply| reply.body);
                self.batch(batch, each.missing, &keys, replies.try_collect().await?)
            }
            None => {
                let missing = |error: &CallError| error.code == Code::NotFound && each.missing != Missing::Fail;
                let replies = replies.map(|reply| match reply {
                    Err(error) if missing(&error) => Ok(None),
                    reply => decoded(self.call, reply?.body).map(Some),
                });
                let tapes: Vec<Option<Tape>> = replies.try_collect().await?;
                let found = keys.into_iter().zip(tapes).filter_map(|(key, tape)| Some((key, tape?)));
                Ok(Found::by_request(found, absent(self.call, each.missing)))
            }
        }
    }

    fn batch(
        self,
        batch: &Batch,
        missing: Missing,
        wanted: &[String],
        replies: Vec<Bytes>,
    ) -> Result<Found, CallError> {
        let tapes = replies.into_iter().map(|reply| decoded(self.call, reply)).collect::<Result<Vec<_>, _>>()?;
        let found = Found::in_lists(batch, absent(self.call, missing), tapes);
        if wanted.iter().any(|key| found.get(&Value::Text(Cow::Borrowed(key))).is_none()) {
            return Err(CallError::new(Code::Internal, "the batch has no result for one of its keys"));
        }
        Ok(found)
    }

    /// The first answer wins; a failure counts only where no other try is under way.
    async fn reply(self, (target, body): (Target, Bytes)) -> Result<Reply, CallError> {
        let Some(delay) = self.call.hedge else { return self.once(target, body, false).await };
        let first = pin!(self.once(target.clone(), body.clone(), false));
        let first = match select(first, pin!(sleep(delay))).await {
            Either::Left((reply, _)) => return reply,
            Either::Right(((), first)) => first,
        };
        match select(first, pin!(self.once(target, body, true))).await {
            Either::Left((Ok(reply), _)) | Either::Right((Ok(reply), _)) => Ok(reply),
            Either::Left((Err(error), second)) => second.await.map_err(|_| error),
            Either::Right((Err(_), first)) => first.await,
        }
    }

    async fn once(self, target: Target, body: Bytes, second: bool) -> Result<Reply, CallError> {
        self.upstream.call(self.call, Request { target, body, deadline: self.until, second }).await
    }
}

/// A reply that breaks its contract is a failed call.
pub fn decoded(call: &Call, reply: Bytes) -> Result<Tape, CallError> {
    let Some(layout) = &call.layout else {
        return Ok(Tape { bytes: reply, cells: vec![Cell::Null] });
    };
    decode::reply(layout, reply).map_err(|violation| {
        let message = format!("the reply breaks its contract at `{}`: {}", violation.pointer, violation.message);
        CallError { malformed: true, ..CallError::new(Code::DataLoss, message) }
    })
}
