//! What handlers take from a request: axum's extractors, refusing with problems.

use std::fmt;
use std::marker::PhantomData;

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, IF_NONE_MATCH};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Problem;
use super::problem::input;

/// A JSON object as the body; other content types are refused.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// The parameters of the route's path.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub struct Path<T>(pub T);

/// The query string.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub struct Query<T>(pub T);

/// Around the routes that take no query: a parameter that does nothing must not look as if it did.
pub async fn refuse_query(_: Query<Nothing>, request: Request, next: Next) -> Response {
    next.run(request).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The client has what this ETag names.
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    tags.flat_map(|value| value.split(',')).map(strong).any(|tag| tag == "*" || tag == strong(etag))
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let empty = request.body().is_end_stream();
        must_be_json(request.headers()).map_err(|unfit| input::no_json(unfit, empty))?;
        let bytes = Bytes::from_request(request, state).await?;
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        match serde_path_to_error::deserialize(&mut deserializer) {
            Ok(Object(body)) if deserializer.end().is_ok() => Ok(Self(body)),
            Ok(_) => Err(input::no_object(&bytes, None)),
            Err(error) => Err(input::no_object(&bytes, Some(&error))),
        }
    }
}

/// Why a body is not read as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoJson {
    Type,
    Charset,
    Encoding,
}

/// As `application/json` or what is built on it says; browsers send neither to another site without asking it.
pub fn must_be_json(headers: &HeaderMap) -> Result<(), NoJson> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut kind = text(CONTENT_TYPE).split(';').map(str::trim);
    let essence = kind.next().unwrap_or_default().to_ascii_lowercase();
    if !essence.strip_prefix("application/").is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json")) {
        return Err(NoJson::Type);
    }
    let mut parameters = kind.filter_map(|parameter| parameter.split_once('='));
    let charset = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    if charset.is_some_and(|(_, charset)| !charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")) {
        return Err(NoJson::Charset);
    }
    let encoding =
        headers.get(CONTENT_ENCODING).is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoding { Err(NoJson::Encoding) } else { Ok(()) }
}

/// By itself serde also fills a struct from an array, in the order of its fields.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
