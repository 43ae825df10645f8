//! What every request passes on its way to a handler and back, in order, each step with its reason.
//!
//! The steps of the public address are plain code in two functions, which every request runs through: a boxed layer for
//! each would cost more than all of them do. `accompanied` is around everything; `guarded` is what may refuse a request.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures_util::FutureExt;
use futures_util::future::{Either, ready};
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use http_body_util::Limited;
use tokio::time::timeout;
use tower::layer::layer_fn;
use tower::util::option_layer;
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{TimeoutBody, TimeoutLayer};
use tracing::Instrument;

use super::access_log::Ongoing;
use super::capacity::{Capacity, Place};
use super::client_address::Proxies;
use super::compression::{Accepted, accepted, compressed};
use super::facts::Facts;
use super::metrics::Answers;
use super::operator::Operators;
use super::request_id::{Ids, RequestId, X_REQUEST_ID};
use super::session_cookie::Successor;
use super::{AddressLimit, AdminConfig, Config, Problem, TraceContext, caller_limit, cors, problem};
use crate::limits::Standing;
use crate::meter::Meter;

/// What the steps of the public address share.
#[derive(Clone)]
struct Edge {
    ids: Arc<Ids>,
    proxies: Arc<Proxies>,
    https: bool,
    capacity: Capacity,
    address_limit: Option<AddressLimit>,
    max_body_bytes: usize,
    /// Between two pieces of a body.
    read_timeout: Duration,
    timeout: Duration,
    compresses: bool,
}

/// `handing_on` are routes whose bodies and answers are bounded by themselves, as large and slow as they may be.
pub fn public(
    routes: Router,
    handing_on: Router,
    config: &Config,
    address_limit: Option<AddressLimit>,
    meter: &Meter,
) -> Router {
    let edge = Edge {
        ids: Arc::default(),
        proxies: Arc::new(Proxies::from(config)),
        https: config.tls_cert.is_some() || config.public_url().starts_with("https://"),
        capacity: Capacity::new(config.max_requests, meter),
        address_limit,
        max_body_bytes: config.max_body_bytes,
        read_timeout: Duration::from_millis(config.read_timeout_ms),
        timeout: Duration::from_millis(config.timeout_ms),
        compresses: true,
    };
    let patient = Edge { max_body_bytes: usize::MAX, timeout: Duration::MAX, compresses: false, ..edge.clone() };
    let steps = |edge: Edge| {
        let (edge, cors, meter) = (Arc::new(edge), cors::layer(&config.cors_origins), meter.clone());
        layer_fn(move |route| {
            let within = shared(cors.clone(), guarded(Arc::clone(&edge), route));
            accompanied(Arc::clone(&edge), Answers::new(&meter), within)
        })
    };
    routes.fallback(not_found).layer(steps(edge)).merge(handing_on.layer(steps(patient)))
}

/// A step, with those within.
trait Answering:
    Service<Request, Response = Response, Error = Infallible, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

impl<S> Answering for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// What no request and no answer goes without.
fn accompanied(edge: Arc<Edge>, answers: Answers, inner: impl Answering) -> impl Answering {
    let (answers, mut inner) = (Arc::new(answers), inner);
    service_fn(move |mut request: Request| {
        // First, so that every answer and every log line carries the id.
        let id = RequestId::choose(request.headers(), &edge.ids);
        // Before anything asks whose request it is, and of which trace.
        let client = edge.proxies.identify(&request);
        let trace = TraceContext::of(request.headers(), &edge.ids);
        // Around all that answers, so that no answer goes unlogged.
        let mut ongoing = Ongoing::begin(&answers, &request, &id, client);
        let trace = ongoing.join(trace);
        request.extensions_mut().insert(Facts { client, trace });
        // Where any route may leave it.
        let successor = Successor::awaited(request.headers());
        if let Some(successor) = successor.clone() {
            request.extensions_mut().insert(successor);
        }
        let answer = inner.call(request).instrument(ongoing.span().clone());
        let https = edge.https;
        // `map` keeps the future where it is; an `async` block would hold it twice.
        answer.map(move |answer| {
            let Ok(response) = answer;
            // Turns what was refused within into problems.
            let (mut response, problem) = settled(response, &id);
            // After all that fails, so that no answer leaves without them.
            secure(response.headers_mut(), https);
            if let Some(successor) = successor {
                successor.join(response.headers_mut());
            }
            response.headers_mut().insert(X_REQUEST_ID, id.0);
            ongoing.answered(response.status(), problem);
            Ok(response)
        })
    })
}

/// What other sites' pages may read, refusals as well; answers their preflights itself.
fn shared(cors: Option<CorsLayer>, inner: impl Answering) -> impl Answering {
    option_layer(cors).layer(inner)
}

/// What lets a request through to its route, within limits.
fn guarded(edge: Arc<Edge>, route: Route) -> impl Answering {
    let mut route = route;
    service_fn(move |request: Request| match edge.admit(request) {
        Ok((admission, request)) => Either::Left(admission.answer(route.call(request), edge.timeout, edge.compresses)),
        Err(refusal) => Either::Right(ready(Ok(*refusal))),
    })
}

impl Edge {
    fn admit(&self, request: Request) -> Result<(Admission, Request), Box<Response>> {
        // Load balancers ask this often, all from one address, and take one that does not answer for dead.
        let limited = request.uri().path() != HEALTH;
        // Before anything that costs.
        let place = limited.then(|| self.capacity.enter()).transpose().map_err(Problem::into_response)?;
        let limit = self.address_limit.as_ref().filter(|_| limited);
        let standing = limit.map(|limit| limit.draw(&request)).transpose().map_err(Problem::into_response)?;
        if !names_its_host(&request) {
            return Err(described(Problem::bad_request(NO_HOST).into_response(), standing).into());
        }
        let mut request = request;
        let accepted = if self.compresses { accepted(request.headers_mut()) } else { Accepted::default() };
        // Before anything reads a body.
        match self.bounded(request) {
            Ok(request) => Ok((Admission { _place: place, standing, accepted }, request)),
            Err(problem) => Err(described(problem.into_response(), standing).into()),
        }
    }

    /// A large body is refused, and a client that falls silent within one is not waited for.
    fn bounded(&self, request: Request) -> Result<Request, Problem> {
        if request.body().is_end_stream() {
            return Ok(request);
        }
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.max_body_bytes) {
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let bounded = |body| Body::new(TimeoutBody::new(self.read_timeout, Limited::new(body, self.max_body_bytes)));
        let mut request = request.map(bounded);
        // What axum's extractors allow must not be less.
        DefaultBodyLimit::disable().apply(&mut request);
        Ok(request)
    }
}

/// Two that disagree about whom a request is for would be of two minds about it (RFC 9112, section 3.2).
fn names_its_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        (None, _) => request.version() != Version::HTTP_11 || request.uri().authority().is_some(),
        (Some(_), Some(_)) => false,
    }
}

const NO_HOST: &str = "An HTTP/1.1 request has one Host header";

/// A request that was let in.
struct Admission {
    _place: Option<Place>,
    standing: Option<Standing>,
    accepted: Accepted,
}

impl Admission {
    fn answer(
        self,
        answer: impl Future<Output = Result<Response, Infallible>>,
        limit: Duration,
        compresses: bool,
    ) -> impl Future<Output = Result<Response, Infallible>> {
        // A panic costs one request, not the connection.
        let answer = AssertUnwindSafe(answer).catch_unwind();
        // Innermost, so that the clock covers the handler alone; it is not started for an answer that is there at once.
        timeout(limit, answer).then(move |answer| {
            let response = match answer {
                Ok(Ok(Ok(response))) => response,
                Ok(Err(panic)) => panicked(panic),
                Err(_) => Problem::gateway_timeout().into_response(),
            };
            let Self { _place, standing, accepted } = self;
            let response = described(response, standing);
            // Sees the whole answer.
            let response = if compresses { compressed(response, accepted) } else { Either::Left(ready(response)) };
            response.map(Ok)
        })
    }
}

fn described(mut response: Response, standing: Option<Standing>) -> Response {
    if let Some(standing) = standing {
        caller_limit::tell(&standing, response.headers_mut());
    }
    response
}

/// What was refused as the problem it is, and that problem's code; any other answer as it was.
fn settled(response: Response, id: &RequestId) -> (Response, Option<&'static str>) {
    let Some(problem) = problem::of(&response) else { return (response, None) };
    let mut written = problem.write(id.as_str());
    // What a handler or a step set stays (Allow, Set-Cookie); what describes the old body goes.
    let (mut kept, _) = response.into_parts();
    kept.headers.remove(CONTENT_LENGTH);
    kept.headers.extend(std::mem::take(written.headers_mut()));
    *written.headers_mut() = kept.headers;
    (written, Some(problem.name()))
}

/// Answers say what browsers may do with them: nothing, unless a handler says otherwise.
fn secure(headers: &mut HeaderMap, https: bool) {
    headers.reserve(HEADERS);
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
];

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// How many headers are added after a handler.
const HEADERS: usize = 8;
const HEALTH: &str = "/healthz";

async fn not_found() -> Problem {
    Problem::not_found()
}

/// The panic itself was logged where it happened, by the hook that telemetry installs.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}

/// The steps of the operators' address, which is not called often.
pub fn admin(routes: Router, config: &AdminConfig) -> Router {
    let operators = Operators::from(config);
    let ids = Arc::new(Ids::default());
    routes.fallback(not_found).layer(
        ServiceBuilder::new()
            .layer(from_fn(move |request, next| identified(Arc::clone(&ids), request, next)))
            // Before anything is told or done.
            .layer(from_fn(move |request, next| operators.clone().only(request, next)))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(RequestBodyLimitLayer::new(ADMIN_BODY_BYTES))
            .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ADMIN_TIMEOUT)),
    )
}

const ADMIN_BODY_BYTES: usize = 64 * 1024;
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

async fn identified(ids: Arc<Ids>, request: Request, next: Next) -> Response {
    let id = RequestId::choose(request.headers(), &ids);
    let (mut response, _) = settled(next.run(request).await, &id);
    response.headers_mut().insert(X_REQUEST_ID, id.0);
    response
}
