//! The routes that the view files declare.

mod answer;
mod events;
mod partial;
mod stream_limit;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, RawPathParams, RawQuery, Request};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use http::header::{CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio_util::sync::CancellationToken;

use super::{FieldError, Location, Problem, Router, Site, TraceContext};
use crate::clock::Clock;
use crate::identity::{Access, Caller, Identity};
use crate::views::{Arguments, VARIANT_HEADER, View, Views};
use answer::written;
use events::Listener;
pub use stream_limit::StreamLimit;

/// One route per view.
pub fn routes(views: &Views, site: &Site) -> Router {
    let router = views.iter().fold(Router::new(), |router, view| {
        let plan = view.plan();
        let endpoint = Endpoint {
            view: Arc::clone(view),
            // The checker knows the same roles; one that is unknown here admits nobody.
            access: Access::parse(plan.access.iter().map(String::as_str)).unwrap_or(Access::Roles(Vec::new())),
            clock: site.clock.clone(),
            identity: Arc::clone(&site.identity),
            streams: site.streams.clone(),
            closing: site.closing.clone(),
        };
        let handler =
            move |caller: Option<Caller>,
                  path: RawPathParams,
                  query: RawQuery,
                  trace: TraceContext,
                  request: Request| { endpoint.clone().answer(caller, path, query, trace, request) };
        router.route(&plan.path, on(filter(&plan.method), handler))
    });
    router.with_state(Arc::clone(&site.identity))
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

#[derive(Clone)]
struct Endpoint {
    view: Arc<View>,
    access: Access,
    clock: Clock,
    identity: Arc<Identity>,
    streams: StreamLimit,
    /// Ends streams, so that they do not hold up a stop.
    closing: CancellationToken,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

impl Endpoint {
    async fn answer(
        self,
        caller: Option<Caller>,
        path: RawPathParams,
        RawQuery(query): RawQuery,
        trace: TraceContext,
        request: Request,
    ) -> Result<Response, Problem> {
        self.admit(caller.as_ref())?;
        if self.view.plan().proxy.is_some() {
            let detail = "This server cannot hand requests on yet";
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED).detail(detail));
        }
        let headers = request.headers().clone();
        let header = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        let view = self.view.chosen(query.as_deref().unwrap_or_default(), &header)?;
        let plan = view.plan();
        // Read only now, so that strangers cannot fill the memory with bodies.
        let body = match &plan.body {
            Some(_) => json(request).await?,
            None => Bytes::new(),
        };
        let idempotency_key = if plan.idempotency { Some(idempotency_key(&headers)?) } else { None };
        let path: Vec<(&str, &str)> = path.iter().collect();
        let arguments = Arguments {
            path: &path,
            query: query.as_deref().unwrap_or_default(),
            header: &header,
            body,
            caller,
            idempotency_key,
            trace: trace.headers(),
            now: self.clock.now(),
        };
        if plan.stream.is_some() {
            let view = Arc::clone(view);
            return self.open(view, arguments).await;
        }
        let answer = Arc::clone(view).run(arguments).await?;
        let mut response = written(plan, answer, &headers);
        if !self.view.plan().variants.is_empty() {
            response.headers_mut().append(VARY, HeaderValue::from_static(VARIANT_HEADER));
        }
        Ok(response)
    }

    async fn open(self, view: Arc<View>, arguments: Arguments<'_>) -> Result<Response, Problem> {
        let place = arguments.caller.as_ref().map(|caller| self.streams.open(caller.sub)).transpose()?;
        let session = arguments.caller.as_ref().map(|caller| caller.session);
        let events = view.open(arguments).await?;
        let listener = Listener { identity: self.identity, session, _place: place };
        Ok(events::response(events, listener, self.closing))
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

async fn json(request: Request) -> Result<Bytes, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !(essence.starts_with("application/") && essence.ends_with("+json")) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail("Send the body as application/json"));
    }
    Bytes::from_request(request, &()).await.map_err(Problem::from)
}

fn idempotency_key(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let refused = |code: &str, message: &str| {
        let location = Location::Parameter("Idempotency-Key".to_owned());
        Problem::invalid(vec![FieldError { location, code: code.to_owned(), message: message.to_owned() }])
    };
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Err(refused("missing", "is required: a new random text for every new order of things"));
    };
    let visible = key.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte));
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY_BYTES || !visible {
        return Err(refused("format", "must be 1 to 255 visible ASCII characters"));
    }
    Ok(key.clone())
}
