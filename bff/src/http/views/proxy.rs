//! Requests handed on as they are: what of a request goes through, and what of its answer comes back.
//!
//! Both ways only what is named here passes: no cookie, no credentials, nothing of the connection. What a service keeps
//! of its users is shown, but never run: a browser downloads whatever is not known to be harmless.

mod upload;

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, ETAG, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, VARY,
};
use http::header::{AUTHORIZATION, Entry};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use tokio_util::task::TaskTracker;

use super::answer::read_headers;
use super::stream_limit::OpenStream;
use crate::http::Problem;
use crate::identity::Standing;
use crate::views::plan::Proxy;
use crate::views::{Arguments, View};
use upload::{Upload, linger};

/// Of the client's headers.
const REQUEST: [HeaderName; 9] = [
    ACCEPT,
    ACCEPT_LANGUAGE,
    CONTENT_TYPE,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    RANGE,
];
/// Of the service's headers.
const RESPONSE: [HeaderName; 9] = [
    ACCEPT_RANGES,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    ETAG,
    LAST_MODIFIED,
];

/// What a browser may show by itself: it holds no script. Anything else it stores.
const HARMLESS: [&str; 12] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "video/mp4",
    "video/webm",
    "text/plain",
    "application/json",
];

/// What a request that is handed on holds and depends on.
pub(super) struct Bounds<'e> {
    pub place: OpenStream,
    pub standing: Option<Arc<Standing>>,
    pub tasks: &'e TaskTracker,
}

pub(super) async fn hand_on(
    view: &View,
    proxy: &Proxy,
    arguments: Arguments<'_>,
    request: (Method, &HeaderMap, Body),
    bounds: Bounds<'_>,
) -> Result<Response, Problem> {
    let (method, headers, body) = request;
    let Bounds { place, standing, tasks } = bounds;
    let refuse = |(problem, rest): (Problem, Body)| {
        tasks.spawn(linger(rest));
        problem
    };
    let upload = Upload::admitted(proxy, headers, body, standing).map_err(|refused| refuse(*refused))?;
    let told = REQUEST.iter().filter(|name| !view.forwards().contains(name));
    let told = told.filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
    let (body, refused) = upload.into_parts();
    let answer = view.hand_on(arguments, method, told, body).await;
    // Why the body ended early says more than that it did.
    let answer = answer.map_err(|error| refused.take().map_or_else(|| error.into(), refuse))?;
    let (head, body) = answer.into_parts();
    if head.status.is_client_error() {
        return Ok(refusal(head.status, &head.headers));
    }
    let body = body.map_frame(move |frame| {
        let _until_the_last_byte = &place;
        frame
    });
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = head.status;
    *response.headers_mut() = passed(view, head.status, &head.headers);
    Ok(response)
}

/// What the client must correct; the service's own words stay here.
fn refusal(status: StatusCode, headers: &HeaderMap) -> Response {
    let mut response = Problem::new(status).into_response();
    if let Some(size) = headers.get(CONTENT_RANGE).filter(|_| status == StatusCode::RANGE_NOT_SATISFIABLE) {
        response.headers_mut().insert(CONTENT_RANGE, size.clone());
    }
    response
}

fn passed(view: &View, status: StatusCode, theirs: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(theirs.len() + 4);
    for name in RESPONSE {
        if let Some(value) = theirs.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        shown(&mut headers);
    }
    headers.insert(CACHE_CONTROL, kept(view.is_open(), theirs));
    let who = [AUTHORIZATION, COOKIE].into_iter().filter(|_| !view.is_open());
    let names = who.chain([ACCEPT, ACCEPT_LANGUAGE]).filter(|name| !view.forwards().contains(name));
    for name in names.map(HeaderValue::from).chain(read_headers(view.plan())) {
        headers.append(VARY, name);
    }
    headers
}

/// What browsers may do with a body.
fn shown(headers: &mut HeaderMap) {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let harmless = HARMLESS.contains(&essence.as_str());
    if let Entry::Vacant(untyped) = headers.entry(CONTENT_TYPE) {
        untyped.insert(HeaderValue::from_static("application/octet-stream"));
    }
    let attached = |value: &HeaderValue| value.as_bytes().to_ascii_lowercase().starts_with(b"attachment");
    if !harmless && !headers.get(CONTENT_DISPOSITION).is_some_and(attached) {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    // Whatever a browser makes of it, it is on no site.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
}

/// A client may keep what it can ask about again; who may see it is asked every time.
fn kept(is_open: bool, theirs: &HeaderMap) -> HeaderValue {
    let control = theirs.get(CACHE_CONTROL).and_then(|control| control.to_str().ok()).unwrap_or_default();
    let known = theirs.contains_key(ETAG) || theirs.contains_key(LAST_MODIFIED);
    HeaderValue::from_static(match (known, is_open) {
        _ if control.to_ascii_lowercase().contains("no-store") => "no-store",
        (false, _) => "no-store",
        (true, true) => "public, no-cache",
        (true, false) => "private, no-cache",
    })
}
