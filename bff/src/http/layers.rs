//! What every request passes, outermost first, each layer with its reason.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use secrecy::ExposeSecret;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use uuid::Uuid;

use super::access_log::{self, ProblemCode};
use super::client_address::{self, Proxies};
use super::metrics::Answers;
use super::{AddressLimit, AdminConfig, Config, Problem, address_limit, compression, cors, problem, trace_context};
use crate::meter::Meter;

pub fn public(routes: Router, config: &Config, address_limit: Option<AddressLimit>, meter: &Meter) -> Router {
    let https = config.tls_cert.is_some() || config.public_url().starts_with("https://");
    let proxies = Arc::new(Proxies::from(config));
    let answers = Arc::new(Answers::new(meter));
    routes.fallback(not_found).layer(
        ServiceBuilder::new()
            // First, so that every answer and every log line carries the id.
            .layer(from_fn(request_id))
            // Before anything asks whose request it is, and of which trace.
            .layer(from_fn(move |request, next| client_address::identify(Arc::clone(&proxies), request, next)))
            .layer(from_fn(trace_context::join))
            // Outside of all that answers, so that no answer goes unlogged.
            .layer(from_fn(move |request, next| access_log::record(Arc::clone(&answers), request, next)))
            // Outside of all that fails, so that no answer leaves without them.
            .layer(from_fn(move |request, next| security_headers(https, request, next)))
            // Answers preflights; outside of the problems, so that other sites' pages can read those too.
            .option_layer(cors::layer(&config.cors_origins))
            // Turns what the layers and handlers below refuse into problems.
            .layer(from_fn(problems))
            // A panic costs one request, not the connection.
            .layer(CatchPanicLayer::custom(panicked))
            // Sees the whole answer.
            .layer(compression::layer())
            // Before anything that costs.
            .layer(from_fn(move |request, next| address_limit::admit(address_limit.clone(), request, next)))
            // Before anything reads a body; what axum's extractors allow must not be less.
            .layer(RequestBodyLimitLayer::new(config.max_body_bytes))
            .layer(DefaultBodyLimit::disable())
            // A client that falls silent within a body is not waited for.
            .layer(RequestBodyTimeoutLayer::new(Duration::from_millis(config.read_timeout_ms)))
            // Innermost, so that the clock covers the handler alone.
            .layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                Duration::from_millis(config.timeout_ms),
            )),
    )
}

pub fn admin(routes: Router, config: &AdminConfig) -> Router {
    let token: Option<Arc<str>> = config.token.as_ref().map(|token| token.expose_secret().into());
    routes.fallback(not_found).layer(
        ServiceBuilder::new()
            .layer(from_fn(request_id))
            .layer(from_fn(problems))
            // Before anything is told or done.
            .layer(from_fn(move |request, next| operators_only(token.clone(), request, next)))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(RequestBodyLimitLayer::new(ADMIN_BODY_BYTES))
            .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ADMIN_TIMEOUT)),
    )
}

/// The id that ties an answer to its log lines.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The caller's own id if it is a short token, else a new one.
    fn choose(headers: &HeaderMap) -> Self {
        let given = headers.get(X_REQUEST_ID).filter(|id| is_token(id.as_bytes())).cloned();
        Self(given.unwrap_or_else(|| {
            let id = Uuid::now_v7().hyphenated().to_string();
            HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("none"))
        }))
    }
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const ADMIN_BODY_BYTES: usize = 64 * 1024;
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

fn is_token(id: &[u8]) -> bool {
    (8..=64).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

async fn request_id(mut request: Request, next: Next) -> Response {
    let id = RequestId::choose(request.headers());
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(X_REQUEST_ID, id.0);
    response
}

async fn problems(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let response = next.run(request).await;
    let Some(problem) = problem::of(&response) else { return response };
    let mut written = problem.write(id.as_ref().map_or("", RequestId::as_str));
    // What a handler or a layer set stays (Allow, Set-Cookie); what describes the old body goes.
    let (mut kept, _) = response.into_parts();
    kept.headers.remove(CONTENT_LENGTH);
    kept.headers.extend(std::mem::take(written.headers_mut()));
    *written.headers_mut() = kept.headers;
    written.extensions_mut().insert(ProblemCode(problem.name()));
    written
}

/// Without a token every caller is an operator: the address is then a loopback one.
async fn operators_only(token: Option<Arc<str>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let known = token.is_none_or(|token| verify_slices_are_equal(token.as_bytes(), given.unwrap_or_default()).is_ok());
    if known { next.run(request).await } else { Problem::unauthorized().into_response() }
}

/// Answers say what browsers may do with them: nothing, unless a handler says otherwise.
async fn security_headers(https: bool, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
];

async fn not_found() -> Problem {
    Problem::not_found()
}

/// The panic itself was logged where it happened, by the hook that telemetry installs.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}
