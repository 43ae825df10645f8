//! A view of events: every reply of its stream becomes one JSON text.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::{Failure, decoded, failed, fault_of};
use crate::encode::encode;
use crate::expr::{Env, Fault, Value};
use crate::inputs::Inputs;
use crate::plan::{Plan, Stream};
use crate::render::render;
use crate::upstream::{CallError, Code, Request, Streamed, Target, Upstream};

/// It ends after a failure.
pub type Events = BoxStream<'static, Result<Event, Failure>>;

#[derive(Debug)]
pub struct Event {
    /// JSON text.
    pub json: Bytes,
    /// From where its source goes on when it is asked again; none where it cannot.
    pub id: Option<String>,
}

/// Opens the plan's stream, behind the event with the id `after` where its source can.
pub async fn open(
    plan: Arc<Plan>,
    inputs: Inputs,
    upstream: &dyn Upstream,
    after: Option<String>,
) -> Result<Events, Failure> {
    let Some(call) = plan.stream_call() else {
        let error = CallError::new(Code::Internal, "the view has no stream");
        return Err(Failure { call: None, error, from_client: false, mistakes: Box::default(), status: None });
    };
    let mut env = Env::new(&inputs, &[], plan.locals);
    let (mut target, body) = encode(&call.request, &mut env, &[]).map_err(|fault| fault_of(&plan, fault))?;
    if let Target::Nats { after: last, .. } = &mut target {
        *last = after;
    }
    let deadline = Instant::now() + call.timeout;
    let request = Request { target, body, tags: None, deadline, second: false };
    let opened = timeout_at(deadline, upstream.open(call, request)).await;
    let late = || CallError::new(Code::DeadlineExceeded, "the stream did not open in time");
    let replies = opened.unwrap_or_else(|_| Err(late())).map_err(|error| failed(call, error))?;
    let events = stream::try_unfold((Arc::clone(&plan), inputs, replies), async |(plan, inputs, mut replies)| {
        let Some(reply) = replies.next().await else { return Ok(None) };
        let event = event(&plan, &inputs, reply)?;
        Ok(Some((event, (plan, inputs, replies))))
    });
    Ok(events.boxed())
}

fn event(plan: &Plan, inputs: &Inputs, reply: Result<Streamed, CallError>) -> Result<Event, Failure> {
    let (Some(Stream { call, event_id }), Some(shape)) = (&plan.stream, &plan.shape) else {
        return Ok(Event { json: Bytes::new(), id: None });
    };
    let Streamed { body, id } = reply.map_err(|error| failed(call, error))?;
    let tape = decoded(call, body).map_err(|error| failed(call, error))?;
    let mut env = Env::new(inputs, &[], plan.locals);
    env.bind(0, Value::of_tape(&tape));
    let mut out = Vec::with_capacity(256);
    let wrong = |fault: Fault| match fault_of(plan, fault) {
        client if client.from_client => client,
        event => Failure { call: Some(call.name.clone()), ..event },
    };
    render(shape, &mut env, &mut out).map_err(wrong)?;
    let own = match event_id {
        Some(code) => env.eval(code).map_err(wrong)?.text().map(Cow::into_owned),
        None => None,
    };
    Ok(Event { json: out.into(), id: id.or(own) })
}
