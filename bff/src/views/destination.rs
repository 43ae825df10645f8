//! The engine's door to the services: a call's source, and the headers that go with it.

use std::sync::Arc;

use bytes::Bytes;
use compose::plan::{Call, Request as Planned};
use compose::upstream::{CallError, Code, Replies, Request, Target, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt, TryStreamExt};
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::identity::Caller;
use crate::upstream::{self, Identity, Source};

/// Where one call of a plan goes.
pub(super) struct Destination {
    source: Arc<Source>,
    address: Address,
}

enum Address {
    Grpc(PathAndQuery),
    Http(Method),
}

impl Destination {
    /// None where the plan names a path or a method that HTTP does not know.
    pub fn of(call: &Call, source: Arc<Source>) -> Option<Self> {
        let address = match &call.request {
            Planned::Grpc { path, .. } => Address::Grpc(path.parse().ok()?),
            Planned::Http { method, .. } => Address::Http(method.parse().ok()?),
        };
        Some(Self { source, address })
    }
}

/// The services, for one request.
pub(super) struct Door<'v> {
    pub destinations: &'v [Destination],
    pub sender: Sender,
}

/// What a request says of itself to the services.
pub(super) struct Sender {
    pub caller: Option<Caller>,
    pub idempotency_key: Option<HeaderValue>,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl Upstream for Door<'_> {
    fn call<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Bytes, CallError>> {
        let Destination { source, address } = &self.destinations[call.index];
        async move {
            let headers = self.headers(call, source)?;
            let reply = match (address, request.target) {
                (Address::Grpc(path), Target::Grpc) => source.grpc(path, request.body, headers, request.deadline).await,
                (Address::Http(method), Target::Http { path_and_query, headers: declared }) => {
                    let headers = with(headers, declared)?;
                    source.http(method.clone(), &path_and_query, headers, request.body, request.deadline).await
                }
                _ => return Err(other_protocol()),
            };
            reply.map_err(|error| failed(&error))
        }
        .boxed()
    }

    fn open<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Replies, CallError>> {
        let Destination { source, address } = &self.destinations[call.index];
        async move {
            let Address::Grpc(path) = address else { return Err(other_protocol()) };
            let headers = self.headers(call, source)?;
            let replies = source.open(path, request.body, headers, request.deadline).await;
            let replies = replies.map_err(|error| failed(&error))?;
            Ok(replies.map_err(|error| failed(&error)).boxed())
        }
        .boxed()
    }
}

impl Door<'_> {
    fn headers(&self, call: &Call, source: &Source) -> Result<HeaderMap, CallError> {
        let mut headers = HeaderMap::new();
        if source.identity() == Identity::Token
            && let Some(caller) = &self.sender.caller
        {
            let token = caller.tokens.authorization(source.audience());
            let token = token.map_err(|error| CallError::new(Code::Internal, error.to_string()))?;
            headers.insert(AUTHORIZATION, token);
        }
        if let (false, Some(key)) = (call.safe, &self.sender.idempotency_key) {
            headers.insert(IDEMPOTENCY_KEY, key.clone());
        }
        Ok(headers)
    }
}

fn with(mut headers: HeaderMap, declared: Vec<(String, String)>) -> Result<HeaderMap, CallError> {
    for (name, value) in declared {
        let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
        let (Ok(name), Ok(value)) = pair else {
            return Err(CallError::new(Code::InvalidArgument, "a header has a value that headers cannot carry"));
        };
        headers.insert(name, value);
    }
    Ok(headers)
}

fn other_protocol() -> CallError {
    CallError::new(Code::Internal, "the call's target is of another protocol")
}

fn failed(error: &upstream::Error) -> CallError {
    CallError {
        code: Code::from_number(error.code as i32),
        message: error.message.clone(),
        retry_after: error.retry_after,
        fields: error.violations.iter().map(|v| (v.field.clone(), v.description.clone())).collect(),
    }
}
