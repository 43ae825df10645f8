//! What the failure of a call becomes.

use super::Checker;
use crate::definition;
use crate::plan::{CallSet, Fallback, OnFail, ProjectionId, Then, json_layout};
use crate::problem::ErrorCode;
use crate::schema::{Operation, Type};
use crate::tape::{Layout, Tape};
use crate::yaml::Node;

impl Checker<'_> {
    /// Whether the call may have no reply without failing the view, and whether it is null then. What runs behind a
    /// change can fail nothing any more: the change has happened.
    pub(super) fn on_fail(&mut self, call: usize, after: CallSet, may_be_skipped: bool) -> (bool, bool) {
        let written = &self.view.calls[call];
        let behind = !after.only(self.changing).is_empty();
        let default = Fallback::new(if behind { Then::Null } else { Then::Fail(None) });
        let fallbacks = written.on_fail.codes.iter().map(|(_, fallback)| fallback).chain(&written.on_fail.otherwise);
        for fallback in fallbacks {
            if behind && fallback.value.fails() {
                let help = "remove it: the value becomes null, and the answer says so";
                let message = format!("`{}` runs behind a change, which its failure cannot undo", written.name.value);
                self.problem(ErrorCode::Effects, &fallback.place, message, help);
            }
            if written.each.is_some() && matches!(fallback.value.then, Then::Default(_)) {
                let message = "a call with `each` has one reply per key, for which one default cannot stand";
                self.problem(
                    ErrorCode::Unsupported,
                    &fallback.place,
                    message,
                    "write `null`, and `??` where a key is looked up",
                );
            }
        }
        let on_fail = planned(&written.on_fail, default);
        let skipped_to_null = may_be_skipped && !matches!(on_fail.otherwise.then, Then::Default(_));
        let optional = may_be_skipped || on_fail.fallbacks().any(|fallback| !fallback.fails());
        let nullable = on_fail.fallbacks().any(|fallback| matches!(fallback.then, Then::Null | Then::Omit));
        if on_fail.fallbacks().any(|fallback| matches!(fallback.then, Then::Omit)) {
            self.omits = self.omits.with(CallSet::one(call));
        }
        self.on_fail[call] = on_fail;
        (optional, nullable || skipped_to_null)
    }

    /// The call's `on_fail` with its defaults as replies; none where a problem was found.
    pub(super) fn defaults(
        &mut self,
        call: usize,
        operation: &Operation,
        projection: Option<ProjectionId>,
        layout: Option<&Layout>,
    ) -> Option<OnFail<Tape>> {
        let OnFail { codes, otherwise } = std::mem::replace(&mut self.on_fail[call], OnFail::fail());
        let mut compile = |fallback: Fallback<Node>| {
            let then = match fallback.then {
                Then::Fail(status) => Then::Fail(status),
                Then::Null => Then::Null,
                Then::Omit => Then::Omit,
                Then::Default(node) => {
                    // Nothing is read of a reply without a layout.
                    let projection = projection.filter(|_| layout.is_some());
                    Then::Default(self.default_reply(&node, &operation.response, projection)?)
                }
            };
            Some(Fallback { stale: fallback.stale, then })
        };
        let codes: Vec<Option<_>> =
            codes.into_iter().map(|(code, fallback)| Some((code, compile(fallback)?))).collect();
        let otherwise = compile(otherwise);
        Some(OnFail { codes: codes.into_iter().collect::<Option<_>>()?, otherwise: otherwise? })
    }

    /// The literal as a reply, in the slots that the view reads.
    fn default_reply(&mut self, node: &Node, ty: &Type, projection: Option<ProjectionId>) -> Option<Tape> {
        let text = self.literal(node, ty, projection)?;
        let layout = json_layout(ty, projection, &self.projections, self.contracts);
        match crate::decode::reply(&layout, text.into()) {
            Ok(tape) => Some(tape),
            Err(violation) => {
                self.problem(
                    ErrorCode::WrongType,
                    &node.place,
                    format!("the default {violation}"),
                    "write it as the service would answer",
                );
                None
            }
        }
    }
}

fn planned(written: &definition::OnFail, default: Fallback<Node>) -> OnFail<Node> {
    let codes = written.codes.iter().map(|(code, fallback)| (*code, fallback.value.clone())).collect();
    OnFail { codes, otherwise: written.otherwise.as_ref().map_or(default, |fallback| fallback.value.clone()) }
}
