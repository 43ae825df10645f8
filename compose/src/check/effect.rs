//! What changes something: when a view may do so, and how often.

use super::Checker;
use crate::definition;
use crate::plan::{Call, CallSet};
use crate::problem::ErrorCode;
use crate::schema::{Operation, Protocol};

impl Checker<'_> {
    /// The author's word counts where the contract is silent.
    pub(super) fn claims(&mut self, call: &definition::Call, operation: &Operation) {
        let Some(place) = &call.safe else { return };
        if let Protocol::Http { method, .. } = &operation.protocol
            && ["PUT", "PATCH", "DELETE"].contains(&method.as_str())
        {
            let message = format!("{method} means that `{}` changes something", operation.name);
            self.problem(ErrorCode::Effects, place, message, "remove `safe`");
        }
    }

    /// Browsers, caches and robots repeat a GET as they please.
    pub(super) fn reads_only(&mut self, definition: &definition::Call, safe: bool) {
        if self.view.route.method == "GET" && !safe {
            let name = &definition.name;
            let message = format!("`{}` may change something, which a GET must not", name.value);
            let help = "write `safe: true` at the call if it changes nothing, or choose another method for the route";
            self.problem(ErrorCode::Effects, &name.place, message, help);
        }
    }

    /// Calls that change something are ordered, and start when nothing before them can fail the view any more.
    pub(super) fn effects(&mut self, mut calls: Vec<Call>) -> Vec<Call> {
        let view = self.view;
        if view.route.method == "GET" {
            view.calls.iter().zip(&calls).for_each(|(definition, call)| self.reads_only(definition, call.safe));
            return calls;
        }
        let before = before(&calls);
        let changing: Vec<usize> = (0..calls.len()).filter(|i| !calls[*i].safe).collect();
        for (n, second) in changing.iter().enumerate() {
            let ordered = |first: usize, second: usize| CallSet::one(first).within(before[second]);
            let loose = changing[..n].iter().find(|first| !ordered(**first, *second) && !ordered(*second, **first));
            if let Some(first) = loose {
                let (first, second) = (&view.calls[*first].name, &view.calls[*second].name);
                let message = format!("`{}` and `{}` both change something, in no order", first.value, second.value);
                let help = format!("write `after: {}` here, or `safe: true` at what changes nothing", first.value);
                self.problem(ErrorCode::Effects, &second.place, message, help);
            }
        }
        if let Some(batch) = changing.iter().find(|i| calls[**i].each.is_some()) {
            let place = view.calls[*batch].name.place.clone();
            let message = format!("`{}` changes something, and `each` would do so several times", calls[*batch].name);
            self.problem(ErrorCode::Effects, &place, message, "call it once");
        }
        let required = (0..calls.len()).filter(|i| calls[*i].safe && calls[*i].is_required());
        let required: Vec<usize> = required.collect();
        for change in changing {
            let first = required.iter().filter(|i| !CallSet::one(change).within(before[**i]));
            calls[change].after = first.fold(calls[change].after, |after, i| after.with(CallSet::one(*i)));
        }
        calls
    }
}

/// By index, all the calls that end before a call starts.
fn before(calls: &[Call]) -> Vec<CallSet> {
    let mut before: Vec<CallSet> = calls.iter().map(|call| call.after).collect();
    // One round more for every call on the longest way.
    for _ in 0..calls.len() {
        before = before.iter().map(|direct| direct.iter().fold(*direct, |all, i| all.with(before[i]))).collect();
    }
    before
}
