//! A call that has all it waited for: its requests, or why there are none.

use bytes::Bytes;

use super::found::{self, Key, Keys};
use super::{Found, Instead, Outcome, skipped};
use crate::definition::Missing;
use crate::encode::encode;
use crate::expr::{Env, Fault, Value};
use crate::inputs::Inputs;
use crate::plan::{Call, CallSet, Each, Plan};
use crate::upstream::{CallError, Code, Target};

pub enum Start {
    Ended(Outcome),
    Send(Sending),
}

pub enum Sending {
    One(Target, Bytes),
    /// The keys are those of the requests, or those that a batch must answer.
    Each {
        requests: Vec<(Target, Bytes)>,
        keys: Keys,
    },
}

pub fn start<'a>(plan: &Plan, call: &'a Call, inputs: &'a Inputs, outcomes: &'a [Outcome]) -> Result<Start, CallError> {
    prepare(plan, call, inputs, outcomes).map_err(|fault| CallError::new(fault.code, fault.0.message))
}

fn prepare<'a>(plan: &Plan, call: &'a Call, inputs: &'a Inputs, outcomes: &'a [Outcome]) -> Result<Start, Fault> {
    let mut env = Env::new(inputs, outcomes, plan.locals);
    let lacking = |calls: CallSet| calls.iter().any(|call| lacks_reply(&outcomes[call]));
    if let Some(when) = &call.when
        && !matches!(env.eval(when)?, Value::Bool(true))
    {
        return Ok(Start::Ended(if lacking(call.when_needs) { skipped(call) } else { Outcome::Unwanted }));
    }
    for need in &call.needs {
        if lacking(need.calls) && env.eval(&need.value)?.is_null() {
            return Ok(Start::Ended(skipped(call)));
        }
    }
    match &call.each {
        None => {
            let (target, body) = encode(&call.request, &mut env, &[])?;
            Ok(Start::Send(Sending::One(target, body)))
        }
        Some(each) => of_keys(call, each, &mut env),
    }
}

/// A default counts as a reply.
fn lacks_reply(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed { instead: Instead::Null | Instead::Omit, .. })
}

fn of_keys<'a>(call: &'a Call, each: &'a Each, env: &mut Env<'a>) -> Result<Start, Fault> {
    let keys = found::keys(each, env)?;
    if keys.len() > each.bound {
        let message = format!("{} keys are more than the bound of {}", keys.len(), each.bound);
        return Err(Fault::new(message));
    }
    if keys.is_empty() {
        return Ok(Start::Ended(Outcome::Found(Found::none(found::absent(call, each.missing)))));
    }
    let Some(batch) = &each.batch else { return one_by_one(call, each, &keys, env) };
    let requests: Result<Vec<_>, Fault> = keys.chunks(batch.max).map(|keys| encode(&call.request, env, keys)).collect();
    let mut wanted = Keys::default();
    if each.missing == Missing::Fail {
        wanted = Keys::with_capacity(keys.len());
        keys.iter().filter_map(Key::of).for_each(|key| wanted.push(&key));
    }
    Ok(Start::Send(Sending::Each { requests: requests?, keys: wanted }))
}

/// A key that no request can be made of is as one that the service does not find.
fn one_by_one<'a>(call: &'a Call, each: &Each, keys: &[Value<'a>], env: &mut Env<'a>) -> Result<Start, Fault> {
    let (mut requests, mut sent) = (Vec::with_capacity(keys.len()), Keys::with_capacity(keys.len()));
    for key in keys {
        env.bind(each.local, key.clone());
        match encode(&call.request, env, &[]) {
            Ok(request) => {
                requests.push(request);
                Key::of(key).iter().for_each(|key| sent.push(key));
            }
            Err(fault) if fault.code == Code::InvalidArgument && each.missing != Missing::Fail => {}
            Err(fault) => return Err(fault),
        }
    }
    if requests.is_empty() {
        return Ok(Start::Ended(Outcome::Found(Found::none(each.missing))));
    }
    Ok(Start::Send(Sending::Each { requests, keys: sent }))
}
