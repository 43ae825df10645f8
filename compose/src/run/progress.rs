//! An answer in parts: the whole of it once every required call has ended, and what the optional ones change when they
//! come. In the end it is what an ordinary answer is.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Answer, Failure, Note, Outcome, answered, calls, notes_of, skipped};
use crate::expr::Env;
use crate::inputs::Inputs;
use crate::patch::patch;
use crate::plan::{CallSet, Plan};
use crate::render::render;
use crate::upstream::Upstream;

#[derive(Debug)]
pub enum Part {
    /// The answer as far as it is known, as JSON text: the first part.
    Whole(Bytes),
    /// What has changed of it since, as a JSON Patch (RFC 6902).
    Patch(Bytes),
    /// What will be missing.
    Missing(Vec<Note>),
}

/// As `run`, but `tell` hears of every part at once. There is no failure after the first one, but of an answer that
/// cannot be written.
pub async fn progress(
    plan: &Plan,
    inputs: &Inputs,
    upstream: &dyn Upstream,
    deadline: Instant,
    tell: &mut (dyn FnMut(Part) + Send),
) -> Result<Answer, Failure> {
    let late = plan.late();
    // Until it has ended, a late call is what it is without a reply.
    let pending = |(i, call)| if CallSet::one(i).within(late) { skipped(call) } else { Outcome::Pending };
    let outcomes = plan.calls.iter().enumerate().map(pending).collect();
    let mut shown = Shown { plan, inputs, late, seen: None, body: None, missing: CallSet::default(), tell };
    let outcomes = calls(plan, inputs, upstream, deadline, outcomes, |outcomes, done| shown.look(outcomes, done)).await;
    if let Ok(outcomes) = &outcomes {
        shown.look(outcomes, plan.all_calls());
    }
    answered(plan, inputs, outcomes)
}

/// What was told so far.
struct Shown<'a> {
    plan: &'a Plan,
    inputs: &'a Inputs,
    late: CallSet,
    /// The calls that had ended.
    seen: Option<CallSet>,
    body: Option<Bytes>,
    /// The calls that were told to have no reply.
    missing: CallSet,
    tell: &'a mut (dyn FnMut(Part) + Send),
}

impl Shown<'_> {
    fn look(&mut self, outcomes: &[Outcome], done: CallSet) {
        let required = self.plan.all_calls().without(self.late);
        if !required.within(done) || self.seen == Some(done) {
            return;
        }
        self.seen = Some(done);
        // What cannot be written is the whole answer's failure, which is told in the end.
        let Some(body) = self.written(outcomes) else { return };
        match &self.body {
            None => (self.tell)(Part::Whole(body.clone())),
            Some(before) => {
                if let Some(patch) = patch(before, &body) {
                    (self.tell)(Part::Patch(patch));
                }
            }
        }
        self.body = Some(body);
        let failed = |i: &usize| matches!(outcomes[*i], Outcome::Failed { .. });
        for i in done.without(self.missing).iter().filter(failed) {
            self.missing = self.missing.with(CallSet::one(i));
            (self.tell)(Part::Missing(notes_of(&self.plan.calls[i], &outcomes[i])));
        }
    }

    fn written(&self, outcomes: &[Outcome]) -> Option<Bytes> {
        let mut out = Vec::with_capacity(self.plan.answers.expected());
        let mut env = Env::new(self.inputs, outcomes, self.plan.locals);
        render(self.plan.shape.as_ref()?, &mut env, &mut out).ok()?;
        Some(out.into())
    }
}
