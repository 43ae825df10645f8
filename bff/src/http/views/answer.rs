//! A view's answer as a response: what it says, what is missing, and what its client may keep of it.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, ETAG, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::partial;
use super::progressive::is_possible;
use crate::http::request::is_known;
use crate::views::plan::Plan;
use crate::views::{ParamLocation, Served};

const BFF_PARTIAL: HeaderName = HeaderName::from_static("bff-partial");

/// With those that every answer has.
const ROOM_FOR_HEADERS: usize = 16;

/// 304 where the client has it already. `request` are the client's headers.
pub fn written(plan: &Plan, Served { answer, left }: Served, request: &HeaderMap) -> Response {
    let mut headers = HeaderMap::with_capacity(ROOM_FOR_HEADERS);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    if is_possible(plan) {
        // Whoever would rather have events gets them.
        headers.append(VARY, HeaderValue::from(ACCEPT));
    }
    match partial::header(&answer.notes) {
        Some(notes) => {
            // With the tag of the whole answer a client would never ask for the rest.
            headers.remove(ETAG);
            headers.insert(BFF_PARTIAL, notes);
        }
        None => kept(plan, left, &mut headers),
    }
    let status = StatusCode::from_u16(plan.status).unwrap_or_default();
    if let (StatusCode::OK, true, Some(body)) = (status, headers.contains_key(CACHE_CONTROL), &answer.body) {
        headers.entry(ETAG).or_insert_with(|| tag_of(body));
    }
    let etag = headers.get(ETAG).and_then(|etag| etag.to_str().ok());
    if status == StatusCode::OK && plan.method == "GET" && etag.is_some_and(|etag| is_known(request, etag)) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    if answer.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let mut response = Response::new(answer.body.map_or_else(Body::empty, Body::from));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

/// What is kept is asked for again by it.
fn tag_of(body: &[u8]) -> HeaderValue {
    let hash = digest(&SHA256, body);
    let tag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
    HeaderValue::try_from(tag).expect("base64 in quotes is ASCII")
}

/// How long the client may keep a whole answer, and what else of a request decides it.
fn kept(plan: &Plan, left: Duration, headers: &mut HeaderMap) {
    let control = plan.cache_control_of(left);
    if control == "no-store" {
        return;
    }
    if control.starts_with("private") {
        headers.append(VARY, HeaderValue::from(AUTHORIZATION));
        headers.append(VARY, HeaderValue::from(COOKIE));
    }
    for name in read_headers(plan) {
        headers.append(VARY, name);
    }
    headers.extend(HeaderValue::try_from(control).ok().map(|control| (CACHE_CONTROL, control)));
}

/// The client's headers that the view reads.
pub fn read_headers(plan: &Plan) -> impl Iterator<Item = HeaderValue> {
    let read = plan.params.iter().filter(|param| param.location == ParamLocation::Header);
    read.filter_map(|param| HeaderValue::try_from(&param.name).ok())
}
