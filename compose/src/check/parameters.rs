//! What an HTTP call sends: path, query and headers; the body is in `json`.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Checker;
use super::json::is_body;
use super::request::{Into, Sent};
use crate::definition::{self, Argument, Spanned};
use crate::expr::Code;
use crate::plan::{Format, Header, Query, QueryValue, Request, Segment};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Body, Kind, Location, Parameter, Protocol};

impl Checker<'_> {
    pub(super) fn http(
        &mut self,
        protocol: &Protocol,
        call: &definition::Call,
        into: Into<'_>,
        sent: &mut Sent,
    ) -> Option<Request> {
        let Protocol::Http { method, path, parameters, body } = protocol else { return None };
        let content = self.body_of(method, body.as_ref(), call, into, sent);
        let values = self.values(parameters, body.as_ref(), call, into.filter(|(name, _)| !is_body(&name.value)), sent);
        let path = segments(path, |name| {
            let i = parameters.iter().position(|p| p.location == Location::Path && p.name == name)?;
            match values[i].as_ref()? {
                QueryValue::Code(code, format) => Some((code.clone(), format.clone())),
                QueryValue::Keys => None,
            }
        });
        let headers = parameters.iter().enumerate().filter(|(_, p)| p.location == Location::Header);
        let headers = headers.filter_map(|(i, p)| match values[i].as_ref()? {
            QueryValue::Code(code, format) => {
                Some(Header { name: p.name.to_lowercase(), value: code.clone(), format: format.clone() })
            }
            QueryValue::Keys => None,
        });
        let content_type = body.iter().filter(|_| content.is_some());
        let content_type = content_type.map(|b| Header {
            name: "content-type".to_owned(),
            value: Code::Text(b.media_type.as_str().into()),
            format: Format::Plain,
        });
        let headers = headers.chain(content_type).collect();
        let query = parameters.iter().zip(values).filter(|(p, _)| p.location == Location::Query);
        let query = query.filter_map(|(p, value)| {
            Some(Query {
                name: p.name.clone(),
                value: value?,
                explode: p.explode && matches!(p.ty.kind, Kind::List(_)),
            })
        });
        Some(Request::Http { method: method.clone(), path, query: query.collect(), headers, body: content })
    }

    /// By parameter, what is sent.
    fn values(
        &mut self,
        parameters: &[Parameter],
        body: Option<&Body>,
        call: &definition::Call,
        into: Into<'_>,
        sent: &mut Sent,
    ) -> Vec<Option<QueryValue>> {
        let names: Vec<String> = parameters.iter().map(written_name).collect();
        let mut values: Vec<Option<QueryValue>> = parameters.iter().map(|_| None).collect();
        let mut given: Vec<usize> = Vec::new();
        let mut known = true;
        for (name, argument) in call.request.iter().filter(|(name, _)| !is_body(&name.value)) {
            let Some(i) = names.iter().position(|n| *n == name.value) else {
                self.unknown_parameter(name, &names, body);
                known = false;
                continue;
            };
            given.push(i);
            values[i] = self.parameter_value(&parameters[i], name, argument, sent);
        }
        if let Some((name, key)) = into {
            match names.iter().position(|n| *n == name.value) {
                Some(i) if given.contains(&i) => self.given_twice(&name.value, &name.place),
                Some(i) if parameters[i].location == Location::Query => {
                    // A parameter that takes "a,b" without saying that it is a list.
                    if parameters[i].ty.kind != Kind::String {
                        self.key_fits(key, &parameters[i].ty, &name.place);
                    }
                    given.push(i);
                    values[i] = Some(QueryValue::Keys);
                }
                Some(_) => {
                    let help = "for example `into: query.ids`";
                    self.problem(ErrorCode::WrongForm, &name.place, "keys go into the query or the body", help);
                }
                None => self.unknown_parameter(name, &names, body),
            }
        }
        // What is not known may be a required parameter, misspelt: one problem is enough.
        if known {
            let lacking = parameters.iter().zip(&names).enumerate().filter(|(i, _)| !given.contains(i));
            lacking.for_each(|(_, (parameter, name))| self.lacking(parameter, name, &call.operation.place));
        }
        values
    }

    /// None, with a problem, of what a parameter cannot be.
    fn parameter_value(
        &mut self,
        parameter: &Parameter,
        name: &Spanned<String>,
        argument: &Argument,
        sent: &mut Sent,
    ) -> Option<QueryValue> {
        let Argument::Expr(text) = argument else {
            self.problem(ErrorCode::WrongForm, &name.place, "a parameter is one value", "write an expression");
            return None;
        };
        if let Kind::Opaque(reason) = parameter.ty.kind {
            let message = format!("`{}` is {reason}", name.value);
            self.problem(ErrorCode::Unsupported, &name.place, message, "leave it out");
            return None;
        }
        let value = self.typed(text)?;
        let value = self.assign(value, &parameter.ty, parameter.required, &text.place)?;
        self.add(sent, &value);
        let format = Format::sent(&value.ty.kind);
        Some(QueryValue::Code(value.code, format))
    }

    /// A problem where the contract requires what is not given.
    fn lacking(&mut self, parameter: &Parameter, name: &str, place: &Place) {
        if !parameter.required {
            return;
        }
        let message = format!("`{name}` is required by the contract");
        match parameter.ty.kind {
            Kind::Opaque(reason) => {
                let message = format!("{message}, and it is {reason}");
                self.problem(ErrorCode::Unsupported, place, message, "call another operation");
            }
            _ => self.problem(ErrorCode::Required, place, message, format!("add `{name}: ...` to `request`")),
        }
    }

    fn unknown_parameter(&mut self, name: &Spanned<String>, names: &[String], body: Option<&Body>) {
        let problem = Problem::new(
            ErrorCode::UnknownName,
            &name.place,
            format!("the operation has no parameter `{}`", name.value),
        );
        let first = name.value.split('.').next().unwrap_or_default();
        let is_member = |body: &Body| match body.ty.kind {
            Kind::Record(id) => self.contracts.record(id).fields.iter().any(|f| f.name == first),
            _ => false,
        };
        self.problems.push(match body {
            Some(body) if is_member(body) => problem.help(format!("did you mean `body.{}`?", name.value)),
            Some(_) => problem.suggest(&name.value, names.iter().map(String::as_str).chain(["body"])),
            None => problem.suggest(&name.value, names.iter().map(String::as_str)),
        });
    }
}

/// As a request names it: `path.id`, `query.ids`, `header.x-tenant`.
fn written_name(parameter: &Parameter) -> String {
    let location = match parameter.location {
        Location::Path => "path",
        Location::Query => "query",
        Location::Header => "header",
    };
    format!("{location}.{}", parameter.name)
}

/// `/a/{id}/b` as literal pieces and values.
fn segments(path: &str, value: impl Fn(&str) -> Option<(Code, Format)>) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut rest = path;
    while let Some((text, tail)) = rest.split_once('{') {
        let Some((name, tail)) = tail.split_once('}') else { break };
        segments.push(literal(text));
        segments.extend(value(name).map(|(code, format)| Segment::Value(code, format)));
        rest = tail;
    }
    segments.push(literal(rest));
    segments
}

/// As it travels; what the contract wrote escaped stays so.
fn literal(text: &str) -> Segment {
    const ESCAPED: AsciiSet = CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'\\')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    Segment::Text(utf8_percent_encode(text, &ESCAPED).to_string())
}
