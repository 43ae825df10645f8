//! A request's arguments, bound to the types that the view declares. Every mistake is found in one go.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::decode;
use crate::definition::ParamLocation;
use crate::expr::{Code, Value};
use crate::plan::{Param, Plan};
use crate::problem::nearest;
use crate::schema::Kind;
use crate::tape::Tape;

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
    let params = plan.params.iter().map(|param| {
        let mut given = match param.location {
            ParamLocation::Path => {
                arguments.path.iter().filter(|(n, _)| *n == param.name).map(|(_, v)| (*v).to_owned()).collect()
            }
            ParamLocation::Query => {
                query.iter().filter(|(n, _)| *n == param.name).map(|(_, v)| v.to_string()).collect::<Vec<_>>()
            }
            ParamLocation::Header => (arguments.header)(&param.name).into_iter().collect(),
        };
        if given.len() > 1 {
            return Err(mistake(param, "duplicate", "is given more than once".into()));
        }
        parse(param, given.pop())
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
    let known: Vec<&str> =
        plan.params.iter().filter(|p| p.location == ParamLocation::Query).map(|p| p.name.as_str()).collect();
    for (name, _) in query.iter().filter(|(name, _)| !known.contains(&name.as_ref())).take(MAX_ERRORS) {
        let shown: String = name.chars().take(64).collect();
        let message = match nearest(&shown, &known) {
            Some(near) => format!("is not a parameter; did you mean `{near}`?"),
            None if known.is_empty() => "is not a parameter; this route has none".into(),
            None => format!("is not a parameter; known: {}", known.join(", ")),
        };
        errors.push(InputError { at: InputPlace::Parameter(shown), code: "unknown", message });
    }
}

fn mistake(param: &Param, code: &'static str, message: String) -> InputError {
    InputError { at: InputPlace::Parameter(param.name.clone()), code, message }
}

/// What was given for the parameter, as a value of its type and within its bounds.
pub(crate) fn parse(param: &Param, text: Option<String>) -> Result<Value<'static>, InputError> {
    let Some(text) = text else {
        return match &param.default {
            _ if param.required => Err(mistake(param, "missing", "is required".into())),
            Code::Int(i) => Ok(Value::Int(*i)),
            Code::Float(f) => Ok(Value::Float(*f)),
            Code::Bool(b) => Ok(Value::Bool(*b)),
            Code::Text(t) => Ok(Value::Text(t.to_string().into())),
            _ => Ok(Value::Null),
        };
    };
    let value = parse_kind(&param.kind, &text).map_err(|message| mistake(param, "type", message))?;
    let unit = if matches!(param.kind, Kind::String) { " characters" } else { "" };
    let is = |wanted: Ordering, bound: i64| size_against(&value, bound) == Some(wanted);
    match (param.min, param.max) {
        (Some(min), _) if is(Ordering::Less, min) => {
            Err(mistake(param, "range", format!("must be at least {min}{unit}")))
        }
        (_, Some(max)) if is(Ordering::Greater, max) => {
            Err(mistake(param, "range", format!("must be at most {max}{unit}")))
        }
        _ => Ok(value),
    }
}

/// A number, or the length of a text, against a bound.
fn size_against(value: &Value<'_>, bound: i64) -> Option<Ordering> {
    match value {
        Value::Int(i) => Some(i.cmp(&bound)),
        Value::Uint(u) => Some(i128::from(*u).cmp(&bound.into())),
        Value::Float(f) => f.partial_cmp(&(bound as f64)),
        Value::Text(t) => Some((t.chars().count() as i128).cmp(&bound.into())),
        _ => None,
    }
}

/// A parameter's text as a value of its kind, or what it must be.
pub(crate) fn parse_kind(kind: &Kind, text: &str) -> Result<Value<'static>, String> {
    fn integer<T: std::str::FromStr + TryInto<i64>>(text: &str, what: &str) -> Result<Value<'static>, String> {
        let parsed = text.parse::<T>().ok().and_then(|n| n.try_into().ok());
        parsed.map(Value::Int).ok_or_else(|| format!("must be {what}"))
    }
    match kind {
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| "must be true or false".into()),
        Kind::Int32 => integer::<i32>(text, "a whole number of 32 bits"),
        Kind::Int64 => integer::<i64>(text, "a whole number of 64 bits"),
        Kind::Uint32 => integer::<u32>(text, "a whole number of 32 bits that is not negative"),
        Kind::Uint64 => {
            text.parse().map(Value::Uint).map_err(|_| "must be a whole number of 64 bits that is not negative".into())
        }
        Kind::Float | Kind::Double => match text.parse::<f64>() {
            Ok(f) if f.is_finite() => Ok(Value::Float(f)),
            _ => Err("must be a number".into()),
        },
        Kind::Enum(names) => match names.number_of(text) {
            Some(number) => Ok(Value::Int(number.into())),
            None => {
                let all = names.values.iter().map(|(_, n)| n.as_str()).collect::<Vec<_>>().join(", ");
                Err(format!("must be one of {all}"))
            }
        },
        _ => Ok(Value::Text(text.to_owned().into())),
    }
}
