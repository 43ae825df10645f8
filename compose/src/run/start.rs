//! A call that has all it waited for: its requests, or why there are none.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::found::{self, Key, Keys};
use super::send;
use super::tags::tags;
use super::{Found, Instead, Keyed, Outcome, Tags, error_of, skipped};
use crate::definition::Missing;
use crate::encode::{encode, keyless};
use crate::expr::{Env, Fault, Value};
use crate::inputs::Inputs;
use crate::plan::{Call, CallSet, Each, Plan};
use crate::upstream::{CallError, Code, Kept, Request, Target, Upstream};

pub enum Start {
    Ended(Outcome),
    Send(Sending),
}

pub enum Sending {
    One(Request),
    /// The keys are those of the requests, or those that a batch must answer.
    Each {
        requests: Vec<Request>,
        keys: Keys,
    },
    /// A batch whose results are kept by key.
    Keyed(Arc<Keyed>),
}

/// What the calls of one request are made with.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    pub plan: &'a Plan,
    pub inputs: &'a Inputs,
    pub upstream: &'a dyn Upstream,
    pub deadline: Instant,
}

pub fn start(ground: Ground<'_>, call: &Call, outcomes: &[Outcome]) -> Result<Start, CallError> {
    let started = prepare(ground, call, outcomes).map_err(error_of);
    match started? {
        Start::Send(sending) if ground.upstream.keeps(call) => {
            Ok(at_hand(call, &sending, ground.upstream).map_or(Start::Send(sending), Start::Ended))
        }
        started => Ok(started),
    }
}

/// What need not be sent, because enough is kept of what was answered before.
fn at_hand(call: &Call, sending: &Sending, upstream: &dyn Upstream) -> Option<Outcome> {
    match sending {
        Sending::One(request) => {
            let Kept { reading, headers } = upstream.kept(call, request)?;
            Some(Outcome::Reply { tape: reading.tape, headers })
        }
        Sending::Keyed(keyed) => {
            let readings = upstream.kept_keys(call, keyed)?.into_iter().flatten();
            send::of_keys(call, &keyed.keys, readings.map(|reading| reading.tape).collect()).ok()
        }
        Sending::Each { .. } => None,
    }
}

fn prepare<'a>(ground: Ground<'a>, call: &'a Call, outcomes: &'a [Outcome]) -> Result<Start, Fault> {
    let Ground { plan, inputs, .. } = ground;
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
            let encoded = encode(&call.request, &mut env, &[])?;
            Ok(Start::Send(Sending::One(ground.request(encoded, tags(call, &mut env)))))
        }
        Some(each) => of_keys(ground, call, each, &mut env),
    }
}

/// A default counts as a reply.
fn lacks_reply(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed { instead: Instead::Null | Instead::Omit, .. })
}

impl Ground<'_> {
    fn request(&self, (target, body): (Target, Bytes), tags: Option<Tags>) -> Request {
        Request { target, body, tags, deadline: self.deadline, second: false }
    }
}

fn of_keys<'a>(ground: Ground<'_>, call: &'a Call, each: &'a Each, env: &mut Env<'a>) -> Result<Start, Fault> {
    let keys = found::keys(each, env)?;
    if keys.len() > each.bound {
        let message = format!("{} keys are more than the bound of {}", keys.len(), each.bound);
        return Err(Fault::new(message));
    }
    if keys.is_empty() {
        return Ok(Start::Ended(Outcome::Found(Found::none(found::absent(call, each.missing)))));
    }
    let Some(batch) = &each.batch else { return one_by_one(ground, call, each, &keys, env) };
    if let Some(keyed) = kept_by_key(ground, call, &keys, env)? {
        return Ok(Start::Send(Sending::Keyed(keyed.into())));
    }
    let tags = tags(call, env);
    let request = |keys: &[Value<'a>]| Ok(ground.request(encode(&call.request, env, keys)?, tags.clone()));
    let requests: Result<Vec<_>, Fault> = keys.chunks(batch.max).map(request).collect();
    let mut wanted = Keys::default();
    if each.missing == Missing::Fail {
        wanted = owned(&keys);
    }
    Ok(Start::Send(Sending::Each { requests: requests?, keys: wanted }))
}

fn owned(keys: &[Value<'_>]) -> Keys {
    let mut owned = Keys::with_capacity(keys.len());
    keys.iter().filter_map(Key::of).for_each(|key| owned.push(&key));
    owned
}

/// None where it is not kept so, or a tag has no text.
fn kept_by_key<'a>(
    ground: Ground<'_>,
    call: &'a Call,
    keys: &[Value<'a>],
    env: &mut Env<'a>,
) -> Result<Option<Keyed>, Fault> {
    let Some((cache, local)) = call.cache.as_ref().and_then(|cache| Some((cache, cache.per_key?))) else {
        return Ok(None);
    };
    if call.layout.is_none() || !ground.upstream.keeps(call) {
        return Ok(None);
    }
    let mut tags = Tags::default();
    for key in keys {
        env.bind(local, key.clone());
        if tags.write(cache, env).is_err() {
            return Ok(None);
        }
    }
    let (target, body) = keyless(&call.request, env)?;
    Ok(Some(Keyed { target, body, keys: owned(keys), tags }))
}

/// A key that no request can be made of is as one that the service does not find.
fn one_by_one<'a>(
    ground: Ground<'_>,
    call: &'a Call,
    each: &Each,
    keys: &[Value<'a>],
    env: &mut Env<'a>,
) -> Result<Start, Fault> {
    let (mut requests, mut sent) = (Vec::with_capacity(keys.len()), Keys::with_capacity(keys.len()));
    for key in keys {
        env.bind(each.local, key.clone());
        match encode(&call.request, env, &[]) {
            Ok(encoded) => {
                if let Some(local) = call.cache.as_ref().and_then(|cache| cache.per_key) {
                    env.bind(local, key.clone());
                }
                requests.push(ground.request(encoded, tags(call, env)));
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
