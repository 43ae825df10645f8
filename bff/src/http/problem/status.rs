//! What a status alone says: a code for programs and a title for people.

use http::StatusCode;

pub(super) fn name(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        401 => ("unauthorized", "Sign in first"),
        403 => ("forbidden", "You may not do this"),
        404 => ("not-found", "There is nothing here"),
        405 => ("method-not-allowed", "This address does not take that method"),
        408 => ("request-timeout", "The request took too long to arrive"),
        409 => ("conflict", "The request conflicts with the current state"),
        412 => ("precondition-failed", "The object has changed meanwhile"),
        413 => ("body-too-large", "The body is too large"),
        415 => ("unsupported-media-type", "The body has a type that is not accepted here"),
        416 => ("range-not-satisfiable", "The object does not have that range"),
        422 => ("unprocessable", "The request cannot be processed"),
        426 => ("upgrade-required", "Only a WebSocket can be opened here"),
        429 => ("too-many-requests", "Too many requests; wait before the next one"),
        502 => ("bad-gateway", "A service behind this one gave no usable answer"),
        503 => ("unavailable", "The service is not available right now"),
        504 => ("timeout", "The answer took too long"),
        _ if status.is_client_error() => ("bad-request", "The request is not valid"),
        _ => ("internal", "Something went wrong on our side"),
    }
}
