//! What an answer carries beside its body. What cannot be written is left out, and said to the log: the calls are made.

use std::borrow::Cow;

use super::{Failure, Outcome, fault_of};
use crate::encode::path;
use crate::entity_tag;
use crate::expr::{Env, Fault};
use crate::inputs::Inputs;
use crate::plan::{Piece, Plan, Proxy};

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
    for tag in &plan.invalidates {
        match text(tag, &mut env) {
            Ok(tag) => head.invalidates.push(tag),
            Err(fault) => head.lost.push(format!("a tag to invalidate: {}", fault.message)),
        }
    }
    head
}

/// The path that the plan's `proxy` hands this request on to.
pub fn forward(plan: &Plan, proxy: &Proxy, inputs: &Inputs) -> Result<String, Failure> {
    let mut env = Env::new(inputs, &[], plan.locals);
    path(&proxy.path, &mut env).map_err(|fault| fault_of(plan, fault))
}

fn text<'a>(pieces: &'a [Piece], env: &mut Env<'a>) -> Result<String, Fault> {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Code(code) => {
                let value = env.eval(code)?;
                out.push_str(&value.text().ok_or_else(|| Fault::new("a value of it is null"))?);
            }
        }
    }
    Ok(out)
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
