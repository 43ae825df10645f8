//! A view that changes something, carried out once for each idempotency key.

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::http::Problem;
use crate::http::client_address::ClientAddress;
use crate::idempotency::{Answer, Begun, Fingerprint, Idempotency, Key, Reservation};
use crate::identity::Caller;
use crate::views::plan::Plan;

/// What tells one request from another.
pub(super) struct Once<'a> {
    pub plan: &'a Plan,
    pub caller: Option<&'a Caller>,
    pub client: Option<ClientAddress>,
    pub key: &'a HeaderValue,
    /// As the client wrote it, with its query.
    pub target: &'a str,
    pub body: &'a Bytes,
}

/// A larger answer is given, and not kept.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

impl Once<'_> {
    /// The reservation of the first request, or the answer that it got.
    pub async fn begin(&self, idempotency: &Idempotency) -> Result<Result<Reservation, Response>, Problem> {
        let caller = match (self.caller, self.client) {
            (Some(caller), _) => caller.sub.to_string(),
            (None, client) => client.map(|client| client.household().to_string()).unwrap_or_default(),
        };
        let route = format!("{} {}", self.plan.method, self.plan.path);
        let key = Key::new(&caller, &route, self.key.as_bytes());
        let variant = self.plan.variant.as_deref().unwrap_or_default();
        let fingerprint = Fingerprint::of(&[self.target.as_bytes(), variant.as_bytes(), self.body]);
        Ok(match idempotency.begin(key, fingerprint).await? {
            Begun::First(reservation) => Ok(reservation),
            Begun::Done(answer) => Err(replayed(answer)),
        })
    }
}

/// Keeps what was answered. Only a success is one: after a failure the client may try again, and the services, which are
/// told the same key, see to it that nothing is done twice.
pub(super) async fn settle(
    idempotency: &Idempotency,
    reservation: Reservation,
    outcome: Result<Response, Problem>,
) -> Result<Response, Problem> {
    let response = match outcome {
        Ok(response) if response.status().is_success() => response,
        failed => {
            idempotency.release(reservation).await;
            return failed;
        }
    };
    if response.body().size_hint().upper().is_none_or(|size| size > MAX_ANSWER_BYTES as u64) {
        idempotency.finish(reservation, None).await;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER_BYTES).await.map_err(|_| Problem::internal())?;
    let answer = answer(parts.status, &parts.headers, &body);
    idempotency.finish(reservation, answer).await;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// None of what is secret: who sets a cookie opens something.
fn answer(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Option<Answer> {
    if headers.contains_key(SET_COOKIE) {
        return None;
    }
    let told = headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH);
    let headers = told.map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Some(Answer { status: status.as_u16(), headers: headers.collect::<Option<_>>()?, body: body.clone() })
}

fn replayed(answer: Answer) -> Response {
    let Answer { status, headers, body } = answer;
    let mut response = (StatusCode::from_u16(status).unwrap_or_default(), body).into_response();
    response.headers_mut().clear();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
