//! Why a call failed, in the terms that a view's `on_fail` and a retry decide by.

use std::ops::Deref;
use std::time::Duration;

use tonic::Code;

/// Why a call failed; one pointer wide, because it travels beside every reply.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{:?}: {}", .0.code, .0.message)]
pub struct Error(Box<Failure>);

#[derive(Debug, Clone)]
pub struct Failure {
    pub code: Code,
    pub kind: Kind,
    /// For the log only: it may name hosts and repeat what the service said.
    pub message: String,
    /// How long the service asked us to wait.
    pub retry_after: Option<Duration>,
    /// The fields that the service refused (`google.rpc.BadRequest`).
    pub violations: Vec<Violation>,
}

/// Whose fault it is, and so whether another try is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The network: nothing was sent, so another try is safe.
    Unreached,
    /// The network or the clock: the service may have acted.
    Interrupted,
    /// The service answered with an error.
    Answered,
    /// The service's answer breaks the protocol or our size limit.
    Malformed,
    /// We could not form the request.
    Request,
    /// We did not even try: the service is left alone, or busy with too much of ours.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub field: String,
    pub description: String,
}

impl Deref for Error {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl Error {
    pub fn answered(code: Code, message: &str) -> Self {
        Self::new(code, Kind::Answered, message)
    }

    pub fn unreached(message: &str) -> Self {
        Self::new(Code::Unavailable, Kind::Unreached, message)
    }

    pub fn interrupted(message: &str) -> Self {
        Self::new(Code::Unavailable, Kind::Interrupted, message)
    }

    pub fn deadline() -> Self {
        Self::new(Code::DeadlineExceeded, Kind::Interrupted, "no answer before the deadline")
    }

    pub fn malformed(message: &str) -> Self {
        Self::new(Code::Internal, Kind::Malformed, message)
    }

    /// The answer is no answer to what was asked.
    pub fn broken(message: &str) -> Self {
        Self::new(Code::DataLoss, Kind::Malformed, message)
    }

    pub fn refused(message: &str) -> Self {
        Self::new(Code::Unavailable, Kind::Refused, message)
    }

    pub fn request(message: &str) -> Self {
        Self::new(Code::Internal, Kind::Request, message)
    }

    /// The client has broken off what it sent.
    pub fn abandoned(message: &str) -> Self {
        Self::new(Code::Cancelled, Kind::Request, message)
    }

    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    #[must_use]
    pub fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations = violations;
        self
    }

    /// Whether it says that the service is unwell, and not that it did not like the request.
    pub fn is_failure(&self) -> bool {
        let class = [Code::Unavailable, Code::DeadlineExceeded, Code::Internal, Code::Unknown, Code::DataLoss];
        matches!(self.kind, Kind::Unreached | Kind::Interrupted | Kind::Answered) && class.contains(&self.code)
    }

    fn new(code: Code, kind: Kind, message: &str) -> Self {
        Self(Box::new(Failure {
            code,
            kind,
            message: message.chars().take(MAX_MESSAGE_CHARS).collect(),
            retry_after: None,
            violations: Vec::new(),
        }))
    }
}

const MAX_MESSAGE_CHARS: usize = 300;
