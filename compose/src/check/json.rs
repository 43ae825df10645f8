//! The JSON body of an HTTP call, checked against the contract's schema.

mod value;

use super::request::{Into, SPREAD, Sent, in_part, rest_of};
use super::{Checker, Typed};
use crate::definition::{self, Argument, Spanned};
use crate::expr::Kind as Ast;
use crate::plan::{Json, JsonMember};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Body, Kind, RecordId, Type, Union};

/// What is sent for a part of the body, behind the path that leads there.
type Given<'a> = (Spanned<String>, Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    Argument(&'a Argument),
    Keys(&'a Typed),
}

/// Where a value goes.
struct Target<'t> {
    name: &'t str,
    ty: &'t Type,
    /// It cannot be left out where it is null.
    required: bool,
}

/// `body`, `body.name`, and `...` beside them.
pub(super) fn is_body(name: &str) -> bool {
    name == SPREAD || name == "body" || name.starts_with("body.")
}

impl Checker<'_> {
    /// The body that a call sends, if it sends one: `body: ...`, or its members one by one.
    pub(super) fn body_of(
        &mut self,
        method: &str,
        body: Option<&Body>,
        call: &definition::Call,
        into: Into<'_>,
        sent: &mut Sent,
    ) -> Option<Json> {
        let arguments = call.request.iter().map(|(name, argument)| (name, Source::Argument(argument)));
        let keys = into.map(|(name, key)| (name, Source::Keys(key)));
        let given: Vec<Given<'_>> =
            arguments.chain(keys).filter_map(|(name, source)| Some((inner(name)?, source))).collect();
        let Some(body) = body else {
            if let Some((name, _)) = given.first() {
                self.problem(
                    ErrorCode::Conflict,
                    &name.place,
                    "this operation takes no body",
                    "send parameters: `query.name: ...`",
                );
            }
            return None;
        };
        // A name that is no parameter's may be a misspelt part of the body: one problem is enough.
        let is_parameter = |name: &str| ["path.", "query.", "header."].iter().any(|at| name.starts_with(at));
        if given.is_empty() && (!body.required || call.request.iter().any(|(name, _)| !is_parameter(&name.value))) {
            return None;
        }
        let place = given.first().map_or(&call.operation.place, |(name, _)| &name.place);
        if let Kind::Opaque(reason) = body.ty.kind {
            self.problem(
                ErrorCode::Unsupported,
                place,
                format!("this operation takes {reason}"),
                "call another operation",
            );
            return None;
        }
        if matches!(method, "GET" | "HEAD") {
            let help = "call an operation with another method";
            self.problem(
                ErrorCode::Conflict,
                place,
                format!("a {method} request has no body, whatever its contract says"),
                help,
            );
            return None;
        }
        let target = Target { name: "body", ty: &body.ty, required: true };
        match (given.is_empty(), &body.ty.kind) {
            (true, Kind::Record(id)) => self.json_object(*id, &[], "body.", place, sent),
            (true, _) => {
                self.problem(
                    ErrorCode::Required,
                    place,
                    "`body` is required by the contract",
                    "add `body: ...` to `request`",
                );
                None
            }
            (false, _) => self.json_group(&target, &given, sent),
        }
    }

    /// One value: given as a whole, or member by member.
    fn json_group(&mut self, to: &Target<'_>, group: &[Given<'_>], sent: &mut Sent) -> Option<Json> {
        let (name, source) = group.first()?;
        match (group.iter().position(|(rest, _)| rest.value.is_empty()), &to.ty.kind) {
            (Some(_), _) if group.len() == 1 => match source {
                Source::Argument(argument) => self.json_argument(to, argument, &name.place, sent),
                Source::Keys(key) => {
                    self.key_fits(key, to.ty, &name.place);
                    Some(Json::Keys)
                }
            },
            (Some(_), _) => {
                self.given_twice(to.name, &group[1].0.place);
                None
            }
            (None, Kind::Record(id)) => self.json_object(*id, group, &format!("{}.", to.name), &name.place, sent),
            (None, _) => {
                self.problem(
                    ErrorCode::WrongType,
                    &name.place,
                    format!("`{}` is not an object", to.name),
                    "give it as a whole",
                );
                None
            }
        }
    }

    /// An object, with all that its schema requires. `prefix` is what its members are written behind.
    fn json_object(
        &mut self,
        id: RecordId,
        given: &[Given<'_>],
        prefix: &str,
        place: &Place,
        sent: &mut Sent,
    ) -> Option<Json> {
        let before = self.problems.len();
        let record = self.contracts.record(id);
        let (groups, mut known) = self.groups(record, given);
        let mut taken: Vec<usize> = groups.iter().map(|(i, _)| *i).collect();
        let mut members = Vec::new();
        for (i, group) in &groups {
            let field = &record.fields[*i];
            let name = format!("{prefix}{}", field.name);
            let target = Target { name: &name, ty: &field.ty, required: field.required };
            members.push((*i, self.json_group(&target, group, sent)));
        }
        if let Some((name, Source::Argument(argument))) = given.iter().find(|(n, _)| n.value == SPREAD) {
            match self.spread(id, argument, &name.place, (&taken, &in_part(&groups)), sent) {
                Some(spread) => {
                    for (i, value) in spread {
                        taken.push(i);
                        members.push((i, self.json(value, &name.place, 0)));
                    }
                }
                None => known = false,
            }
        }
        // What is not known may be a required member, misspelt: one problem is enough.
        for (i, field) in record.fields.iter().enumerate() {
            if known && field.required && !taken.contains(&i) {
                let message = format!("`{}` is required by `{}`", field.name, record.name);
                self.problem(ErrorCode::Required, place, message, format!("add `{prefix}{}: ...`", field.name));
            }
        }
        members.sort_by_key(|(i, _)| *i);
        let member = |(i, value): (usize, Option<Json>)| {
            let field = &record.fields[i];
            Some(JsonMember { key: key(&field.name), optional: !field.required, value: value? })
        };
        let members = members.into_iter().map(member).collect::<Option<_>>();
        members.filter(|_| self.problems.len() == before).map(Json::Object)
    }

    fn json_argument(&mut self, to: &Target<'_>, argument: &Argument, place: &Place, sent: &mut Sent) -> Option<Json> {
        match (argument, &to.ty.kind) {
            (Argument::Expr(text), _) => {
                let value = self.typed(text)?;
                let value = self.assign_json(value, to, &text.place)?;
                self.add(sent, &value);
                self.json(value, place, 0)
            }
            (Argument::Object(arguments, place), Kind::Record(id)) => {
                let given: Vec<Given<'_>> =
                    arguments.iter().map(|(name, a)| (name.clone(), Source::Argument(a))).collect();
                self.json_object(*id, &given, "", place, sent)
            }
            (Argument::Object(arguments, place), Kind::Union(union)) => self.json_case(union, arguments, place, sent),
            (Argument::Object(arguments, _), Kind::Json | Kind::Map(_)) => {
                let ty = if let Kind::Map(map) = &to.ty.kind { &map.value } else { to.ty };
                let members = arguments.iter().map(|(name, argument)| {
                    let target = Target { name: &name.value, ty, required: true };
                    let value = self.json_argument(&target, argument, &name.place, sent)?;
                    Some(JsonMember { key: key(&name.value), optional: false, value })
                });
                members.collect::<Option<_>>().map(Json::Object)
            }
            (Argument::List(items, place), Kind::List(_) | Kind::Json) => {
                let item = if let Kind::List(item) = &to.ty.kind { item } else { to.ty };
                let target = Target { ty: item, required: true, ..*to };
                let items = items.iter().map(|item| self.json_argument(&target, item, place, sent));
                items.collect::<Option<_>>().map(Json::List)
            }
            (Argument::Object(_, place), _) => {
                self.problem(
                    ErrorCode::WrongType,
                    place,
                    format!("`{}` is not an object", to.name),
                    "write an expression",
                );
                None
            }
            (Argument::List(_, place), _) => {
                self.problem(
                    ErrorCode::WrongType,
                    place,
                    format!("`{}` is not a list", to.name),
                    "write one expression",
                );
                None
            }
        }
    }

    /// An object of a union, whose case a literal names.
    fn json_case(
        &mut self,
        union: &Union,
        arguments: &[(Spanned<String>, Argument)],
        place: &Place,
        sent: &mut Sent,
    ) -> Option<Json> {
        let tag = union.tag.as_deref()?;
        let named = arguments.iter().find_map(|(name, argument)| match argument {
            Argument::Expr(text) if name.value == tag => Some(text),
            _ => None,
        });
        let literal = named.and_then(|text| match &text.expr.kind {
            Ast::Text(name) => Some((name, &text.place)),
            _ => None,
        });
        let cases = union.cases.iter().map(|(name, _)| name.as_str());
        let Some((name, at)) = literal else {
            let place = named.map_or(place, |text| &text.place);
            let message = format!("`{}` is one of several objects: `{tag}` must say which", union.name);
            let names: Vec<String> = cases.map(|name| format!("`'\"{name}\"'`")).collect();
            self.problem(ErrorCode::Required, place, message, format!("`{tag}: ` and one of {}", names.join(", ")));
            return None;
        };
        let Some((_, case)) = union.cases.iter().find(|(case, _)| case == name) else {
            let message = format!("`{}` has no case `{name}`", union.name);
            self.problems.push(Problem::new(ErrorCode::UnknownValue, at, message).suggest(name, cases));
            return None;
        };
        let Kind::Record(id) = self.contracts.record(union.within).fields[*case].ty.kind else { return None };
        let given: Vec<Given<'_>> = arguments.iter().map(|(name, a)| (name.clone(), Source::Argument(a))).collect();
        self.json_object(id, &given, "", place, sent)
    }

    /// The value as one of the wanted type; anything that is written in one piece may stand where all JSON may.
    fn assign_json(&mut self, value: Typed, to: &Target<'_>, place: &Place) -> Option<Typed> {
        let required = to.required && !to.ty.nullable;
        if to.ty.kind == Kind::Json && value.projection.is_none() {
            let same = value.ty.clone();
            return self.assign(value, &same, required, place);
        }
        self.assign(value, to.ty, required, place)
    }
}

/// The name behind `body.`; nothing of what is no part of a body.
fn inner(name: &Spanned<String>) -> Option<Spanned<String>> {
    if name.value == SPREAD {
        return Some(name.clone());
    }
    let rest = name.value.strip_prefix("body")?;
    match rest.strip_prefix('.') {
        Some(rest) => Some(rest_of(name, rest)),
        None => rest.is_empty().then(|| rest_of(name, "")),
    }
}

/// `"name":`
fn key(name: &str) -> String {
    let mut key = Vec::new();
    crate::write::string(&mut key, name);
    key.push(b':');
    String::from_utf8_lossy(&key).into_owned()
}
