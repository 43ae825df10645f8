//! The engine's only door to the world.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::time::Instant;

use crate::plan::Call;
pub use crate::run::{Keyed, Reading, Tags};

/// Answers one call of a plan.
pub trait Upstream: Sync {
    fn call<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Reply, CallError>>;

    /// Is told of every call whose reply breaks its contract.
    fn broke_contract(&self, _call: &Call) {}

    /// Whether replies of this call are kept, so that what follows is worth asking.
    fn keeps(&self, _call: &Call) -> bool {
        false
    }

    /// What is kept of an earlier reply to the same request, where it is fresh and at hand.
    fn kept(&self, _call: &Call, _request: &Request) -> Option<Kept> {
        None
    }

    /// The same of every key of a batch, none of a key without a result; none at all where one of them is not at hand.
    fn kept_keys(&self, _call: &Call, _keyed: &Keyed) -> Option<Vec<Option<Reading>>> {
        None
    }

    /// Answers a batch whose results are kept by key, a part for each of its keys.
    fn call_keys<'a>(
        &'a self,
        call: &'a Call,
        _keyed: Arc<Keyed>,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<Part>, CallError>> {
        let message = format!("nothing is kept of `{}`", call.name);
        async { Err(CallError::new(Code::Internal, message)) }.boxed()
    }

    /// Opens a call of many replies; `request.deadline` is for the opening alone.
    fn open<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Replies, CallError>>;
}

/// A successful answer: a protobuf message or JSON text, and of `Call::headers` each that it has.
#[derive(Debug, Default)]
pub struct Reply {
    pub body: Bytes,
    pub headers: Vec<Option<String>>,
}

/// An earlier answer.
#[derive(Debug)]
pub struct Kept {
    pub reading: Reading,
    pub headers: Vec<Option<String>>,
}

/// The replies of a stream; it ends after an error.
pub type Replies = BoxStream<'static, Result<Streamed, CallError>>;

/// One reply of a stream.
#[derive(Debug)]
pub struct Streamed {
    /// A protobuf message.
    pub body: Bytes,
    /// From where its source goes on when it is asked again; none where it has no such thing.
    pub id: Option<String>,
}

/// What a batch's replies hold for one key: a reply with that result alone; none of a key without a result.
pub type Part = Option<Bytes>;

/// An encoded request. Whoever answers it gives up by `deadline`: the engine keeps no clock of its own beside it.
#[derive(Debug, Clone)]
pub struct Request {
    pub target: Target,
    pub body: Bytes,
    /// What makes the reply stale; none where it must not be kept.
    pub tags: Option<Tags>,
    pub deadline: Instant,
    /// The first try is still under way.
    pub second: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The body is one protobuf message. The path is the call's own: see `plan::Request`.
    Grpc,
    /// The body is JSON text, or empty.
    Http { path_and_query: String, headers: Vec<(String, String)> },
    /// The messages from now on, or those behind the one with this id.
    Nats { subject: String, after: Option<String> },
}

/// Why a call has no reply. `message` is for logs: unless it is `ours`, nobody outside may read it.
#[derive(Debug, Clone)]
pub struct CallError {
    pub code: Code,
    pub message: String,
    pub retry_after: Option<Duration>,
    /// What the service finds wrong with single fields of the request: (path, description).
    pub fields: Vec<(String, String)>,
    /// There was a reply, but it breaks its contract.
    pub malformed: bool,
    /// The request could not be written, and `message` says why in the engine's own words: its client may read them.
    pub ours: bool,
}

impl CallError {
    pub fn new(code: Code, message: impl Into<String>) -> CallError {
        CallError {
            code,
            message: message.into(),
            retry_after: None,
            fields: Vec::new(),
            malformed: false,
            ours: false,
        }
    }
}

/// gRPC's status codes; HTTP answers are translated to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

const CODES: [(Code, &str); 16] = [
    (Code::Cancelled, "CANCELLED"),
    (Code::Unknown, "UNKNOWN"),
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Code::NotFound, "NOT_FOUND"),
    (Code::AlreadyExists, "ALREADY_EXISTS"),
    (Code::PermissionDenied, "PERMISSION_DENIED"),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition, "FAILED_PRECONDITION"),
    (Code::Aborted, "ABORTED"),
    (Code::OutOfRange, "OUT_OF_RANGE"),
    (Code::Unimplemented, "UNIMPLEMENTED"),
    (Code::Internal, "INTERNAL"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::DataLoss, "DATA_LOSS"),
    (Code::Unauthenticated, "UNAUTHENTICATED"),
];

impl Code {
    /// From gRPC's number, 1 to 16; anything else is `Unknown`.
    pub fn from_number(number: i32) -> Code {
        usize::try_from(number - 1).ok().and_then(|i| CODES.get(i)).map_or(Code::Unknown, |(code, _)| *code)
    }

    pub fn from_name(name: &str) -> Option<Code> {
        CODES.iter().find(|(_, n)| *n == name).map(|(code, _)| *code)
    }

    pub fn names() -> impl Iterator<Item = &'static str> {
        CODES.iter().map(|(_, name)| *name)
    }

    pub fn name(self) -> &'static str {
        CODES.iter().find(|(code, _)| *code == self).map_or("UNKNOWN", |(_, name)| name)
    }
}
