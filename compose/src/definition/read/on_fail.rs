//! The `on_fail` of a call.

use std::time::Duration;

use super::{Fields, keys};
use crate::definition::{Fallback, OnFail, Spanned, Then};
use crate::problem::{ErrorCode, Problem};
use crate::upstream::Code;
use crate::yaml::Node;

const FORMS: &str =
    "`fail`, `null`, `omit`, `{ default: ... }`, `{ stale: 10m }`, `{ fail: 404 }`, a list of these, or a map by code";
enum Step {
    Stale(Duration),
    Then(Then<Node>),
}

pub(super) fn on_fail(node: &Node, fields: &mut Fields<'_>) -> Option<OnFail> {
    let entries = node.entries().unwrap_or_default();
    if entries.is_empty() || entries.iter().any(|e| keys::FALLBACK.contains(&e.key.as_str())) {
        return Some(OnFail { codes: Vec::new(), otherwise: Some(fallback(node, fields)?) });
    }
    let mut read = OnFail::default();
    for entry in entries {
        let Some(fallback) = fallback(&entry.value, fields) else { continue };
        match Code::from_name(&entry.key) {
            Some(code) => read.codes.push((code, fallback)),
            None if entry.key == "_" => read.otherwise = Some(fallback),
            None => {
                let problem = Problem::new(
                    ErrorCode::UnknownName,
                    &entry.place,
                    format!("`{}` is not the code of a failure", entry.key),
                );
                fields.problems.push(problem.suggest(&entry.key, Code::names().chain(keys::FALLBACK)));
            }
        }
    }
    Some(read)
}

/// What is tried, one after the other: nothing follows what always works.
fn fallback(node: &Node, fields: &mut Fields<'_>) -> Option<Spanned<Fallback<Node>>> {
    let steps = node.list().unwrap_or(std::slice::from_ref(node));
    let (mut stale, mut then) = (None, None);
    for written in steps {
        let place = &written.place;
        match step(written, fields)? {
            _ if then.is_some() => {
                fields.problem(
                    ErrorCode::Unused,
                    place,
                    "this is never tried: what stands before it always works",
                    "remove one of them",
                );
                return None;
            }
            Step::Stale(_) if stale.is_some() => {
                fields.problem(
                    ErrorCode::Unused,
                    place,
                    "a second `stale` finds nothing that the first did not",
                    "keep the longer one",
                );
                return None;
            }
            Step::Stale(age) => stale = Some(age),
            Step::Then(last) => then = Some(last),
        }
    }
    if steps.is_empty() {
        fields.problem(ErrorCode::WrongForm, &node.place, "`on_fail` says nothing", FORMS);
        return None;
    }
    Some(Spanned { value: Fallback { stale, then: then.unwrap_or(Then::Fail(None)) }, place: node.place.clone() })
}

fn step(node: &Node, fields: &mut Fields<'_>) -> Option<Step> {
    let then = match node.text() {
        Some("fail") => Then::Fail(None),
        Some("null") => Then::Null,
        Some("omit") => Then::Omit,
        _ => match node.entries() {
            Some([entry]) if entry.key == "default" => Then::Default(entry.value.clone()),
            Some([entry]) if entry.key == "stale" => {
                return fields.duration(&entry.value).map(|age| Step::Stale(age.value));
            }
            Some([entry]) if entry.key == "fail" => Then::Fail(Some(status(&entry.value, fields)?)),
            _ => {
                fields.problem(ErrorCode::WrongForm, &node.place, "this is not what a failure can become", FORMS);
                return None;
            }
        },
    };
    Some(Step::Then(then))
}

fn status(node: &Node, fields: &mut Fields<'_>) -> Option<u16> {
    let status = fields.number::<u16>(node, "the status of a failure")?;
    if !(400..600).contains(&status.value) {
        fields.problem(
            ErrorCode::OutOfRange,
            &node.place,
            "a failure has a status from 400 to 599",
            "for example `{ fail: 404 }`",
        );
        return None;
    }
    Some(status.value)
}
