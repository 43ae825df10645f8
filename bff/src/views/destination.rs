//! The engine's door to the services: a call's source, and the headers that go with it.

use std::sync::Arc;

use compose::plan::{Call, Request as Planned};
use compose::upstream::{CallError, Code, Replies, Reply, Request, Target, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt, TryStreamExt};
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tracing::{Instrument, Span};

use crate::identity::Caller;
use crate::meter::Meter;
use crate::upstream::{self, Identity, Kind, OperationMeter, Source};

/// Where one call of a plan goes.
pub(super) struct Destination {
    source: Arc<Source>,
    address: Address,
    meter: OperationMeter,
}

enum Address {
    Grpc(PathAndQuery),
    Http(Method),
}

impl Destination {
    /// None where the plan names a path or a method that HTTP does not know.
    pub fn of(call: &Call, source: Arc<Source>, meter: &Meter) -> Option<Self> {
        let address = match &call.request {
            Planned::Grpc { path, .. } => Address::Grpc(path.parse().ok()?),
            Planned::Http { method, .. } => Address::Http(method.parse().ok()?),
        };
        let meter = OperationMeter::new(meter, &call.source, &call.operation);
        Some(Self { source, address, meter })
    }

    /// Counts a reply that breaks its contract.
    pub fn broke_contract(&self) {
        self.meter.broke_contract();
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
    pub trace: HeaderMap,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl Upstream for Door<'_> {
    fn call<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Reply, CallError>> {
        let Destination { source, address, meter } = &self.destinations[call.index];
        async move {
            let headers = self.headers(call, source)?;
            let Request { target, body, deadline, .. } = request;
            let reply = match (address, target) {
                (Address::Grpc(path), Target::Grpc) => meter.watch(source.grpc(path, body, headers, deadline)).await,
                (Address::Http(method), Target::Http { path_and_query, headers: declared }) => {
                    let headers = with(headers, declared)?;
                    meter.watch(source.http(method.clone(), &path_and_query, headers, body, deadline)).await
                }
                _ => return Err(other_protocol()),
            };
            let upstream::Reply { body, headers } = reply.map_err(|error| failed(&error))?;
            let headers = call.headers.iter().map(|name| text(&headers, name)).collect();
            Ok(Reply { body, headers })
        }
        .instrument(span(call))
        .boxed()
    }

    fn broke_contract(&self, call: &Call) {
        self.destinations[call.index].broke_contract();
    }

    fn open<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Replies, CallError>> {
        let Destination { source, address, meter } = &self.destinations[call.index];
        async move {
            let Address::Grpc(path) = address else { return Err(other_protocol()) };
            let headers = self.headers(call, source)?;
            let replies = meter.watch(source.open(path, request.body, headers, request.deadline)).await;
            let replies = replies.map_err(|error| failed(&error))?;
            let busy = meter.busy();
            let replies = replies.map_err(move |error| {
                let _until_the_end = &busy;
                failed(&error)
            });
            Ok(replies.boxed())
        }
        .instrument(span(call))
        .boxed()
    }
}

impl Door<'_> {
    fn headers(&self, call: &Call, source: &Source) -> Result<HeaderMap, CallError> {
        let mut headers = self.sender.trace.clone();
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

fn span(call: &Call) -> Span {
    let Call { name, source, operation, .. } = call;
    tracing::info_span!("call", otel.name = format!("call {name}"), call = name, source, operation)
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

/// The header's value; several of one name are one list.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
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
        malformed: error.kind == Kind::Malformed,
    }
}
