//! What an answer carries beside its body. What cannot be written is left out, and said to the log: the calls are made.

use std::borrow::Cow;

use super::tags::tag_text;
use super::{Failure, Outcome, fault_of};
use crate::encode::path;
use crate::entity_tag;
use crate::expr::Env;
use crate::inputs::Inputs;
use crate::plan::{Plan, Proxy};

#[derive(Debug, Default)]
pub(super) struct Head {
    pub headers: Vec<(String, String)>,
    pub invalidates: Vec<String>,
    pub lost: Vec<String>,
}

pub(super) fn head(plan: &Plan, inputs: &Inputs, outcomes: &[Outcome]) -> Head {
    let mut head = Head::default();
    if plan.headers.is_empty() && plan.invalidates.is_empty() {
        return head;
    }
    let mut env = Env::new(inputs, outcomes, plan.locals);
    for (name, code) in &plan.headers {
        match env.eval(code).map(|value| value.text().map(Cow::into_owned)) {
            Ok(None) => {}
            Ok(Some(text)) => match written(name, text) {
                Ok(text) => head.headers.push((name.clone(), text)),
                Err(why) => head.lost.push(format!("the header `{name}`: {why}")),
            },
            Err(fault) => head.lost.push(format!("the header `{name}`: {}", fault.message)),
        }
    }
    head.invalidates = stale(plan, &mut env, &mut head.lost);
    head
}

/// The tags to invalidate where a change was made whose reply cannot be read: those that need no reply.
pub(super) fn invalidates(plan: &Plan, inputs: &Inputs, lost: &mut Vec<String>) -> Vec<String> {
    let outcomes: Vec<Outcome> = plan.calls.iter().map(|_| Outcome::Pending).collect();
    stale(plan, &mut Env::new(inputs, &outcomes, plan.locals), lost)
}

fn stale<'a>(plan: &'a Plan, env: &mut Env<'a>, lost: &mut Vec<String>) -> Vec<String> {
    let mut tags = Vec::with_capacity(plan.invalidates.len());
    for tag in &plan.invalidates {
        let mut text = String::new();
        match tag_text(tag, env, &mut text) {
            Ok(()) => tags.push(text),
            Err(fault) => lost.push(format!("a tag to invalidate: {}", fault.message)),
        }
    }
    tags
}

/// The path that the plan's `proxy` hands this request on to.
pub fn forward(plan: &Plan, proxy: &Proxy, inputs: &Inputs) -> Result<String, Failure> {
    let mut env = Env::new(inputs, &[], plan.locals);
    path(&proxy.path, &mut env).map_err(|fault| fault_of(plan, fault))
}

/// Or why a header cannot carry it. An opaque tag by itself becomes an entity-tag.
fn written(name: &str, text: String) -> Result<String, &'static str> {
    if text.bytes().any(|byte| !(0x20..0x7f).contains(&byte)) {
        return Err("its value is not printable ASCII");
    }
    if name != "etag" || entity_tag::opaque(&text).is_some() {
        return Ok(text);
    }
    let tag = format!("\"{text}\"");
    if entity_tag::opaque(&tag).is_some() { Ok(tag) } else { Err("its value cannot be an entity-tag") }
}
