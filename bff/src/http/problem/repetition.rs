//! What a request is told whose idempotency key was seen before.

use std::time::Duration;

use http::StatusCode;

use super::{Problem, chain};
use crate::idempotency::Error;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::OtherRequest => Self::new(StatusCode::UNPROCESSABLE_ENTITY)
                .code("idempotency-key-used", "The Idempotency-Key belongs to another request")
                .detail("Send a new key with a new request, and the same key with the same request alone"),
            Error::Running(wait) => Self::new(StatusCode::CONFLICT)
                .code("idempotency-key-running", "The first request with this Idempotency-Key is not finished")
                .retry_after(wait.min(ASK_AGAIN)),
            Error::NotKept => Self::new(StatusCode::CONFLICT)
                .code("idempotency-key-spent", "The request was carried out, and its answer was not kept"),
            Error::Store(_) | Error::Contended => {
                tracing::error!(error = %chain(&error), "idempotency is not available");
                Self::unavailable(ASK_AGAIN)
            }
        }
    }
}

/// The first request is seldom under way for longer than that.
const ASK_AGAIN: Duration = Duration::from_secs(1);
