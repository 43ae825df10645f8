//! A call that has all it waited for: its requests, or why there are none.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Found, Instead, Outcome, found, skipped};
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

pub struct Sending {
    pub requests: Vec<(Target, Bytes)>,
    /// The keys of the requests, or those that a batch must answer.
    pub keys: Vec<String>,
}

pub fn start<'a>(plan: &Plan, call: &'a Call, inputs: &'a Inputs, outcomes: &'a [Outcome]) -> Result<Start, CallError> {
    prepare(plan, call, inputs, outcomes).map_err(|fault| CallError::new(fault.code, fault.message))
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
        None => Ok(Start::Send(Sending { requests: vec![encode(&call.request, &mut env, &[])?], keys: Vec::new() })),
        Some(each) => of_keys(call, each, &mut env),
    }
}

/// A default counts as a reply.
fn lacks_reply(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed { instead: Instead::Null | Instead::Omit, .. })
}

fn of_keys<'a>(call: &'a Call, each: &'a Each, env: &mut Env<'a>) -> Result<Start, Fault> {
    let keys = found::keys(&each.keys, env)?;
    if keys.len() > each.bound {
        let message = format!("{} keys are more than the bound of {}", keys.len(), each.bound);
        return Err(Fault { code: Code::Internal, ..Fault::new(message) });
    }
    if keys.is_empty() {
        return Ok(Start::Ended(Outcome::Found(Found::none(found::absent(call, each.missing)))));
    }
    let Some(batch) = &each.batch else { return one_by_one(call, each, &keys, env) };
    let requests: Result<Vec<_>, Fault> = keys.chunks(batch.max).map(|keys| encode(&call.request, env, keys)).collect();
    let counts = each.missing == Missing::Fail;
    let keys = keys.iter().filter(|_| counts).filter_map(Value::text).map(Cow::into_owned).collect();
    Ok(Start::Send(Sending { requests: requests?, keys }))
}

/// A key that no request can be made of is as one that the service does not find.
fn one_by_one<'a>(call: &'a Call, each: &Each, keys: &[Value<'a>], env: &mut Env<'a>) -> Result<Start, Fault> {
    let mut sending = Sending { requests: Vec::with_capacity(keys.len()), keys: Vec::with_capacity(keys.len()) };
    for key in keys {
        env.locals[each.local] = key.clone();
        match encode(&call.request, env, &[]) {
            Ok(request) => {
                sending.requests.push(request);
                sending.keys.extend(key.text().map(Cow::into_owned));
            }
            Err(fault) if fault.code == Code::InvalidArgument && each.missing != Missing::Fail => {}
            Err(fault) => return Err(fault),
        }
    }
    if sending.requests.is_empty() {
        return Ok(Start::Ended(Outcome::Found(Found::none(each.missing))));
    }
    Ok(Start::Send(sending))
}
