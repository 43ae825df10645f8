//! A request's arguments, bound to the types that the view declares. Every mistake is found in one go.

mod parameter;
mod variant;

use bytes::Bytes;

use crate::decode;
use crate::definition::ParamLocation;
use crate::expr::Value;
use crate::plan::Plan;
use crate::problem::nearest;
use crate::tape::Tape;
pub(crate) use parameter::{of_text, value};
pub use variant::{VARIANT, VARIANT_HEADER, variant};

/// What a client sent, as it was sent.
pub struct Arguments<'a> {
    /// The path's parameters, decoded.
    pub path: &'a [(&'a str, &'a str)],
    /// The raw query, without `?`.
    pub query: &'a str,
    pub header: &'a (dyn Fn(&str) -> Option<String> + Sync),
    pub body: Bytes,
    pub auth: Option<Auth>,
    /// The request's moment: seconds since the Unix epoch, and nanoseconds.
    pub now: (i64, i32),
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Auth {
    pub sub: String,
    pub role: String,
    pub email: Option<String>,
    /// `user`, or `partner` for whom `sub` is the key's owner.
    pub kind: String,
    /// What the caller's key or token was given for.
    pub scopes: Vec<String>,
}

#[derive(Debug)]
pub struct Inputs {
    pub(crate) params: Vec<Value<'static>>,
    pub(crate) body: Option<Tape>,
    pub(crate) auth: Option<Auth>,
    pub(crate) now: (i64, i32),
}

impl Inputs {
    /// What is known before any request.
    pub(crate) fn none() -> Inputs {
        Inputs { params: Vec::new(), body: None, auth: None, now: (0, 0) }
    }
}

/// One mistake of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct InputError {
    pub at: InputPlace,
    /// `missing`, `unknown`, `type`, `range`, ...: stable, for programs.
    pub code: &'static str,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum InputPlace {
    /// A path, query or header parameter.
    Parameter(String),
    /// A JSON pointer into the body.
    Pointer(String),
}

/// Parameters shown in an answer to a request with mistakes.
const MAX_ERRORS: usize = 32;

pub fn bind(plan: &Plan, arguments: Arguments<'_>) -> Result<Inputs, Vec<InputError>> {
    let mut errors = Vec::new();
    let query: Vec<_> = form_urlencoded::parse(arguments.query.as_bytes()).collect();
    unknown(plan, &query, &mut errors);
    let params = plan.params.iter().map(|param| match param.location {
        ParamLocation::Path => {
            let given = arguments.path.iter().filter(|(name, _)| *name == param.name);
            parameter::bind(param, given.map(|(_, value)| *value))
        }
        ParamLocation::Query => {
            let given = query.iter().filter(|(name, _)| *name == param.name);
            parameter::bind(param, given.map(|(_, value)| &**value))
        }
        ParamLocation::Header => parameter::bind(param, (arguments.header)(&param.name).iter().map(String::as_str)),
    });
    let params: Vec<Value<'static>> = params
        .map(|p| {
            p.unwrap_or_else(|e| {
                errors.push(e);
                Value::Null
            })
        })
        .collect();
    let body = match &plan.body {
        None => None,
        Some(layout) => match decode::body(layout, arguments.body) {
            Ok(tape) => Some(tape),
            Err(violations) => {
                errors.extend(violations.into_iter().map(|v| InputError {
                    at: InputPlace::Pointer(v.pointer),
                    code: v.code,
                    message: v.message,
                }));
                None
            }
        },
    };
    errors.truncate(MAX_ERRORS);
    if errors.is_empty() { Ok(Inputs { params, body, auth: arguments.auth, now: arguments.now }) } else { Err(errors) }
}

fn unknown(
    plan: &Plan,
    query: &[(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)],
    errors: &mut Vec<InputError>,
) {
    let known = plan.params.iter().filter(|p| p.location == ParamLocation::Query).map(|p| p.name.as_str());
    let chooses = plan.variant.is_some() || !plan.variants.is_empty();
    let known: Vec<&str> = known.chain(chooses.then_some(VARIANT)).collect();
    for (name, _) in query.iter().filter(|(name, _)| !known.contains(&name.as_ref())).take(MAX_ERRORS) {
        let shown: String = name.chars().take(64).collect();
        let message = match nearest(&shown, &known) {
            Some(near) => format!("is not a parameter; did you mean `{near}`?"),
            None if known.is_empty() => "is not a parameter; this route has no query parameters".into(),
            None => format!("is not a parameter; known: {}", known.join(", ")),
        };
        errors.push(InputError { at: InputPlace::Parameter(shown), code: "unknown", message });
    }
}
