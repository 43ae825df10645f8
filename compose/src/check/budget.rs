//! What one answer may cost at the worst: time, requests to services, and stack.

use std::time::Duration;

use super::{Checker, Typed};
use crate::plan::{Call, critical_path};
use crate::problem::{ErrorCode, Place};

/// How deep evaluation goes: what a stack holds with room to spare.
const MAX_LEVELS: usize = 128;

impl Checker<'_> {
    /// The longest chain of calls that must succeed fits into the deadline.
    pub(super) fn in_time(&mut self, calls: &[Call], deadline: Duration) {
        if let Some((longest, last)) = critical_path(calls).filter(|(longest, _)| *longest > deadline) {
            let message = format!(
                "the calls up to `{}` may take {} ms, longer than the view's deadline of {} ms",
                calls[last].name,
                longest.as_millis(),
                deadline.as_millis()
            );
            let place = self.view.calls[last].name.place.clone();
            let help = "shorten timeouts, make a call optional, or raise `deadline`";
            self.problem(ErrorCode::Deadline, &place, message, help);
        }
    }

    /// A deadline that the server would not wait for is a promise to nobody.
    pub(super) fn in_server_time(&mut self, longest: Duration) {
        if let Some(deadline) = self.view.deadline.as_ref().filter(|deadline| deadline.value > longest) {
            let message = format!("the server ends every request after {longest:?} (http.timeout_ms)");
            let help = "shorten the deadline, or raise `http.timeout_ms`";
            self.problem(ErrorCode::Deadline, &deadline.place, message, help);
        }
    }

    /// All calls together make no more requests than the server allows one view.
    pub(super) fn affordable(&mut self, calls: &[Call], max_requests: usize) {
        let all = calls.iter().map(Call::most_requests).fold(0, usize::saturating_add);
        let Some(most) = calls.iter().max_by_key(|call| call.most_requests()) else { return };
        if all > max_requests {
            let message =
                format!("one answer may cost {all} requests, more than the {max_requests} that a view may make");
            let help = "lower `bound`, raise `max` of the batch, leave out `hedge`, or raise the server's `views.max_requests`";
            let place = self.view.calls[most.index].name.place.clone();
            self.problem(ErrorCode::TooMuch, &place, message, help);
        }
    }

    /// Whether a stack holds the expression's evaluation; a problem where it may not.
    pub(super) fn is_shallow(&mut self, value: &Typed, here: &Place) -> bool {
        let deep = value.code.is_deeper_than(MAX_LEVELS);
        if deep {
            let message = format!("this takes more than {MAX_LEVELS} steps, each within the one before");
            let help = "bind a part of it: `of: ... as x`, and go on with `x`";
            self.problem(ErrorCode::TooMuch, here, message, help);
        }
        !deep
    }
}
