//! Every error an outsider can see: RFC 9457 problems, and the one place that makes them.
//!
//! A handler returns a `Problem`; the problem layer writes it out as `application/problem+json`
//! with the request's id, and does the same to errors that axum or a layer answered by itself.

mod status;

mod failure;
pub(super) mod input;
mod repetition;

use std::time::Duration;

use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tower_http::timeout::TimeoutError;
use utoipa::ToSchema;

use super::caller_limit::tell;
use crate::causes::chain;
use crate::identity;
use crate::limits::{Limited, Standing};
use crate::views::{self, InputError, InputPlace};
use status::name;

#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    /// Stable and machine-readable: `not-found`.
    code: &'static str,
    title: &'static str,
    detail: Option<String>,
    errors: Box<[FieldError]>,
    files: Box<[FileError]>,
    retry_after: Option<Duration>,
    standing: Option<Box<Standing>>,
}

/// What is wrong with one field of the request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldError {
    #[serde(flatten)]
    pub location: Location,
    pub code: String,
    pub message: String,
}

/// What is wrong with a file of the server's own; operators alone are told.
#[derive(Debug, Clone, Serialize)]
pub struct FileError {
    /// `file:line:column`, where it is in a file's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    pub code: &'static str,
    pub message: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    /// A JSON pointer into the body.
    Pointer(String),
    /// The name of a query, path or header parameter.
    Parameter(String),
}

impl Problem {
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST).detail(detail)
    }

    /// 400 with what is wrong field by field.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self {
            code: "invalid-request",
            title: "The request is not valid",
            errors: errors.into(),
            ..Self::new(StatusCode::BAD_REQUEST)
        }
    }

    /// A new password, at this place of the body, that must not be one.
    pub fn password(pointer: &str, unfit: identity::Unfit) -> Self {
        Self::invalid(vec![FieldError {
            location: Location::Pointer(pointer.to_owned()),
            code: "unfit-password".to_owned(),
            message: unfit.to_string(),
        }])
    }

    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED)
    }

    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN)
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND)
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT).detail(detail)
    }

    pub fn precondition_failed() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED)
    }

    pub fn too_many_requests(retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS).retry_after(retry_after)
    }

    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub fn bad_gateway() -> Self {
        Self::new(StatusCode::BAD_GATEWAY)
    }

    pub fn unavailable(retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE).retry_after(retry_after)
    }

    pub fn gateway_timeout() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT)
    }

    /// The general problem of a status.
    pub fn new(status: StatusCode) -> Self {
        let (code, title) = name(status);
        Self {
            status,
            code,
            title,
            detail: None,
            errors: Box::default(),
            files: Box::default(),
            retry_after: None,
            standing: None,
        }
    }

    /// Narrows the code where a client must tell two problems of one status apart.
    #[must_use]
    pub fn code(mut self, code: &'static str, title: &'static str) -> Self {
        (self.code, self.title) = (code, title);
        self
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors.into();
        self
    }

    #[must_use]
    pub fn files(mut self, files: Box<[FileError]>) -> Self {
        self.files = files;
        self
    }

    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The answer as it leaves the server.
    pub(super) fn write(&self, request_id: &str) -> Response {
        let mut response = (self.status, axum::Json(self.body(Some(request_id)))).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            // Rounded up, so that a client that waits exactly this long is not early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }

    /// The problem as JSON, for where an answer has begun already and its head names the request.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(&self.body(None)).unwrap_or_default()
    }

    fn body<'a>(&'a self, request_id: Option<&'a str>) -> Body<'a> {
        Body {
            r#type: format!("{TYPES}{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.as_deref(),
            request_id,
            errors: &self.errors,
            files: &self.files,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.code
    }

    pub(super) fn title(&self) -> &'static str {
        self.title
    }
}

/// Leaves the body to the problem layer, which knows the request's id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(standing) = &self.standing {
            tell(standing, response.headers_mut());
        }
        response.extensions_mut().insert(Carried(Box::new(self)));
        response
    }
}

/// A problem on its way from a handler to the problem layer.
#[derive(Clone)]
struct Carried(Box<Problem>);

/// The problem that an answer stands for: a handler's own, or the general one of a bare error status.
pub(super) fn of(response: &Response) -> Option<Problem> {
    if let Some(Carried(problem)) = response.extensions().get() {
        return Some((**problem).clone());
    }
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    // axum and its layers answer in plain text; any other type was chosen by a handler.
    let bare = response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    (failed && bare).then(|| Problem::new(status))
}

impl From<Limited> for Problem {
    fn from(Limited { standing, retry_after }: Limited) -> Self {
        Self { standing: Some(standing.into()), ..Self::too_many_requests(retry_after) }
    }
}

impl From<identity::Error> for Problem {
    fn from(error: identity::Error) -> Self {
        use identity::{Error, PasswordError};
        match error {
            Error::Identifier(error) => Self::invalid(vec![FieldError {
                location: Location::Pointer("/identifier".to_owned()),
                code: "invalid".to_owned(),
                message: error.to_string(),
            }]),
            Error::Unfit(unfit) => Self::password("/newPassword", unfit),
            Error::WrongCredentials => {
                Self::unauthorized().code("invalid-credentials", "The identifier or the password is wrong")
            }
            Error::WrongPassword => Self::forbidden().code("wrong-password", "The current password is wrong"),
            Error::Disabled => Self::forbidden().code("account-disabled", "This account is disabled"),
            Error::Missing => Self::not_found(),
            Error::LastAdmin => Self::conflict("Make another account an admin first")
                .code("last-admin", "This is the last admin who can sign in"),
            Error::Refused(reason) => {
                tracing::debug!(reason, "refused a credential");
                Self::unauthorized().code(
                    "invalid-session",
                    "The token or session is not valid or has ended; refresh it or sign in again",
                )
            }
            Error::Limited(limited) => limited.into(),
            Error::Password(PasswordError::Busy) => Self::unavailable(Duration::from_secs(1)),
            // Whatever the reason, and whoever's it is.
            Error::WrongCode | Error::CodeOver => Self::new(StatusCode::BAD_REQUEST)
                .code("invalid-code", "The code is wrong, used or no longer good")
                .detail("Check the code, or ask for a new one"),
            Error::TooManyTries(wait) => Self::too_many_requests(wait.unsigned_abs())
                .code("too-many-tries", "Too many wrong codes were tried for this address or number"),
            Error::TooOften(wait) => Self::too_many_requests(wait.unsigned_abs()),
            Error::BudgetSpent(wait) => Self::unavailable(wait.unsigned_abs()),
            Error::NotServed => Self::invalid(vec![FieldError {
                location: Location::Pointer("/identifier".to_owned()),
                code: "not-served".to_owned(),
                message: error.to_string(),
            }]),
            Error::NoChannel(reason) => {
                Self::bad_request(reason).code("channel-unavailable", "No codes are sent there")
            }
            Error::IssuerAway => Self::unavailable(Duration::from_secs(10)),
            Error::Store(_) | Error::Contended => {
                tracing::error!(error = %chain(&error), "identity is not available");
                Self::unavailable(Duration::from_secs(1))
            }
            Error::Password(_) | Error::Sign(_) | Error::Keys(_) | Error::Record(_) => {
                tracing::error!(error = %chain(&error), "identity failed");
                Self::internal()
            }
        }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let mut causes = std::iter::successors(Some(&rejection as &dyn std::error::Error), |error| error.source());
        let stalled = causes.any(|error| error.is::<TimeoutError>());
        Self::new(if stalled { StatusCode::REQUEST_TIMEOUT } else { rejection.status() })
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        // A path whose parameters do not parse names nothing.
        Self::not_found()
    }
}

impl From<views::Error> for Problem {
    fn from(error: views::Error) -> Self {
        match error {
            views::Error::Inputs(errors) => Self::invalid(errors.into_iter().map(FieldError::from).collect()),
            views::Error::Failed(failure) => failure.into(),
        }
    }
}

impl From<InputError> for FieldError {
    fn from(error: InputError) -> Self {
        let location = match error.at {
            InputPlace::Parameter(name) => Location::Parameter(name),
            InputPlace::Pointer(pointer) => Location::Pointer(pointer),
        };
        Self { location, code: error.code.to_owned(), message: error.message }
    }
}

const TYPES: &str = "urn:bff:problem:";

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(super) struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    /// Stable, for programs.
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(ignore)]
    files: &'a [FileError],
}
