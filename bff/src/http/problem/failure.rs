//! What a view's failure is to its client; what the service said in words stays in the log.

use std::time::Duration;

use http::StatusCode;

use super::{FieldError, Problem};
use crate::views::{Code, Failure};

impl From<Failure> for Problem {
    /// The status that the view asks for, or that of the service's code. What neither the client nor a rule of the
    /// service is to blame for is 502: our fault.
    fn from(Failure { error, from_client, mistakes, status, .. }: Failure) -> Problem {
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
                let problem = Problem::invalid(mistakes.into_iter().map(FieldError::from).collect());
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
