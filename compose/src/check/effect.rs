//! What changes something: when a view may do so, and how often.

use super::Checker;
use crate::definition;
use crate::plan::Call;
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

    /// Two calls that change something would need an order and an answer to half a success.
    pub(super) fn effects(&mut self, calls: &[Call]) {
        let view = self.view;
        if view.route.method == "GET" {
            view.calls.iter().zip(calls).for_each(|(definition, call)| self.reads_only(definition, call.safe));
            return;
        }
        let changing: Vec<usize> = (0..calls.len()).filter(|i| !calls[*i].safe).collect();
        if let [first, second, ..] = changing[..] {
            let message = format!("`{}` and `{}` both change something", calls[first].name, calls[second].name);
            let place = self.view.calls[second].name.place.clone();
            let help = "make two views; a gRPC method that only reads says `option idempotency_level = NO_SIDE_EFFECTS` in its contract";
            self.problem(ErrorCode::Effects, &place, message, help);
        }
        if let Some(batch) = changing.iter().find(|i| calls[**i].batch.is_some()) {
            let place = self.view.calls[*batch].name.place.clone();
            let message = format!("`{}` changes something, and a batch would do so several times", calls[*batch].name);
            self.problem(ErrorCode::Effects, &place, message, "call it once");
        }
    }
}
