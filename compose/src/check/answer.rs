//! What a view declares beside its calls and its shape: for whom it is, and what its answer carries.

use super::Checker;
use super::function::written;
use super::header::is_header_name;
use super::template::is_text;
use crate::expr::Code;
use crate::plan::Piece;
use crate::problem::{ErrorCode, Place, Problem};

const ROLES: [&str; 6] = ["public", "user", "operator", "auditor", "admin", "partner"];

/// Headers that the server writes itself, or that speak of the connection or the body.
const RESERVED: [&str; 15] = [
    "cache-control",
    "connection",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "age",
    "www-authenticate",
];
const RESERVED_PREFIXES: [&str; 3] = ["content-", "bff-", "access-control-"];
/// Headers, and tags, of one answer at the most.
const MAX_HEADERS: usize = 16;
const MAX_TAGS: usize = 16;

impl Checker<'_> {
    pub(super) fn access(&mut self) {
        for role in &self.view.access {
            if !ROLES.contains(&role.value.as_str()) {
                let problem =
                    Problem::new(ErrorCode::UnknownValue, &role.place, format!("`{}` is not a role", role.value))
                        .suggest(&role.value, ROLES);
                self.problems.push(problem);
            }
        }
        if self.view.access.len() > 1
            && let Some(public) = self.view.access.iter().find(|a| a.value == "public")
        {
            self.problem(
                ErrorCode::Conflict,
                &public.place,
                "`public` admits everybody, so that no other role counts",
                "keep `public` or the roles",
            );
        }
    }

    pub(super) fn status(&mut self) -> u16 {
        let view = self.view;
        let default = if view.shape.is_some() { 200 } else { 204 };
        let Some(status) = &view.status else { return default };
        if (status.value == 204) == view.shape.is_some() {
            self.problem(
                ErrorCode::Conflict,
                &status.place,
                "an answer with a shape is not 204, one without is",
                "remove `status`, or add or remove `shape`",
            );
        }
        status.value
    }

    /// Keys that mean nothing beside a `stream`, a `proxy` or GET.
    pub(super) fn misplaced(&mut self) {
        let view = self.view;
        let name = |text: &'static str, place: Option<&Place>| place.map(|place| (text, place.clone()));
        let deadline = name("deadline", view.deadline.as_ref().map(|d| &d.place));
        let idempotency = name("idempotency", view.idempotency.as_ref());
        let status = name("status", view.status.as_ref().map(|s| &s.place));
        let headers = name("headers", view.headers.first().map(|(name, _)| &name.place));
        let invalidates = name("invalidates", view.invalidates.first().map(|tag| &tag.place));
        let (beside, keys, why) = if view.stream.is_some() {
            let why = "it ends when its client or its service does, and answers 200";
            ("a `stream`", [deadline, idempotency, status, headers, invalidates], why)
        } else if view.proxy.is_some() {
            let body = name("body", view.body.as_ref().map(|b| &b.like.place));
            let calls = name("calls", view.calls.first().map(|call| &call.name.place));
            ("a `proxy`", [body, calls, status, headers, None], "what the service answers is handed on as it is")
        } else if view.route.method == "GET" {
            ("GET", [idempotency, invalidates, None, None, None], "it changes nothing")
        } else {
            return;
        };
        for (key, place) in keys.into_iter().flatten() {
            let message = format!("`{key}` means nothing beside {beside}: {why}");
            self.problem(ErrorCode::Conflict, &place, message, format!("remove `{key}`"));
        }
    }

    /// Each by its name in lower case, and the text that it is; null leaves it out.
    pub(super) fn headers_of_answer(&mut self) -> Vec<(String, Code)> {
        let view = self.view;
        if let Some((name, _)) = view.headers.get(MAX_HEADERS) {
            let message = format!("an answer declares at most {MAX_HEADERS} headers");
            self.problem(ErrorCode::TooMuch, &name.place, message, "say the rest in the `shape`");
            return Vec::new();
        }
        let mut headers: Vec<(String, Code)> = Vec::new();
        for (name, text) in &view.headers {
            let lower = name.value.to_ascii_lowercase();
            let reserved =
                RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
            if !is_header_name(&lower) {
                let message = format!("no header can be named `{}`", name.value);
                self.problem(ErrorCode::Name, &name.place, message, "letters, digits and `-`");
            } else if reserved {
                let message = format!("a view cannot declare the header `{}`", name.value);
                self.problem(ErrorCode::Name, &name.place, message, "the server writes it itself: choose another name");
            } else if headers.iter().any(|(other, _)| *other == lower) {
                let message = format!("the header `{lower}` is given twice");
                self.problem(ErrorCode::Duplicate, &name.place, message, "keep one of them");
            }
            let Some(value) = self.typed(text) else { continue };
            if !is_text(&value.ty.kind) {
                let has = self.contracts.describe(&value.ty);
                let message = format!("a header is a text, an integer, a date or an enum, not {has}");
                self.problem(ErrorCode::WrongType, &text.place, message, "take a field of it");
                continue;
            }
            headers.push((lower, written(value)));
        }
        headers
    }

    pub(super) fn invalidates(&mut self) -> Vec<Vec<Piece>> {
        let view = self.view;
        if let Some(more) = view.invalidates.get(MAX_TAGS) {
            let message = format!("a view makes at most {MAX_TAGS} tags stale");
            self.problem(ErrorCode::TooMuch, &more.place, message, "give entries that become stale together one tag");
            return Vec::new();
        }
        view.invalidates.iter().filter_map(|tag| Some(self.template(tag)?.0)).collect()
    }
}
