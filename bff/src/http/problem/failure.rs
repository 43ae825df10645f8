//! What a view's failure is to its client; what the service said in words stays in the log.

use std::time::Duration;

use http::StatusCode;

use super::{FieldError, Location, Problem};
use crate::views::{Code, Failure};

impl From<Failure> for Problem {
    /// The status that the view asks for, or that of the service's code. What neither the client nor a rule of the
    /// service is to blame for is 502: our fault.
    fn from(Failure { error, from_client, status, .. }: Failure) -> Problem {
        let wait = error.retry_after.unwrap_or(RETRY);
        if let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok()) {
            return match status {
                StatusCode::TOO_MANY_REQUESTS => Problem::too_many_requests(wait),
                StatusCode::SERVICE_UNAVAILABLE => Problem::unavailable(wait),
                status => Problem::new(status),
            };
        }
        match error.code {
            Code::InvalidArgument | Code::OutOfRange if from_client => {
                let field = |(field, message): (String, String)| FieldError {
                    location: Location::Pointer(pointer(&field)),
                    code: "invalid".to_owned(),
                    message,
                };
                let problem = Problem::invalid(error.fields.into_iter().take(MAX_FIELDS).map(field).collect());
                if error.ours { problem.detail(error.message) } else { problem }
            }
            Code::NotFound => Problem::not_found(),
            Code::PermissionDenied => Problem::forbidden(),
            Code::AlreadyExists | Code::Aborted => Problem::new(StatusCode::CONFLICT),
            Code::FailedPrecondition => Problem::precondition_failed(),
            Code::ResourceExhausted => Problem::too_many_requests(wait),
            Code::Unavailable => Problem::unavailable(wait),
            Code::DeadlineExceeded => Problem::gateway_timeout(),
            _ => Problem::bad_gateway(),
        }
    }
}

/// How long a client waits where the service behind us does not say.
const RETRY: Duration = Duration::from_secs(1);
const MAX_FIELDS: usize = 32;

/// `lines[0].unit_price` as the JSON pointer `/lines/0/unitPrice`.
fn pointer(field: &str) -> String {
    let mut pointer = String::new();
    let mut upper = false;
    for c in field.chars().take(MAX_POINTER_CHARS) {
        match c {
            ']' => {}
            '.' | '[' => pointer.push('/'),
            '_' => upper = true,
            c if upper => {
                pointer.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => pointer.push(c),
        }
    }
    format!("/{pointer}")
}

const MAX_POINTER_CHARS: usize = 200;
