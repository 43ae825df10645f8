//! A plan and inputs to an answer: each call starts the moment its inputs exist.

mod found;
mod stream;

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Duration, Instant, timeout_at};

pub(crate) use found::Found;
pub use stream::{Events, open};

use crate::decode;
use crate::definition::Missing;
use crate::encode::encode;
use crate::expr::{Env, Fault, Value};
use crate::inputs::Inputs;
use crate::plan::{Call, CallSet, Plan};
use crate::render::render;
use crate::tape::{Cell, Tape};
use crate::upstream::{CallError, Code, Reply, Request, Target, Upstream};

#[derive(Debug)]
pub struct Answer {
    /// JSON text; none where the view has no shape.
    pub body: Option<Bytes>,
    /// What is missing because an optional call had no reply.
    pub notes: Vec<Note>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// A JSON pointer, `*` for any item.
    pub path: String,
    pub call: String,
    pub reason: &'static str,
    /// For logs: nobody outside may read it.
    pub message: String,
}

/// Why a view has no answer.
#[derive(Debug)]
pub struct Failure {
    /// The call to blame; none where the view itself could not be written.
    pub call: Option<String>,
    pub error: CallError,
    /// The call's request derives from what the client sent, so that INVALID_ARGUMENT is the client's.
    pub from_client: bool,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Pending,
    Reply {
        tape: Tape,
        /// Those that the call reads, in its order.
        headers: Vec<Option<String>>,
    },
    Found(Found),
    /// `when` was false.
    Unwanted,
    Failed {
        reason: &'static str,
        message: String,
    },
}

/// An optional call is given up this long before the view's deadline, so that the answer still goes out.
const RESERVE: Duration = Duration::from_millis(10);

/// Runs every call and writes the answer. `deadline` bounds all of it.
pub async fn run(plan: &Plan, inputs: &Inputs, upstream: &dyn Upstream, deadline: Instant) -> Result<Answer, Failure> {
    let outcomes = calls(plan, inputs, upstream, deadline).await?;
    let body = match &plan.shape {
        None => None,
        Some(shape) => {
            let mut out = Vec::with_capacity(1024);
            let mut env = Env::new(inputs, &outcomes, plan.locals);
            render(shape, &mut env, &mut out).map_err(|fault| fault_of(plan, fault))?;
            Some(Bytes::from(out))
        }
    };
    Ok(Answer { body, notes: notes(plan, &outcomes) })
}

fn notes(plan: &Plan, outcomes: &[Outcome]) -> Vec<Note> {
    let mut notes = Vec::new();
    for (call, outcome) in plan.calls.iter().zip(outcomes) {
        let Outcome::Failed { reason, message } = outcome else { continue };
        let note =
            |path: &String| Note { path: path.clone(), call: call.name.clone(), reason, message: message.clone() };
        notes.extend(call.paths.iter().map(note));
    }
    notes
}

fn fault_of(plan: &Plan, fault: Fault) -> Failure {
    let call = fault.call.map(|c| plan.calls[c].name.clone());
    // What no call is to blame for and yet is wrong, the client has sent.
    let from_client = fault.call.is_none() && fault.code == Code::InvalidArgument;
    Failure { call, error: CallError::new(fault.code, fault.message), from_client }
}

async fn calls(
    plan: &Plan,
    inputs: &Inputs,
    upstream: &dyn Upstream,
    deadline: Instant,
) -> Result<Vec<Outcome>, Failure> {
    let mut outcomes: Vec<Outcome> = plan.calls.iter().map(|_| Outcome::Pending).collect();
    let mut flights = FuturesUnordered::new();
    let mut started = CallSet::default();
    let mut done = CallSet::default();
    loop {
        // A call that ends without being sent may let the next one start, hence until nothing changes.
        let mut progress = true;
        while progress {
            progress = false;
            for (i, call) in plan.calls.iter().enumerate() {
                let one = CallSet::one(i);
                if one.within(started) || !call.after.within(done) {
                    continue;
                }
                started = started.with(one);
                let start = prepare(plan, call, inputs, &outcomes);
                match start.unwrap_or_else(|fault| Start::Ended(Err(CallError::new(fault.code, fault.message)))) {
                    Start::Ended(outcome) => {
                        outcomes[i] = settle(call, outcome)?;
                        done = done.with(one);
                        progress = true;
                    }
                    Start::Send(sending) => {
                        flights.push(async move { (i, send(call, sending, upstream, deadline).await) })
                    }
                }
            }
        }
        let Some((i, result)) = flights.next().await else { return Ok(outcomes) };
        outcomes[i] = settle(&plan.calls[i], result)?;
        done = done.with(CallSet::one(i));
    }
}

/// A failure of a call that must not fail is the view's.
fn settle(call: &Call, result: Result<Outcome, CallError>) -> Result<Outcome, Failure> {
    match result {
        Ok(outcome) => Ok(outcome),
        Err(error) if call.optional => Ok(Outcome::Failed { reason: reason(error.code), message: error.message }),
        Err(error) => Err(Failure { call: Some(call.name.clone()), error, from_client: call.from_client }),
    }
}

/// The reason that a note gives.
fn reason(code: Code) -> &'static str {
    match code {
        Code::DeadlineExceeded => "timeout",
        Code::Unavailable => "unavailable",
        Code::NotFound => "not-found",
        Code::PermissionDenied | Code::Unauthenticated => "denied",
        Code::ResourceExhausted => "limited",
        Code::DataLoss => "malformed",
        _ => "error",
    }
}

enum Start {
    Ended(Result<Outcome, CallError>),
    Send(Sending),
}

struct Sending {
    requests: Vec<(Target, Bytes)>,
    /// The keys of a batch that must all be answered.
    wanted: Vec<String>,
}

fn prepare<'a>(plan: &Plan, call: &'a Call, inputs: &'a Inputs, outcomes: &'a [Outcome]) -> Result<Start, Fault> {
    let mut env = Env::new(inputs, outcomes, plan.locals);
    let failed = |calls: CallSet| calls.iter().any(|c| matches!(outcomes[c], Outcome::Failed { .. }));
    if let Some(when) = &call.when
        && !matches!(env.eval(when)?, Value::Bool(true))
    {
        return Ok(Start::Ended(Ok(if failed(call.when_needs) { skipped() } else { Outcome::Unwanted })));
    }
    for need in &call.needs {
        if failed(need.calls) && env.eval(&need.value)?.is_null() {
            return Ok(Start::Ended(Ok(skipped())));
        }
    }
    let Some(batch) = &call.batch else {
        let requests = vec![encode(&call.request, &mut env, &[])?];
        return Ok(Start::Send(Sending { requests, wanted: Vec::new() }));
    };
    let keys = found::keys(&batch.keys, &mut env)?;
    if keys.len() > batch.bound {
        let message = format!("{} keys are more than the bound of {}", keys.len(), batch.bound);
        return Ok(Start::Ended(Err(CallError::new(Code::ResourceExhausted, message))));
    }
    if keys.is_empty() {
        return Ok(Start::Ended(Ok(Outcome::Found(Found::none(batch)))));
    }
    let requests = keys.chunks(batch.max).map(|keys| encode(&call.request, &mut env, keys));
    let requests = requests.collect::<Result<_, Fault>>()?;
    let wanted = keys.iter().filter(|_| batch.missing == Missing::Fail).filter_map(Value::text);
    Ok(Start::Send(Sending { requests, wanted: wanted.map(Cow::into_owned).collect() }))
}

fn skipped() -> Outcome {
    Outcome::Failed { reason: "dependency", message: "a call it needs has no reply".into() }
}

async fn send(call: &Call, sending: Sending, upstream: &dyn Upstream, deadline: Instant) -> Result<Outcome, CallError> {
    let latest = if call.optional { deadline - RESERVE } else { deadline };
    let until = (Instant::now() + call.timeout).min(latest);
    let one = |(target, body)| async move {
        let request = Request { target, body, deadline: until };
        match timeout_at(until, upstream.call(call, request)).await {
            Ok(reply) => reply,
            Err(_) => Err(CallError::new(Code::DeadlineExceeded, "no reply in time")),
        }
    };
    let Sending { mut requests, wanted } = sending;
    match &call.batch {
        None => match requests.pop() {
            Some(request) => {
                let Reply { body, headers } = one(request).await?;
                Ok(Outcome::Reply { tape: decoded(call, body)?, headers })
            }
            None => Err(CallError::new(Code::Internal, "nothing to send")),
        },
        Some(batch) => {
            let replies = try_join_all(requests.into_iter().map(one)).await?;
            let tapes = replies.into_iter().map(|reply| decoded(call, reply.body)).collect::<Result<Vec<_>, _>>()?;
            let found = Found::new(batch, tapes);
            if wanted.iter().any(|key| found.get(&Value::Text(Cow::Borrowed(key))).is_none()) {
                return Err(CallError::new(Code::Internal, "the batch has no result for one of its keys"));
            }
            Ok(Outcome::Found(found))
        }
    }
}

/// A reply that breaks its contract is a failed call.
fn decoded(call: &Call, reply: Bytes) -> Result<Tape, CallError> {
    let Some(layout) = &call.layout else {
        return Ok(Tape { bytes: reply, cells: vec![Cell::Null] });
    };
    decode::reply(layout, reply).map_err(|violation| {
        let message = format!("the reply breaks its contract at `{}`: {}", violation.pointer, violation.message);
        CallError::new(Code::DataLoss, message)
    })
}
