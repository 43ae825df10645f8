//! A plan and inputs to an answer: each call starts the moment its inputs exist.

mod found;
mod head;
mod keyed;
mod progress;
mod reading;
mod send;
mod start;
mod stream;
mod tags;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

pub(crate) use found::{Found, Key};
pub use head::forward;
pub use keyed::Keyed;
pub use progress::{Part, progress};
pub use reading::Reading;
pub use stream::{Event, Events, open};
pub use tags::Tags;

use crate::expr::{Env, Fault};
use crate::inputs::{InputError, Inputs};
use crate::plan::{Call, CallSet, Plan, Then, place_of};
use crate::render::render;
use crate::tape::Tape;
use crate::upstream::{CallError, Code, Upstream};
use head::{Head, head, invalidates};
use send::{decoded, send};
use start::{Ground, Start, start};

#[derive(Debug)]
pub struct Answer {
    /// JSON text; none where the view has no shape.
    pub body: Option<Bytes>,
    /// What is missing because a call had no reply.
    pub notes: Vec<Note>,
    pub headers: Vec<(String, String)>,
    /// The tags whose entries are stale now.
    pub invalidates: Vec<String>,
    /// For logs: declared headers and tags that could not be written.
    pub lost: Vec<String>,
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
    /// What the service finds wrong with what the client sent, in the client's names.
    pub mistakes: Box<[InputError]>,
    /// The HTTP status that the view wants for it.
    pub status: Option<u16>,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Pending,
    Reply {
        tape: Arc<Tape>,
        /// Those that the call reads, in its order.
        headers: Vec<Option<String>>,
    },
    Found(Found),
    /// `when` was false.
    Unwanted,
    Failed {
        reason: &'static str,
        message: String,
        instead: Instead,
    },
}

/// What takes the place of a reply that did not come.
#[derive(Debug)]
pub(crate) enum Instead {
    Null,
    Omit,
    Default(Tape),
}

/// A client's mistakes beyond these are not told.
const MAX_MISTAKES: usize = 32;

/// Runs every call and writes the answer. `deadline` bounds all of it.
pub async fn run(plan: &Plan, inputs: &Inputs, upstream: &dyn Upstream, deadline: Instant) -> Result<Answer, Failure> {
    let pending = plan.calls.iter().map(|_| Outcome::Pending).collect();
    answered(plan, inputs, calls(plan, inputs, upstream, deadline, pending, |_, _| ()).await)
}

fn answered(plan: &Plan, inputs: &Inputs, outcomes: Result<Vec<Outcome>, Failure>) -> Result<Answer, Failure> {
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(failure) => return unreadable(plan, inputs, failure),
    };
    let mut notes = notes(plan, &outcomes);
    let body = match written(plan, inputs, &outcomes) {
        Ok(body) => body,
        Err(fault) => {
            let Some(changed) = changed(plan, &outcomes) else { return Err(fault_of(plan, fault)) };
            // What was changed stays changed: the answer lacks everything, but it is no failure.
            let call = plan.calls[fault.call.unwrap_or(changed)].name.clone();
            notes.push(Note { path: String::new(), call, reason: "error", message: fault.0.message });
            Some(NULL)
        }
    };
    let Head { headers, invalidates, lost } = head(plan, inputs, &outcomes);
    Ok(Answer { body, notes, headers, invalidates, lost })
}

const NULL: Bytes = Bytes::from_static(b"null");

/// A change whose reply breaks its contract has been made all the same.
fn unreadable(plan: &Plan, inputs: &Inputs, failure: Failure) -> Result<Answer, Failure> {
    let Failure { call, error, .. } = &failure;
    let Some(call) = plan.calls.iter().find(|c| Some(&c.name) == call.as_ref() && !c.safe && error.malformed) else {
        return Err(failure);
    };
    let reason = reason(error);
    let note = Note { path: String::new(), call: call.name.clone(), reason, message: failure.error.message };
    let lost = plan.headers.iter().map(|(name, _)| format!("the header `{name}`: the call it waits for has no reply"));
    let mut lost: Vec<String> = lost.collect();
    let invalidates = invalidates(plan, inputs, &mut lost);
    let body = plan.shape.as_ref().map(|_| NULL);
    Ok(Answer { body, notes: vec![note], headers: Vec::new(), invalidates, lost })
}

fn written(plan: &Plan, inputs: &Inputs, outcomes: &[Outcome]) -> Result<Option<Bytes>, Fault> {
    let Some(shape) = &plan.shape else { return Ok(None) };
    let mut out = Vec::with_capacity(plan.answers.expected());
    let mut env = Env::new(inputs, outcomes, plan.locals);
    render(shape, &mut env, &mut out)?;
    plan.answers.note(out.len());
    Ok(Some(Bytes::from(out)))
}

/// The first call that has changed something.
fn changed(plan: &Plan, outcomes: &[Outcome]) -> Option<usize> {
    let has_reply = |outcome: &Outcome| matches!(outcome, Outcome::Reply { .. } | Outcome::Found(_));
    plan.calls.iter().zip(outcomes).position(|(call, outcome)| !call.safe && has_reply(outcome))
}

fn notes(plan: &Plan, outcomes: &[Outcome]) -> Vec<Note> {
    plan.calls.iter().zip(outcomes).flat_map(|(call, outcome)| notes_of(call, outcome)).collect()
}

/// What is missing because the call has no reply.
fn notes_of(call: &Call, outcome: &Outcome) -> Vec<Note> {
    let Outcome::Failed { reason, message, .. } = outcome else { return Vec::new() };
    let note = |path: &String| Note { path: path.clone(), call: call.name.clone(), reason, message: message.clone() };
    call.paths.iter().map(note).collect()
}

fn fault_of(plan: &Plan, fault: Fault) -> Failure {
    let call = fault.call.map(|c| plan.calls[c].name.clone());
    // What no call is to blame for and yet is wrong, the client has sent.
    let from_client = fault.call.is_none() && fault.code == Code::InvalidArgument;
    Failure { call, error: error_of(fault), from_client, mistakes: Box::default(), status: None }
}

/// A request that is wrong is so in our words, not in those of a service: its client may read them.
fn error_of(fault: Fault) -> CallError {
    let ours = fault.code == Code::InvalidArgument;
    CallError { ours, ..CallError::new(fault.code, fault.0.message) }
}

/// Of several calls that fail the view at the same moment, the first declared one is to blame. Before it waits, `look`
/// is shown the outcomes so far, and which of them are final.
async fn calls(
    plan: &Plan,
    inputs: &Inputs,
    upstream: &dyn Upstream,
    deadline: Instant,
    mut outcomes: Vec<Outcome>,
    mut look: impl FnMut(&[Outcome], CallSet),
) -> Result<Vec<Outcome>, Failure> {
    // Those that wait have sent nothing yet: what a failure leaves here is never sent.
    let (mut waiting, mut flights) = (VecDeque::new(), FuturesUnordered::new());
    let (mut started, mut done) = (CallSet::default(), CallSet::default());
    let mut failed: Option<(usize, Failure)> = None;
    let ground = Ground { plan, inputs, upstream, deadline };
    loop {
        // A call that ends without being sent may let an earlier one start, hence from the beginning again.
        let ready = |i: &usize| !CallSet::one(*i).within(started) && plan.calls[*i].after.within(done);
        let (i, result) = match (0..plan.calls.len()).find(ready) {
            Some(i) if failed.is_none() => {
                started = started.with(CallSet::one(i));
                let call = &plan.calls[i];
                match start(ground, call, &outcomes) {
                    Ok(Start::Send(sending)) => {
                        waiting.push_back((i, sending));
                        continue;
                    }
                    Ok(Start::Ended(outcome)) => (i, Ok(outcome)),
                    Err(error) => (i, Err(error)),
                }
            }
            _ => {
                let mut next = flights.next().now_or_never().flatten();
                if next.is_none() && failed.is_none() {
                    if let Some((i, sending)) = waiting.pop_front() {
                        flights.push(send(&plan.calls[i], sending, upstream, deadline));
                        continue;
                    }
                    look(&outcomes, done);
                    next = flights.next().await;
                }
                let Some(ended) = next else { return failed.map_or(Ok(outcomes), |(_, failure)| Err(failure)) };
                ended
            }
        };
        match settle(&plan.calls[i], result) {
            Ok(outcome) => {
                outcomes[i] = outcome;
                done = done.with(CallSet::one(i));
            }
            Err(failure) if failed.as_ref().is_none_or(|(first, _)| i < *first) => failed = Some((i, failure)),
            Err(_) => {}
        }
    }
}

/// What a failure becomes is the view's to say.
fn settle(call: &Call, result: Result<Outcome, CallError>) -> Result<Outcome, Failure> {
    let error = match result {
        Ok(outcome) => return Ok(outcome),
        Err(error) => error,
    };
    let instead = match &call.on_fail.of(error.code).then {
        Then::Fail(status) => {
            return Err(Failure { status: *status, ..failed(call, error) });
        }
        Then::Null => Instead::Null,
        Then::Omit => Instead::Omit,
        Then::Default(tape) => Instead::Default(tape.clone()),
    };
    Ok(Outcome::Failed { reason: reason(&error), message: error.message, instead })
}

/// Of a failure that is the view's.
fn failed(call: &Call, error: CallError) -> Failure {
    let mistake = |(field, message): &(String, String)| {
        let at = place_of(&call.client_fields, field)?;
        Some(InputError { at, code: "invalid", message: message.clone() })
    };
    let mistakes = error.fields.iter().filter_map(mistake).take(MAX_MISTAKES).collect();
    Failure { call: Some(call.name.clone()), error, from_client: call.from_client, mistakes, status: None }
}

/// A call that lacks what another call should have given fails nothing by itself.
fn skipped(call: &Call) -> Outcome {
    let instead = match &call.on_fail.otherwise.then {
        Then::Fail(_) | Then::Null => Instead::Null,
        Then::Omit => Instead::Omit,
        Then::Default(tape) => Instead::Default(tape.clone()),
    };
    Outcome::Failed { reason: "dependency", message: "a call it needs has no reply".into(), instead }
}

/// The reason that a note gives.
fn reason(error: &CallError) -> &'static str {
    match error.code {
        _ if error.malformed => "malformed",
        Code::DeadlineExceeded => "timeout",
        Code::Unavailable => "unavailable",
        Code::NotFound => "not-found",
        Code::PermissionDenied | Code::Unauthenticated => "denied",
        Code::ResourceExhausted => "limited",
        _ => "error",
    }
}
