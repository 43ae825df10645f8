//! The customers' pictures, as they were uploaded. Nothing is kept on disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::range::{self, Asked};
use crate::problem::Problem;

#[derive(Clone)]
pub struct Picture {
    bytes: Bytes,
    kind: String,
    version: u64,
}

#[derive(Default)]
pub struct Pictures(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    pictures: HashMap<String, Picture>,
    versions: u64,
}

pub const MAX_BYTES: usize = 1_000_000;
const MAX_PICTURES: usize = 50;
const KINDS: [&str; 3] = ["image/png", "image/jpeg", "image/webp"];

impl Pictures {
    pub fn put(&self, id: &str, headers: &HeaderMap, bytes: Bytes) -> Result<(), Problem> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !KINDS.contains(&kind) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("a picture is {}", KINDS.join(" or ")),
            ));
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.pictures.len() >= MAX_PICTURES && !kept.pictures.contains_key(id) {
            return Err(Problem::unavailable("too many pictures have been uploaded since the start"));
        }
        kept.versions += 1;
        let picture = Picture { bytes, kind: kind.to_owned(), version: kept.versions };
        kept.pictures.insert(id.to_owned(), picture);
        Ok(())
    }

    pub fn find(&self, id: &str) -> Result<Picture, Problem> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pictures.get(id).cloned().ok_or_else(|| Problem::not_found("no picture has been uploaded"))
    }

    pub fn remove(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pictures.remove(id);
    }
}

impl Picture {
    /// The picture, or the part of it that is asked for; 304 where the client has it already.
    pub fn answer(self, method: &Method, headers: &HeaderMap) -> Response {
        let etag = format!("\"{}\"", self.version);
        let length = self.bytes.len();
        let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == etag);
        let asked = range::asked(method, headers, &etag, length);
        let ranges = (header::ACCEPT_RANGES, "bytes".to_owned());
        let described = [(header::CONTENT_TYPE, self.kind), (header::ETAG, etag), ranges];
        match asked {
            _ if known => (StatusCode::NOT_MODIFIED, described).into_response(),
            Asked::Whole => (described, self.bytes).into_response(),
            Asked::Part(part) => {
                let place = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                let place = [(header::CONTENT_RANGE, place)];
                (StatusCode::PARTIAL_CONTENT, described, place, self.bytes.slice(part)).into_response()
            }
            Asked::Beyond => {
                let place = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
                (place, Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "the picture has no such range"))
                    .into_response()
            }
        }
    }
}
