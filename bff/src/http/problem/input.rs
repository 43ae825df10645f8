//! What is wrong with a body or a query, in words that know nothing of serde.

use axum::extract::rejection::QueryRejection;
use http::StatusCode;
use serde::de::IgnoredAny;
use serde_path_to_error::{Path, Segment};

use super::{FieldError, Location, Problem};
use crate::http::request::NoJson;

/// A body that is not there, or is said to be something else.
pub fn no_json(unfit: NoJson, empty: bool) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail(match unfit {
        NoJson::Type if empty => NO_BODY,
        NoJson::Type => "Send the body as application/json",
        NoJson::Charset => "JSON is sent in UTF-8",
        NoJson::Encoding => "Send the body as it is, without Content-Encoding",
    })
}

const NO_BODY: &str = "This request needs a JSON body, sent with `Content-Type: application/json`";

/// A body that was not read: because it is no JSON, or not the object that it must be.
pub fn no_object(body: &[u8], error: Option<&serde_path_to_error::Error<serde_json::Error>>) -> Problem {
    // serde_json calls a syntax error what is none: `null` for a value from a list, for one.
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(body) {
        return Problem::bad_request(error.to_string()).code("invalid-json", "The body is not JSON");
    }
    let errors = error.map(|error| {
        let Mistake { inner, code, message } = mistake(&error.inner().to_string());
        let mut pointer = pointer(error.path());
        if let Some(inner) = inner {
            pointer = format!("{pointer}/{}", escaped(&inner));
        }
        FieldError { location: Location::Pointer(pointer), code: code.to_owned(), message }
    });
    Problem::new(StatusCode::BAD_REQUEST)
        .code("invalid-body", "The body does not have the expected fields")
        .errors(errors.into_iter().collect())
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        let mut causes = std::iter::successors(Some(&rejection as &dyn std::error::Error), |error| error.source());
        let error = causes.find_map(|error| error.downcast_ref::<QueryError>());
        let errors = error.map(|error| {
            let Mistake { inner, code, message } = mistake(&error.inner().to_string());
            let name = inner.unwrap_or_else(|| error.path().to_string()).chars().take(MAX_NAME_CHARS).collect();
            FieldError { location: Location::Parameter(name), code: code.to_owned(), message }
        });
        Self::new(StatusCode::BAD_REQUEST)
            .code("invalid-query", "The query is not valid")
            .errors(errors.into_iter().collect())
    }
}

/// A name from outside is repeated no longer than this.
const MAX_NAME_CHARS: usize = 64;

type QueryError = serde_path_to_error::Error<serde::de::value::Error>;

fn pointer(path: &Path) -> String {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", escaped(key)),
        // The value of an enum is in the same place.
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    };
    path.iter().map(step).collect()
}

/// As RFC 6901 has it.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

struct Mistake {
    /// The field within the place of the error that it is about.
    inner: Option<String>,
    code: &'static str,
    message: String,
}

/// serde has its errors as texts alone. What was sent is not repeated: it may be a password.
fn mistake(text: &str) -> Mistake {
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    let of = |code, message: &str| Mistake { inner: None, code, message: message.to_owned() };
    if let Some(field) = text.strip_prefix("missing field ") {
        return Mistake { inner: Some(field.trim_matches('`').to_owned()), ..of("missing", "is required") };
    }
    if text.starts_with("unknown field ") {
        return match expected(text) {
            Some(known) => of("unknown", &format!("is not known; known: {}", names(known))),
            None => of("unknown", "is not known; nothing is taken here"),
        };
    }
    if let Some(field) = text.strip_prefix("duplicate field ") {
        let inner = Some(field.trim_matches('`').to_owned());
        return Mistake { inner, ..of("duplicate", "is given more than once") };
    }
    if text.starts_with("unknown variant ") {
        return of("type", &format!("must be one of {}", expected(text).map(names).unwrap_or_default()));
    }
    match text {
        "expected value" => of("type", "must be one of the values that are listed for it"),
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            of("type", "must be a whole number")
        }
        "number too large to fit in target type" => of("range", "is too large"),
        "provided string was not `true` or `false`" => of("type", "must be `true` or `false`"),
        _ => match (text.starts_with("invalid "), expected(text)) {
            (true, Some(what)) => of("type", &format!("must be {}", plain(what))),
            _ => of("invalid", text.strip_prefix("expected ").map_or("is not valid", |_| text)),
        },
    }
}

fn expected(text: &str) -> Option<&str> {
    text.rsplit_once(", expected ").map(|(_, what)| what)
}

fn names(list: &str) -> &str {
    list.strip_prefix("one of ").unwrap_or(list)
}

/// A type of serde's as JSON names it.
fn plain(what: &str) -> &str {
    match what {
        "a sequence" => "an array",
        "a boolean" => "`true` or `false`",
        "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        what if what.starts_with("struct ") => "an object",
        what => what,
    }
}
