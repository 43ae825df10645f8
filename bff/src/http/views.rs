//! The routes that the view files declare.

mod answer;
mod events;
mod lasting;
mod once;
mod partial;
mod progressive;
mod proxy;
mod stream_limit;
mod websocket;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{
    DefaultBodyLimit, FromRequest, FromRequestParts, OptionalFromRequestParts, RawPathParams, Request,
};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on_service};
use http::header::{SEC_WEBSOCKET_PROTOCOL, VARY};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::service_fn;
use tracing::Instrument;
use uuid::Uuid;

use super::caller_limit::{CallerLimit, ViewLimit, tell};
use super::client_address::ClientAddress;
use super::facts::Facts;
use super::problem::input::no_json;
use super::request::must_be_json;
use super::{FieldError, Location, Problem, Router, Site};
use crate::clock::Clock;
use crate::idempotency::Idempotency;
use crate::identity::{self, Access, Caller, Identity};
use crate::limits::Standing;
use crate::views::plan::{Plan, Proxy};
use crate::views::{Arguments, Served, VARIANT_HEADER, View, Views};
use answer::written;
use events::Listener;
use lasting::{Ends, lasting};
use once::{Once, settle};
use stream_limit::OpenStream;
pub use stream_limit::StreamLimit;
use websocket::{Bounds, Handshake};

/// One route per view: those that answer, and those that hand on what may be large and take long.
pub fn routes(views: &Views, site: &Site) -> [Router; 2] {
    let mut limits = site.caller_limit.of_views();
    let mut routers = [Router::new(), Router::new()];
    for view in views.iter() {
        let plan = view.plan();
        let endpoint = Endpoint {
            view: Arc::clone(view),
            // The checker knows the same roles; one that is unknown here admits nobody.
            access: Access::parse(plan.access.iter().map(String::as_str)).unwrap_or(Access::Roles(Vec::new())),
            caller_limit: site.caller_limit.clone(),
            view_limit: limits.remove(&plan.name),
            idempotency: site.idempotency.clone(),
            clock: site.clock.clone(),
            identity: Arc::clone(&site.identity),
            streams: site.streams.clone(),
            closing: site.closing.clone(),
            stream_idle: Duration::from_millis(site.config.stream_idle_ms),
            idle: Duration::from_millis(site.config.idle_timeout_ms),
            tasks: site.tasks.clone(),
        };
        let endpoint = Arc::new(endpoint);
        let answer = service_fn(move |request| Arc::clone(&endpoint).answer(request));
        let router = &mut routers[usize::from(plan.proxy.is_some())];
        *router = std::mem::take(router).route(&plan.path, on_service(filter(&plan.method), answer));
    }
    routers
}

fn filter(method: &str) -> MethodFilter {
    match method {
        "POST" => MethodFilter::POST,
        "PUT" => MethodFilter::PUT,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    }
}

struct Endpoint {
    view: Arc<View>,
    access: Access,
    caller_limit: CallerLimit,
    view_limit: Option<ViewLimit>,
    idempotency: Idempotency,
    clock: Clock,
    identity: Arc<Identity>,
    streams: StreamLimit,
    /// Ends streams, so that they do not hold up a stop.
    closing: CancellationToken,
    /// For how long what stays open may be silent.
    stream_idle: Duration,
    /// For how long nobody may read what has a deadline.
    idle: Duration,
    /// Where what a handler leaves behind goes on.
    tasks: TaskTracker,
}

/// After a server has stopped there is another one.
const RETRY: Duration = Duration::from_secs(1);
/// Those who have lost a stream at the same moment come back one after the other, within so long.
const RETRY_SPREAD_MS: u128 = 3_000;

/// How soon a client connects again.
fn retry(caller: Option<&Caller>) -> Duration {
    // The end of an id is random.
    let id = caller.map_or_else(Uuid::new_v4, |caller| caller.session);
    let spread = id.as_u128() % RETRY_SPREAD_MS;
    RETRY + Duration::from_millis(u64::try_from(spread).unwrap_or(0))
}

/// Where the caller stands with what limits him, and with what limits the view.
type Standings = [Option<Standing>; 2];

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

impl Endpoint {
    async fn answer(self: Arc<Self>, request: Request) -> Result<Response, Infallible> {
        if !is_once(self.view.plan()) {
            return Ok(self.told(request).await);
        }
        // Its answer must be kept even if nobody waits for it any more.
        let endpoint = Arc::clone(&self);
        let answer = self.tasks.spawn(async move { endpoint.told(request).await }.in_current_span());
        Ok(answer.await.unwrap_or_else(|_| Problem::internal().into_response()))
    }

    async fn told(&self, request: Request) -> Response {
        let mut standings = Standings::default();
        let mut response = self.counted(request, &mut standings).await.unwrap_or_else(Problem::into_response);
        standings.iter().flatten().for_each(|standing| tell(standing, response.headers_mut()));
        response
    }

    async fn counted(&self, request: Request, standings: &mut Standings) -> Result<Response, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = <Caller as OptionalFromRequestParts<_>>::from_request_parts(&mut parts, &self.identity).await?;
        self.admit(caller.as_ref())?;
        if let Some(caller) = &caller {
            standings[0] = self.caller_limit.take(caller).await?;
        }
        if let Some(limit) = &self.view_limit {
            let client = client(&parts);
            standings[1] = Some(limit.take(caller.as_ref(), client).await?);
        }
        self.run(caller, parts, body).await
    }

    async fn run(&self, caller: Option<Caller>, mut parts: Parts, body: Body) -> Result<Response, Problem> {
        let path = RawPathParams::from_request_parts(&mut parts, &()).await.map_err(|_| Problem::not_found())?;
        let path: Vec<(&str, &str)> = path.iter().collect();
        let query = parts.uri.query().unwrap_or_default();
        let header = |name: &str| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
        let view = self.view.chosen(query, &header)?;
        let plan = view.plan();
        // Read only now, so that strangers cannot fill the memory with bodies.
        let (body, unread) = match &plan.body {
            Some(_) => (json(&parts.headers, body).await?, Body::empty()),
            None => (Bytes::new(), body),
        };
        let idempotency_key = if plan.idempotency { Some(idempotency_key(&parts.headers)?) } else { None };
        let facts = parts.extensions.get::<Facts>();
        let reservation = match &idempotency_key {
            Some(key) if is_once(plan) => {
                let client = client(&parts);
                let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                let once = Once { plan, caller: caller.as_ref(), client, key, target, body: &body };
                match Box::pin(once.begin(&self.idempotency)).await? {
                    Ok(reservation) => Some(reservation),
                    Err(answered) => return Ok(answered),
                }
            }
            _ => None,
        };
        let arguments = Arguments {
            path: &path,
            query,
            header: &header,
            body,
            caller,
            idempotency_key,
            trace: facts.map(|facts| facts.trace.headers()).unwrap_or_default(),
            now: self.clock.now(),
        };
        if let Some(proxy) = &plan.proxy {
            return Box::pin(self.hand_on(view, proxy, arguments, &parts, unread)).await;
        }
        if plan.stream.is_some() {
            let place = self.place(arguments.caller.as_ref(), &parts)?;
            return Box::pin(self.open(Arc::clone(view), arguments, place)).await;
        }
        if reservation.is_none() && progressive::is_possible(plan) && progressive::is_wanted(&parts.headers) {
            let parts = progressive::response(Arc::clone(view).progress(arguments)?).await;
            let ends = Ends { standing: None, idle: self.idle, last_word: None };
            return parts.map(|response| lasting(self.varied(view, response), ends, &self.tasks));
        }
        let outcome = Arc::clone(view).run(arguments).await.map_err(Problem::from);
        let outcome = outcome.map(|served| self.written(view, served, &parts.headers));
        match reservation {
            Some(reservation) => Box::pin(settle(&self.idempotency, reservation, outcome)).await,
            None => outcome,
        }
    }

    /// `headers` are the client's.
    fn written(&self, view: &View, served: Served, headers: &HeaderMap) -> Response {
        self.varied(view, written(view.plan(), served, headers))
    }

    /// Says what else of a request decides the answer, however it is told.
    fn varied(&self, view: &View, response: Response) -> Response {
        let mut response = response;
        if !self.view.plan().variants.is_empty() {
            response.headers_mut().append(VARY, HeaderValue::from_static(VARIANT_HEADER));
        }
        for name in view.forwards() {
            response.headers_mut().append(VARY, HeaderValue::from(name.clone()));
        }
        response
    }

    async fn open(&self, view: Arc<View>, arguments: Arguments<'_>, place: OpenStream) -> Result<Response, Problem> {
        let caller = arguments.caller.as_ref();
        let standing = self.standing(&arguments).map(Arc::new);
        let listener = Listener {
            _place: place,
            standing: standing.clone(),
            closing: self.closing.clone(),
            idle: self.stream_idle,
            retry: retry(caller),
        };
        let events = view.open(arguments).await?;
        let ends = Ends { standing, idle: self.stream_idle, last_word: Some(events::LAST_WORD) };
        Ok(lasting(events::response(events, listener), ends, &self.tasks))
    }

    async fn hand_on(
        &self,
        view: &View,
        proxy: &Proxy,
        arguments: Arguments<'_>,
        parts: &Parts,
        body: Body,
    ) -> Result<Response, Problem> {
        let place = self.place(arguments.caller.as_ref(), parts)?;
        let Some(max_message) = proxy.max_message else {
            let standing = if self.access == Access::Public { None } else { self.standing(&arguments) };
            let standing = standing.map(Arc::new);
            let request = (parts.method.clone(), &parts.headers, body);
            let bounds = proxy::Bounds { place, standing: standing.clone(), tasks: &self.tasks };
            let response = self.varied(view, proxy::hand_on(view, proxy, arguments, request, bounds).await?);
            let ends = Ends { standing, idle: self.stream_idle, last_word: None };
            return Ok(lasting(response, ends, &self.tasks));
        };
        if self.closing.is_cancelled() {
            return Err(Problem::unavailable(RETRY));
        }
        let caller = arguments.caller.as_ref();
        let handshake = Handshake::of(parts, caller, self.identity.deployment())?;
        let bounds = Bounds {
            standing: self.standing(&arguments),
            closing: self.closing.clone(),
            idle: self.stream_idle,
            max_message: usize::try_from(max_message).unwrap_or(usize::MAX),
            _place: place,
        };
        let protocols = parts.headers.get(SEC_WEBSOCKET_PROTOCOL);
        let told = protocols.map(|protocols| (SEC_WEBSOCKET_PROTOCOL, protocols.clone())).into_iter().collect();
        let socket = view.open_socket(arguments, told).await?;
        let (response, relay) = handshake.join(socket, bounds);
        self.tasks.spawn(relay);
        Ok(response)
    }

    /// What something depends on that stays open in the caller's name.
    fn standing(&self, arguments: &Arguments<'_>) -> Option<identity::Standing> {
        arguments.caller.as_ref().map(|caller| self.identity.standing(caller))
    }

    /// One of the places that whoever asks has for what stays open.
    fn place(&self, caller: Option<&Caller>, parts: &Parts) -> Result<OpenStream, Problem> {
        self.streams.open(caller, client(parts))
    }

    fn admit(&self, caller: Option<&Caller>) -> Result<(), Problem> {
        match caller {
            _ if self.access == Access::Public => Ok(()),
            None => Err(Problem::unauthorized()),
            Some(caller) if self.access.admits(caller.role) => Ok(()),
            Some(_) => Err(Problem::forbidden()),
        }
    }
}

/// Where the request comes from.
fn client(parts: &Parts) -> Option<ClientAddress> {
    parts.extensions.get::<Facts>().and_then(|facts| facts.client)
}

/// What is handed on or stays open has no answer to keep: the service alone knows the key.
fn is_once(plan: &Plan) -> bool {
    plan.idempotency && plan.proxy.is_none() && plan.stream.is_none()
}

async fn json(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    must_be_json(headers).map_err(|unfit| no_json(unfit, body.is_end_stream()))?;
    let mut request = Request::new(body);
    // The edge has one already, as large as the configuration says.
    DefaultBodyLimit::disable().apply(&mut request);
    Bytes::from_request(request, &()).await.map_err(Problem::from)
}

fn idempotency_key(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let refused = |code: &str, message: &str| {
        let location = Location::Parameter("Idempotency-Key".to_owned());
        Problem::invalid(vec![FieldError { location, code: code.to_owned(), message: message.to_owned() }])
    };
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Err(refused("missing", "is required: a new random text for every new order of things"));
    };
    // Whichever were taken, the client may have meant the other.
    if keys.next().is_some() {
        return Err(refused("format", "must be given once"));
    }
    let key = unquoted(key.as_bytes());
    let visible = key.iter().all(|byte| (0x21..=0x7e).contains(byte));
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY_BYTES || !visible {
        return Err(refused("format", "must be 1 to 255 visible ASCII characters"));
    }
    HeaderValue::from_bytes(key).map_err(|_| refused("format", "must be 1 to 255 visible ASCII characters"))
}

/// `"K"` is how draft-ietf-httpapi-idempotency-key-header writes the key `K`.
fn unquoted(key: &[u8]) -> &[u8] {
    key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\"")).unwrap_or(key)
}
