//! The engine's door to the services, for one request: who asks, and what goes along with each call.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use compose::definition::Scope;
use compose::plan::{Call, Plan};
use compose::run::Keyed;
use compose::upstream::{CallError, Code, Kept, Part, Reading, Replies, Reply, Request, Streamed, Target, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::StreamExt;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::destination::{Address, Destination};
use crate::cache::{Flight, Flights};
use crate::identity::Caller;
use crate::upstream::{self, Error, Headers, Identity, Kind, Source};

pub(super) struct Door<'v> {
    pub plan: &'v Arc<Plan>,
    pub destinations: &'v [Arc<Destination>],
    pub sender: Sender,
    /// The request's moment, as the cache counts.
    pub now: i64,
    /// Milliseconds that what was answered may still be kept.
    pub left: AtomicU64,
}

/// What a request says of itself to the services.
pub(super) struct Sender {
    pub caller: Option<Caller>,
    pub idempotency_key: Option<HeaderValue>,
    pub trace: Headers,
    /// The client's headers that one service or another is told.
    pub forwarded: Headers,
}

/// Calls on their way, for whoever asks for the very same.
pub(super) type Shared = Arc<Flights<Arc<Asked>, Result<Arc<upstream::Reply>, Error>>>;

/// Everything that an answer depends on.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    source: String,
    target: upstream::Target,
    headers: Headers,
    body: Bytes,
    /// None where the answer is the same for everybody.
    caller: Option<Uuid>,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const ROOM_FOR_HEADERS: usize = 8;

impl Upstream for Door<'_> {
    fn call<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Reply, CallError>> {
        let destination = &self.destinations[call.index];
        let span = span(call);
        let reply = async move {
            let second = request.second;
            if let (false, Some(keeping), Some(tags)) = (second, destination.keeping(), request.tags.clone()) {
                return self.kept_or_fetched(call, keeping, &tags, request).boxed().await;
            }
            let asked = self.asked(call, destination, request)?;
            match destination.joinable() {
                // A second try that joined the first would be none.
                Some(shared) if !second => {
                    let reply = self.joined(call, shared, destination, asked).boxed().await;
                    reply.map(|reply| answer(call, &reply))
                }
                _ => {
                    if second {
                        destination.hedged();
                    }
                    destination.call(self.with_trace(asked)).await.map(|reply| answer(call, &reply))
                }
            }
            .map_err(|error| failed(&error))
        };
        // Without traces the future is boxed as it is, since wrapping would move it once more.
        if span.is_disabled() { reply.boxed() } else { reply.instrument(span).boxed() }
    }

    fn keeps(&self, call: &Call) -> bool {
        self.destinations[call.index].keeping().is_some()
    }

    fn kept(&self, call: &Call, request: &Request) -> Option<Kept> {
        self.at_hand(call, request)
    }

    fn kept_keys(&self, call: &Call, keyed: &Keyed) -> Option<Vec<Option<Reading>>> {
        self.keys_at_hand(call, keyed)
    }

    fn call_keys<'a>(
        &'a self,
        call: &'a Call,
        keyed: Arc<Keyed>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<Part>, CallError>> {
        async move {
            let keeping = self.destinations[call.index].keeping();
            let keeping = keeping.ok_or_else(|| CallError::new(Code::Internal, "nothing is kept of this call"))?;
            self.kept_or_fetched_keys(call, keeping, keyed, deadline).await
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
            let asked = self.asked(call, destination, request)?;
            let replies = destination.open(self.with_trace(asked)).await.map_err(|error| failed(&error))?;
            let busy = destination.busy();
            let replies = replies.map(move |reply| {
                let _until_the_end = &busy;
                let upstream::Message { body, id } = reply.map_err(|error| failed(&error))?;
                Ok(Streamed { body, id })
            });
            Ok(replies.boxed())
        }
        .instrument(span(call))
        .boxed()
    }
}

impl Door<'_> {
    /// The answer to the same call of somebody else, if one is on its way, or to this one.
    async fn joined(
        &self,
        call: &Call,
        shared: &Shared,
        destination: &Arc<Destination>,
        asked: upstream::Call,
    ) -> Result<Arc<upstream::Reply>, Error> {
        let deadline = asked.deadline;
        let key = Arc::new(Asked {
            source: call.source.clone(),
            target: asked.target.clone(),
            headers: asked.headers.clone(),
            body: asked.body.clone(),
            caller: self.sender.caller.as_ref().map(|caller| caller.sub).filter(|_| !is_shared(call)),
        });
        let asked = self.with_trace(asked);
        let begin = || {
            let (destination, asked) = (Arc::clone(destination), asked.clone());
            async move { destination.call(asked).await.map(Arc::new) }
        };
        let Flight { answer, joined } = shared.join(key, begin);
        if !joined {
            return answer.await;
        }
        destination.coalesced();
        match timeout_at(deadline, answer).await {
            // Whoever began it had less time than there is here.
            Ok(Err(error)) if error.kind == Kind::Interrupted && Instant::now() < deadline => {
                destination.call(asked).await.map(Arc::new)
            }
            Ok(answer) => answer,
            Err(_) => Err(Error::deadline()),
        }
    }

    /// The call with everything that its answer may depend on.
    pub(super) fn asked(
        &self,
        call: &Call,
        destination: &Destination,
        request: Request,
    ) -> Result<upstream::Call, CallError> {
        let Request { target, body, deadline, .. } = request;
        let mut headers = self.headers(call, &destination.source)?;
        let target = target_of(&destination.address, target, &mut headers)?;
        Ok(upstream::Call { target, headers, body, deadline, repeatable: call.safe || call.idempotent })
    }

    pub(super) fn headers(&self, call: &Call, source: &Source) -> Result<Headers, CallError> {
        let mut headers = Headers::with_capacity(ROOM_FOR_HEADERS);
        let goes_along = |(name, _): &&(HeaderName, HeaderValue)| source.forward().contains(name);
        headers.extend(self.sender.forwarded.iter().filter(goes_along).cloned());
        headers.extend(authorization(source, self.sender.caller.as_ref())?);
        if let (false, Some(key)) = (call.safe, &self.sender.idempotency_key) {
            headers.push((IDEMPOTENCY_KEY, key.clone()));
        }
        Ok(headers)
    }

    /// No answer depends on the trace that it belongs to.
    pub(super) fn with_trace(&self, asked: upstream::Call) -> upstream::Call {
        let mut asked = asked;
        asked.headers.extend_from_slice(&self.sender.trace);
        asked
    }
}

/// What a source that wants to know is told of who asks.
pub(super) fn authorization(
    source: &Source,
    caller: Option<&Caller>,
) -> Result<Option<(HeaderName, HeaderValue)>, CallError> {
    let Some(caller) = caller.filter(|_| source.identity() == Identity::Token) else { return Ok(None) };
    let token = caller.tokens.authorization(source.audience());
    let token = token.map_err(|error| CallError::new(Code::Internal, error.to_string()))?;
    Ok(Some((AUTHORIZATION, token)))
}

/// The author says that the answer is the same for everybody.
fn is_shared(call: &Call) -> bool {
    call.cache.as_ref().is_some_and(|cache| cache.scope == Scope::Shared)
}

fn answer(call: &Call, reply: &upstream::Reply) -> Reply {
    Reply { body: reply.body.clone(), headers: headers_of(call, reply) }
}

/// The headers that the call reads, in its order.
pub(super) fn headers_of(call: &Call, reply: &upstream::Reply) -> Vec<Option<String>> {
    call.headers.iter().map(|name| text(reply, name)).collect()
}

/// Where the request goes; the headers that it declares are added.
pub(super) fn target_of(
    address: &Address,
    target: Target,
    headers: &mut Headers,
) -> Result<upstream::Target, CallError> {
    match (address, target) {
        (Address::Grpc(path), Target::Grpc) => Ok(upstream::Target::Grpc(path.clone())),
        (Address::Http(method), Target::Http { path_and_query, headers: declared }) => {
            for (name, value) in declared {
                headers.push(header(name, value)?);
            }
            Ok(upstream::Target::Http(method.clone(), path_and_query))
        }
        (Address::Nats, Target::Nats { subject, after }) => {
            // What is no number is no id of ours: as one who comes for the first time.
            Ok(upstream::Target::Nats { subject, after: after.and_then(|id| id.parse().ok()) })
        }
        _ => Err(CallError::new(Code::Internal, "the call's target is of another protocol")),
    }
}

/// The header's value; several of one name are one list.
fn text(reply: &upstream::Reply, name: &str) -> Option<String> {
    let values: Vec<&str> = reply.header(name).filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn header(name: String, value: String) -> Result<(HeaderName, HeaderValue), CallError> {
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(CallError::new(Code::InvalidArgument, "a header has a value that headers cannot carry")),
    }
}

fn span(call: &Call) -> Span {
    let Call { name, source, operation, .. } = call;
    tracing::info_span!("call", otel.name = format!("call {name}"), call = name, source, operation)
}

pub(super) fn failed(error: &Error) -> CallError {
    CallError {
        code: Code::from_number(error.code as i32),
        message: error.message.clone(),
        retry_after: error.retry_after,
        fields: error.violations.iter().map(|v| (v.field.clone(), v.description.clone())).collect(),
        malformed: error.kind == Kind::Malformed,
        ours: false,
    }
}
