//! The engine's door to the services: a call's source, and the headers that go with it.

use std::sync::Arc;

use compose::plan::{Call, Request as Planned};
use compose::upstream::{CallError, Code, Replies, Reply, Request, Target, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt, TryStreamExt};
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};
use tracing::{Instrument, Span};

use crate::identity::Caller;
use crate::meter::{Counter, Meter};
use crate::upstream::{self, Headers, Identity, Kind, OperationMeter, Source};

/// Where one call of a plan goes.
pub(super) struct Destination {
    source: Arc<Source>,
    address: Address,
    meter: OperationMeter,
    hedges: Counter,
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
        let hedges = meter.counter("bff_hedges_total", &[("source", call.source.as_str())]);
        let meter = OperationMeter::new(meter, &call.source, &call.operation);
        Some(Self { source, address, meter, hedges })
    }

    /// Counts a reply that breaks its contract.
    pub fn broke_contract(&self) {
        self.meter.broke_contract();
    }

    /// The client's headers that go along.
    pub fn forward(&self) -> &[HeaderName] {
        self.source.forward()
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
    pub trace: Headers,
    /// The client's headers that one service or another is told.
    pub forwarded: Headers,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl Upstream for Door<'_> {
    fn call<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Reply, CallError>> {
        let destination = &self.destinations[call.index];
        async move {
            if request.second {
                destination.hedges.increment(1);
            }
            let asked = self.asked(call, destination, request)?;
            let reply = destination.meter.watch(destination.source.call(asked)).await;
            let reply = reply.map_err(|error| failed(&error))?;
            let headers = call.headers.iter().map(|name| text(&reply, name)).collect();
            Ok(Reply { body: reply.body, headers })
        }
        .instrument(span(call))
        .boxed()
    }

    fn broke_contract(&self, call: &Call) {
        self.destinations[call.index].broke_contract();
    }

    fn open<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Replies, CallError>> {
        let destination = &self.destinations[call.index];
        async move {
            let meter = &destination.meter;
            let asked = self.asked(call, destination, request)?;
            let replies = meter.watch(destination.source.open(asked)).await.map_err(|error| failed(&error))?;
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
    fn asked<'a>(
        &self,
        call: &Call,
        destination: &'a Destination,
        request: Request,
    ) -> Result<upstream::Call<'a>, CallError> {
        let Request { target, body, deadline, .. } = request;
        let mut headers = self.headers(call, &destination.source)?;
        let target = match (&destination.address, target) {
            (Address::Grpc(path), Target::Grpc) => upstream::Target::Grpc(path),
            (Address::Http(method), Target::Http { path_and_query, headers: declared }) => {
                for (name, value) in declared {
                    headers.push(header(name, value)?);
                }
                upstream::Target::Http(method, path_and_query)
            }
            _ => return Err(CallError::new(Code::Internal, "the call's target is of another protocol")),
        };
        Ok(upstream::Call { target, headers, body, deadline, repeatable: call.safe || call.idempotent })
    }

    fn headers(&self, call: &Call, source: &Source) -> Result<Headers, CallError> {
        let mut headers = Headers::with_capacity(ROOM_FOR_HEADERS);
        headers.extend_from_slice(&self.sender.trace);
        let goes_along = |(name, _): &&(HeaderName, HeaderValue)| source.forward().contains(name);
        headers.extend(self.sender.forwarded.iter().filter(goes_along).cloned());
        if source.identity() == Identity::Token
            && let Some(caller) = &self.sender.caller
        {
            let token = caller.tokens.authorization(source.audience());
            let token = token.map_err(|error| CallError::new(Code::Internal, error.to_string()))?;
            headers.push((AUTHORIZATION, token));
        }
        if let (false, Some(key)) = (call.safe, &self.sender.idempotency_key) {
            headers.push((IDEMPOTENCY_KEY, key.clone()));
        }
        Ok(headers)
    }
}

const ROOM_FOR_HEADERS: usize = 8;

fn span(call: &Call) -> Span {
    let Call { name, source, operation, .. } = call;
    tracing::info_span!("call", otel.name = format!("call {name}"), call = name, source, operation)
}

fn header(name: String, value: String) -> Result<(HeaderName, HeaderValue), CallError> {
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(CallError::new(Code::InvalidArgument, "a header has a value that headers cannot carry")),
    }
}

/// The header's value; several of one name are one list.
fn text(reply: &upstream::Reply, name: &str) -> Option<String> {
    let values: Vec<&str> = reply.header(name).filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
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
