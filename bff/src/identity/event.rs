//! What happens to sessions, as it is counted.

use super::Error;
use super::password::PasswordError;
use crate::meter::Meter;

/// Counts an event of this name by how it ended.
pub fn count<T>(meter: &Meter, event: &'static str, result: &Result<T, Error>) {
    let ended = result.as_ref().map_or_else(refusal, |_| "ok");
    tally(meter, event, ended);
}

/// Counts an event of this name and result.
pub fn tally(meter: &Meter, event: &'static str, result: &'static str) {
    meter.counter("bff_auth_events_total", &[("event", event), ("result", result)]).increment(1);
}

fn refusal(error: &Error) -> &'static str {
    match error {
        Error::WrongCredentials | Error::WrongPassword => "invalid-credentials",
        Error::Disabled => "disabled",
        Error::Refused(_) | Error::Identifier(_) | Error::Unfit(_) | Error::Missing | Error::LastAdmin => "refused",
        Error::Password(PasswordError::Busy) => "busy",
        Error::WrongCode => "wrong-code",
        Error::CodeOver => "code-over",
        Error::TooManyTries(_) => "too-many-tries",
        Error::Limited(_) | Error::TooOften(_) => "too-often",
        Error::BudgetSpent(_) => "budget-spent",
        Error::NotServed => "not-served",
        Error::NoChannel(_) => "no-channel",
        _ => "error",
    }
}
