//! Every way a call can fail, as functions: the status, and the details a program can read.

use std::sync::Arc;

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use uuid::Uuid;

use crate::store;

/// INVALID_ARGUMENT with every violation at once, or nothing if there is none.
pub fn unless_valid(violations: Vec<FieldViolation>) -> Result<(), Status> {
    let Some(first) = violations.first() else {
        return Ok(());
    };
    let more = match violations.len() - 1 {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    };
    let message = format!("{}: {}{more}", first.field, first.description);
    let details = ErrorDetails::with_bad_request(violations);
    Err(Status::with_error_details(tonic::Code::InvalidArgument, message, details))
}

pub fn invalid(field: &str, description: &str) -> Status {
    let details = ErrorDetails::with_bad_request_violation(field, description);
    Status::with_error_details(tonic::Code::InvalidArgument, format!("{field}: {description}"), details)
}

/// The id of a request, which must be there. What is no UUID was never given out, so it is not found.
pub fn parse_id(field: &str, kind: &str, id: &str) -> Result<Uuid, Status> {
    if id.is_empty() {
        return Err(invalid(field, "is required"));
    }
    Uuid::try_parse(id).map_err(|_| Status::not_found(format!("there is no such {kind}")))
}

pub fn not_found(kind: &str, id: Uuid) -> Status {
    Status::not_found(format!("{kind} {id} is not found"))
}

pub fn stale_etag(kind: &str) -> Status {
    Status::aborted(format!("the {kind} has changed since this etag was read: read it again, then repeat the change"))
}

pub fn contended(kind: &str) -> Status {
    Status::aborted(format!("the {kind} is being changed by others: try again"))
}

pub fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the call's deadline has passed")
}

pub fn shutting_down() -> Status {
    Status::unavailable("the server is shutting down: call again")
}

impl From<store::Error> for Status {
    fn from(error: store::Error) -> Self {
        let mut status = if error.is_outage() {
            Status::unavailable("the database cannot be reached: try again")
        } else {
            Status::internal("the database refused a statement; the server's log has the cause")
        };
        status.set_source(Arc::new(error));
        status
    }
}
