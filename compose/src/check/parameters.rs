//! What an HTTP call sends: path, query and headers; the body is in `json`.

use super::Checker;
use super::function::written;
use super::json::is_body;
use super::request::{Into, Sent};
use crate::definition::{self, Argument, Spanned};
use crate::expr::Code;
use crate::plan::{Format, Piece, Query, QueryValue, Request};
use crate::problem::{ErrorCode, Problem};
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
        let code_of = |i: usize| values[i].as_ref().map(|(_, code)| code.clone());
        let path = pieces(path, |name| {
            let i = parameters.iter().position(|p| p.location == Location::Path && p.name == name)?;
            code_of(i)
        });
        let headers = parameters.iter().enumerate().filter(|(_, p)| p.location == Location::Header);
        let headers = headers.filter_map(|(i, p)| Some((p.name.to_lowercase(), code_of(i)?)));
        let content_type = body.iter().filter(|_| content.is_some());
        let content_type = content_type.map(|b| ("content-type".to_owned(), Code::Text(b.media_type.as_str().into())));
        let headers = headers.chain(content_type).collect();
        let query = parameters.iter().zip(values).filter(|(p, _)| p.location == Location::Query);
        let query = query.filter_map(|(p, value)| {
            Some(Query {
                name: p.name.clone(),
                value: value?.0,
                explode: p.explode && matches!(p.ty.kind, Kind::List(_)),
            })
        });
        Some(Request::Http { method: method.clone(), path, query: query.collect(), headers, body: content })
    }

    /// By parameter, what is sent: as it stands in a query, and as it stands in a path or a header.
    fn values(
        &mut self,
        parameters: &[Parameter],
        body: Option<&Body>,
        call: &definition::Call,
        into: Into<'_>,
        sent: &mut Sent,
    ) -> Vec<Option<(QueryValue, Code)>> {
        let names: Vec<String> = parameters.iter().map(written_name).collect();
        let mut values: Vec<Option<(QueryValue, Code)>> = parameters.iter().map(|_| None).collect();
        let mut given: Vec<usize> = Vec::new();
        let mut known = true;
        for (name, argument) in call.request.iter().filter(|(name, _)| !is_body(&name.value)) {
            let Some(i) = names.iter().position(|n| *n == name.value) else {
                self.unknown_parameter(name, &names, body);
                known = false;
                continue;
            };
            given.push(i);
            let Argument::Expr(text) = argument else {
                self.problem(ErrorCode::WrongForm, &name.place, "a parameter is one value", "write an expression");
                continue;
            };
            let Some(value) = self.typed(text) else { continue };
            let Some(value) = self.assign(value, &parameters[i].ty, parameters[i].required, &text.place) else {
                continue;
            };
            self.add(sent, &value);
            let format = Format::of(&value.ty.kind);
            values[i] = Some((QueryValue::Code(value.code.clone(), format), written(value)));
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
                    values[i] = Some((QueryValue::Keys, Code::Null));
                }
                Some(_) => {
                    let help = "for example `into: query.ids`";
                    self.problem(ErrorCode::WrongForm, &name.place, "keys go into the query or the body", help);
                }
                None => self.unknown_parameter(name, &names, body),
            }
        }
        // What is not known may be a required parameter, misspelt: one problem is enough.
        for (i, (parameter, name)) in parameters.iter().zip(&names).enumerate() {
            if parameter.required && known && !given.contains(&i) {
                self.problem(
                    ErrorCode::Required,
                    &call.operation.place,
                    format!("`{name}` is required by the contract"),
                    format!("add `{name}: ...` to `request`"),
                );
            }
        }
        values
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
fn pieces(path: &str, value: impl Fn(&str) -> Option<Code>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = path;
    while let Some((text, tail)) = rest.split_once('{') {
        let Some((name, tail)) = tail.split_once('}') else { break };
        pieces.push(Piece::Text(text.to_owned()));
        pieces.extend(value(name).map(Piece::Code));
        rest = tail;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces
}
