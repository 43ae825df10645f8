//! Notes where every written value comes from, and why it may be null.

use super::{Checker, Typed};
use crate::expr::{AuthField, Code, Gives, Number};
use crate::plan::{Absence, CallSet, Format, Origin, ProjectionId, Provenance};
use crate::problem::Place;
use crate::schema::{Kind, Type};

/// Origins, and reasons for null, that are kept of one value.
const MAX_TOLD: usize = 100;

/// A part of a reply or of the request, still with its type.
#[derive(Clone)]
struct Part {
    path: String,
    ty: Type,
    projection: Option<ProjectionId>,
}

/// What a name is bound to.
#[derive(Default)]
pub(super) struct Bound {
    part: Option<Part>,
    lent: Option<Lent>,
}

/// What is known of a fragment's argument where it is given.
struct Lent {
    origins: Vec<Origin>,
    absences: Vec<Absence>,
}

impl Checker<'_> {
    pub(super) fn bound_to(&self, code: &Code) -> Bound {
        Bound { part: self.part(code), lent: None }
    }

    /// A fragment's argument: what is written of its parameter comes from where the argument does.
    pub(super) fn lent(&self, argument: &Typed) -> Bound {
        let (mut origins, mut absences) = (Vec::new(), Vec::new());
        self.origins(&argument.code, &mut origins);
        if argument.ty.nullable {
            self.absences(&argument.code, &mut absences);
        }
        Bound { part: self.part(&argument.code), lent: Some(Lent { origins, absences }) }
    }

    fn lent_local(&self, local: usize) -> Option<&Lent> {
        self.bound.get(local)?.lent.as_ref()
    }

    /// Notes what is written at this place of the answer, and what is missing there without the calls it reads.
    pub(super) fn trace(&mut self, value: &Typed, place: &Place) {
        self.note(value.reads);
        let mut origins = Vec::new();
        self.origins(&value.code, &mut origins);
        let mut absences = Vec::new();
        if value.ty.nullable {
            self.absences(&value.code, &mut absences);
        }
        self.values.push(Provenance {
            pointer: self.pointer.iter().map(|step| format!("/{step}")).collect(),
            place: place.clone(),
            ty: self.contracts.describe(&value.ty),
            written: written(&Format::of(&value.ty.kind, value.int64.unwrap_or(self.int64)), &value.ty.kind),
            calls: value.reads,
            origins,
            absences,
            nullable: value.ty.nullable,
        });
    }

    pub(super) fn origins(&self, code: &Code, found: &mut Vec<Origin>) {
        let mut add = |origin| {
            if found.len() < MAX_TOLD && !found.contains(&origin) {
                found.push(origin);
            }
        };
        match (self.part(code), code) {
            (Some(part), _) => add(Origin { ty: self.contracts.describe(&part.ty), path: part.path }),
            (None, Code::Local(local)) => {
                self.lent_local(*local).iter().flat_map(|lent| &lent.origins).cloned().for_each(add);
            }
            (None, _) => code.inner().into_iter().for_each(|inner| self.origins(inner, found)),
        }
    }

    /// What the expression names; none of one that computes something.
    fn part(&self, code: &Code) -> Option<Part> {
        self.part_within(code, &[])
    }

    /// The same where each of these lists binds a local to its items.
    fn part_within(&self, code: &Code, lists: &[(Code, usize)]) -> Option<Part> {
        let plain = |path: String, ty: Type| Some(Part { path, ty, projection: None });
        let text = |nullable| Type { kind: Kind::String, nullable };
        match code {
            Code::Reply(call) => {
                let value = &self.replies[*call].as_ref()?.value;
                let path = self.view.calls[*call].name.value.clone();
                Some(Part { path, ty: value.ty.clone(), projection: value.projection })
            }
            Code::Found { call, key } => {
                let value = &self.replies[*call].as_ref()?.value;
                let name = &self.view.calls[*call].name.value;
                let path = format!("{name}[{}]", self.part_within(key, lists).map_or("...".to_owned(), |key| key.path));
                Some(Part { path, ty: Type::optional(value.ty.kind.clone()), projection: value.projection })
            }
            Code::Results(call) => self.results(*call),
            Code::Slot { of, slot } => self.field_of(self.part_within(of, lists)?, *slot),
            Code::Local(local) => match lists.iter().find(|(_, bound)| bound == local) {
                Some((list, _)) => {
                    let list = self.part_within(list, lists)?;
                    let Kind::List(item) = list.ty.kind else { return None };
                    Some(Part { path: list.path + "[]", ty: *item, projection: list.projection })
                }
                None => self.local(*local),
            },
            Code::Each { lists, item } => {
                let item = self.part_within(item, lists)?;
                Some(Part { ty: Type::required(Kind::List(Box::new(item.ty))), ..item })
            }
            Code::Header { call, header } => {
                let name = self.headers[*call].get(*header)?;
                plain(format!("header({}, {name:?})", self.view.calls[*call].name.value), text(true))
            }
            Code::Param(param) => {
                plain(format!("$params.{}", self.view.params[*param].name.value), self.params[*param].clone()?)
            }
            Code::Auth(field) => plain(format!("$auth.{}", auth_name(*field)), text(false)),
            Code::Now => plain("$now".to_owned(), Type::required(Kind::Timestamp)),
            Code::Body => {
                let body = self.body.as_ref()?;
                Some(Part { path: "$body".to_owned(), ty: body.ty.clone(), projection: body.projection })
            }
            Code::MoneyPart { of, .. }
            | Code::EnumName { of, .. }
            | Code::Seconds(of)
            | Code::Narrowed(of)
            | Code::Single(of)
            | Code::Decimal(of)
            | Code::Blame { of, .. } => self.part_within(of, lists),
            Code::Function { function, arguments } if matches!(function.name, "first" | "last") => {
                let list = self.part_within(arguments.first()?, lists)?;
                let Kind::List(item) = list.ty.kind else { return None };
                let ty = Type { nullable: true, ..*item };
                Some(Part { path: format!("{}({})", function.name, list.path), ty, projection: list.projection })
            }
            Code::Item { of, .. } => {
                let list = self.part_within(of, lists)?;
                let Kind::List(item) = list.ty.kind else { return None };
                let ty = Type { nullable: true, ..*item };
                Some(Part { path: list.path + "[...]", ty, projection: list.projection })
            }
            _ => None,
        }
    }

    /// The field of a record that a slot holds.
    fn field_of(&self, of: Part, slot: u16) -> Option<Part> {
        let projection = &self.projections[of.projection?.0];
        let (field, inner) = projection.fields.get(usize::from(slot))?;
        let field = &self.contracts.record(projection.record).fields[*field];
        let path = format!("{}.{}", of.path, field.name);
        Some(Part { path, ty: field.ty.clone(), projection: *inner })
    }

    /// All that a call with `each` found.
    fn results(&self, call: usize) -> Option<Part> {
        let value = &self.replies[call].as_ref()?.value;
        let kind = Kind::List(Box::new(Type::required(value.ty.kind.clone())));
        let path = self.view.calls[call].name.value.clone();
        Some(Part { path, ty: Type::required(kind), projection: value.projection })
    }

    fn local(&self, local: usize) -> Option<Part> {
        let (name, value) = self.scope.get(local)?;
        let bound = self.bound.get(local);
        if bound.is_some_and(|bound| bound.lent.is_some()) {
            return bound?.part.clone();
        }
        let Some(of) = bound.and_then(|bound| bound.part.as_ref()) else {
            return Some(Part { path: name.clone(), ty: value.ty.clone(), projection: value.projection });
        };
        let many = if of.ty.kind == value.ty.kind { "" } else { "[]" };
        Some(Part { path: format!("{}{many}", of.path), ty: value.ty.clone(), projection: value.projection })
    }

    fn absences(&self, code: &Code, found: &mut Vec<Absence>) {
        let path = |code: &Code| self.part(code).map_or_else(|| "it".to_owned(), |part| part.path);
        let mut add = |absence| {
            if found.len() < MAX_TOLD && !found.contains(&absence) {
                found.push(absence);
            }
        };
        match code {
            Code::Null => add(Absence::Null),
            Code::Reply(call) | Code::Results(call) if self.optional_reply(*call) => add(Absence::Call(*call)),
            Code::Reply(_) | Code::Results(_) | Code::Not(_) | Code::Compare(..) | Code::And(..) | Code::Or(..) => {}
            Code::Header { .. } => add(Absence::Header(path(code))),
            Code::Local(local) if let Some(lent) = self.lent_local(*local) => {
                lent.absences.iter().cloned().for_each(add);
            }
            Code::Local(_) | Code::Param(_) | Code::Auth(_) => {
                let nullable = self.part(code).is_some_and(|part| part.ty.nullable);
                if nullable {
                    add(Absence::Field(path(code)));
                }
            }
            Code::Found { call, key } => {
                add(Absence::Key(*call));
                if self.optional_reply(*call) {
                    add(Absence::Call(*call));
                }
                self.absences(key, found);
            }
            Code::Slot { of, .. } => {
                if self.part(code).is_some_and(|part| part.ty.nullable) {
                    add(Absence::Field(path(code)));
                }
                self.absences(of, found);
            }
            Code::Entry { of, .. } => {
                add(Absence::Entry(path(of)));
                self.absences(of, found);
            }
            Code::Item { of, .. } => {
                add(Absence::Item(path(of)));
                self.absences(of, found);
            }
            Code::Function { function, arguments } if function.gives == Gives::Item => {
                arguments.iter().for_each(|list| add(Absence::Empty(path(list))));
                arguments.iter().for_each(|list| self.absences(list, found));
            }
            Code::Sum { number: Number::Money, list } => {
                add(Absence::Empty(path(list)));
                self.absences(list, found);
            }
            Code::Coalesce(_, last) => self.absences(last, found),
            Code::If(_, a, b) => {
                self.absences(a, found);
                self.absences(b, found);
            }
            _ => code.inner().into_iter().for_each(|inner| self.absences(inner, found)),
        }
    }

    pub(super) fn optional_reply(&self, call: usize) -> bool {
        CallSet::one(call).within(self.lacking) || self.view.calls[call].when.is_some()
    }
}

fn auth_name(field: AuthField) -> &'static str {
    match field {
        AuthField::Authenticated => "authenticated",
        AuthField::Sub => "sub",
        AuthField::Role => "role",
        AuthField::Email => "email",
        AuthField::Kind => "kind",
        AuthField::Scopes => "scopes",
    }
}

fn written(format: &Format, kind: &Kind) -> Option<&'static str> {
    match (format, kind) {
        (Format::Int64, _) => Some("a text of digits: JavaScript's numbers end at 2^53"),
        (Format::Enum(_), _) => Some("the name of the value, without the prefix that all names have"),
        (Format::Timestamp, _) => Some("a text as RFC 3339 has it, in UTC"),
        (Format::Duration, _) => Some("a text like \"1.5s\""),
        (Format::Money, _) => Some("an object: {\"amount\": \"12.50\", \"currency\": \"USD\"}"),
        (Format::Map(_), _) => Some("an object, a member for each key"),
        (_, Kind::Bytes) => Some("a text in base64"),
        (_, Kind::Decimal) => Some("a text, exact"),
        (_, Kind::Date) => Some("a text like \"2026-01-31\""),
        (_, Kind::Json) => Some("as it is"),
        (Format::List(item), Kind::List(of)) => written(item, &of.kind),
        _ => None,
    }
}
