//! What an HTTP call sends: path, query and headers.

use super::{Checker, Typed};
use crate::definition::{self, Argument, Spanned};
use crate::expr::Code;
use crate::plan::{Format, Piece, Query, QueryValue, Request};
use crate::problem::Problem;
use crate::schema::{Location, Parameter};

impl Checker<'_> {
    pub(super) fn http(
        &mut self,
        method: &str,
        path: &str,
        parameters: &[Parameter],
        call: &definition::Call,
        into: Option<(&Spanned<String>, &Typed)>,
        sent: &mut Typed,
    ) -> Request {
        let name_of = |p: &Parameter| {
            let location = match p.location {
                Location::Path => "path",
                Location::Query => "query",
                Location::Header => "header",
            };
            format!("{location}.{}", p.name)
        };
        let names: Vec<String> = parameters.iter().map(name_of).collect();
        let mut values: Vec<Option<(QueryValue, Code)>> = parameters.iter().map(|_| None).collect();
        for (name, argument) in &call.request {
            let Some(i) = names.iter().position(|n| *n == name.value) else {
                self.unknown_parameter(name, &names);
                continue;
            };
            let Argument::Expr(text) = argument else {
                self.problem(&name.place, "a parameter is one value", "write an expression");
                continue;
            };
            let Some(value) = self.typed(text) else { continue };
            let Some(value) = self.assign(value, &parameters[i].ty, parameters[i].required, &text.place) else {
                continue;
            };
            self.add(sent, &value);
            values[i] = Some((QueryValue::Code(value.code.clone(), Format::of(&value.ty.kind)), value.code));
        }
        if let Some((name, key)) = into {
            match names.iter().position(|n| *n == name.value) {
                Some(i) if parameters[i].location == Location::Query => {
                    self.key_fits(key, &parameters[i].ty, &name.place);
                    values[i] = Some((QueryValue::Keys, Code::Null));
                }
                Some(_) => self.problem(&name.place, "keys go into the query", "for example `into: query.ids`"),
                None => self.unknown_parameter(name, &names),
            }
        }
        for (parameter, name) in parameters.iter().zip(&names).zip(&values).filter(|(_, v)| v.is_none()).map(|(p, _)| p)
        {
            if parameter.required {
                self.problem(
                    &call.operation.place,
                    format!("`{name}` is required by the contract"),
                    format!("add `{name}: ...` to `request`"),
                );
            }
        }
        let code_of = |i: usize| values[i].as_ref().map(|(_, code)| code.clone());
        let path = pieces(path, |name| {
            let i = parameters.iter().position(|p| p.location == Location::Path && p.name == name)?;
            code_of(i)
        });
        let headers = parameters.iter().enumerate().filter(|(_, p)| p.location == Location::Header);
        let headers = headers.filter_map(|(i, p)| Some((p.name.to_lowercase(), code_of(i)?))).collect();
        let query = parameters.iter().zip(values).filter(|(p, _)| p.location == Location::Query);
        let query =
            query.filter_map(|(p, value)| Some(Query { name: p.name.clone(), value: value?.0, explode: p.explode }));
        Request::Http { method: method.to_owned(), path, query: query.collect(), headers, body: None }
    }

    fn unknown_parameter(&mut self, name: &Spanned<String>, names: &[String]) {
        let problem = Problem::new(&name.place, format!("the operation has no parameter `{}`", name.value));
        self.problems.push(problem.suggest(&name.value, names.iter().map(String::as_str)));
    }
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
