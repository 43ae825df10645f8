//! Parameters and the body.

use super::{Checker, Typed};
use crate::definition::{self, ParamLocation};
use crate::expr::{Code, Value};
use crate::plan::{Param, ProjectionId};
use crate::problem::{ErrorCode, Problem};
use crate::schema::{Direction, Kind, RecordId, Type};

const TYPES: [(&str, Kind); 11] = [
    ("bool", Kind::Bool),
    ("int32", Kind::Int32),
    ("int64", Kind::Int64),
    ("uint32", Kind::Uint32),
    ("uint64", Kind::Uint64),
    ("float", Kind::Float),
    ("double", Kind::Double),
    ("string", Kind::String),
    ("timestamp", Kind::Timestamp),
    ("date", Kind::Date),
    ("decimal", Kind::Decimal),
];

/// Items of a list parameter at the most.
const MAX_ITEMS: i64 = 1_000;

/// Records within records deeper than this cannot be a body.
const MAX_DEPTH: usize = 16;
/// Records within one body, each counted where it stands: a few that hold each other twice make very many.
const MAX_RECORDS: usize = 1_000;

impl Checker<'_> {
    pub(super) fn params(&mut self) -> Vec<Param> {
        let view = self.view;
        let in_path: Vec<&str> =
            view.route.path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')).collect();
        for name in &in_path {
            if !view.params.iter().any(|p| p.location == ParamLocation::Path && p.name.value == **name) {
                let help = format!("add `{name}: {{ in: path, type: string }}` to `params`");
                self.problem(
                    ErrorCode::UnknownName,
                    &view.route.place,
                    format!("the path's parameter `{name}` is not declared"),
                    help,
                );
            }
        }
        view.params
            .iter()
            .map(|param| {
                if param.location == ParamLocation::Path && !in_path.contains(&param.name.value.as_str()) {
                    let message = format!("the path {} has no `{{{}}}`", view.route.path, param.name.value);
                    self.problem(
                        ErrorCode::Route,
                        &param.name.place,
                        message,
                        "add it to the path, or write `in: query`",
                    );
                }
                self.param(param)
            })
            .collect()
    }

    fn param(&mut self, param: &definition::Param) -> Param {
        let before = self.problems.len();
        let kind = self.param_kind(param);
        let is_list = matches!(kind, Some(Kind::List(_)));
        let default = match (&kind, &param.default) {
            (Some(kind), Some(text)) => self.default(kind, text),
            _ => Code::Null,
        };
        let required = param.default.is_none() && !param.optional;
        self.params
            .push(kind.clone().map(|kind| Type { kind, nullable: !required && param.default.is_none() && !is_list }));
        if param.location == ParamLocation::Path && (param.optional || param.default.is_some()) {
            self.problem(
                ErrorCode::Unused,
                &param.name.place,
                "a parameter of the path is always given",
                "remove `default` and `optional`",
            );
        }
        let planned = Param {
            name: param.name.value.clone(),
            location: param.location,
            required,
            kind: kind.unwrap_or(Kind::String),
            default,
            min: param.min,
            max: param.max,
        };
        if self.problems.len() == before {
            self.bounds(param, &planned);
        }
        planned
    }

    fn default(&mut self, kind: &Kind, text: &definition::Spanned<String>) -> Code {
        if matches!(kind, Kind::List(_)) {
            let help = "write `optional: true`: what is not given is an empty list";
            self.problem(ErrorCode::Unused, &text.place, "a list has no default", help);
            return Code::Null;
        }
        let value = crate::inputs::of_text(kind, &text.value);
        match value.map(|value| constant(&value, &text.value)) {
            Ok(Some(code)) => code,
            Ok(None) => {
                self.problem(
                    ErrorCode::OutOfRange,
                    &text.place,
                    "a default is at most 9223372036854775807",
                    "write a smaller one",
                );
                Code::Null
            }
            Err(must) => {
                self.problem(
                    ErrorCode::WrongType,
                    &text.place,
                    format!("the default {must}"),
                    "write a value of the parameter's type",
                );
                Code::Null
            }
        }
    }

    /// `min` and `max` bound numbers and the lengths of texts, and the default too.
    fn bounds(&mut self, param: &definition::Param, planned: &Param) {
        let place = &param.name.place;
        let unbounded = [Kind::Bool, Kind::Timestamp, Kind::Date, Kind::Decimal].contains(&planned.kind)
            || matches!(planned.kind, Kind::Enum(_));
        if (param.min.is_some() || param.max.is_some()) && unbounded {
            let kind = self.contracts.describe(&Type::required(planned.kind.clone()));
            self.problem(ErrorCode::Unused, place, format!("`min` and `max` say nothing of a {kind}"), "remove them");
        } else if param.min.zip(param.max).is_some_and(|(min, max)| min > max) {
            self.problem(
                ErrorCode::OutOfRange,
                place,
                "`min` is greater than `max`, so that no value fits",
                "swap them",
            );
        } else if param.max.is_some_and(|max| max < 0) && never_negative(&planned.kind) {
            let help = "`max` is how long a text may be, or how great a number";
            self.problem(ErrorCode::OutOfRange, place, "`max` is below 0, so that no value fits", help);
        } else if let Some(default) = &param.default
            && let Err(mistake) = crate::inputs::value(planned, &default.value)
        {
            self.problem(
                ErrorCode::OutOfRange,
                &default.place,
                format!("the default {}", mistake.message),
                "change it, or the bounds",
            );
        }
    }

    fn param_kind(&mut self, param: &definition::Param) -> Option<Kind> {
        let written = &param.ty.value;
        if let Some(item) = written.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
            let place = param.ty.place.within(5, item.chars().count());
            let ty = definition::Spanned { value: item.to_owned(), place };
            let kind = self.item_kind(&ty)?;
            self.list_bounds(param)?;
            return Some(Kind::List(Box::new(Type::required(kind))));
        }
        self.item_kind(&param.ty)
    }

    /// A list is given in the query, and has an end.
    fn list_bounds(&mut self, param: &definition::Param) -> Option<()> {
        let place = &param.ty.place;
        if param.location != ParamLocation::Query {
            let help = "write `in: query`: `?id=1&id=2`";
            self.problem(ErrorCode::Conflict, place, "only the query can give a parameter several times", help);
            return None;
        }
        if !param.max.is_some_and(|max| (1..=MAX_ITEMS).contains(&max)) || param.min.is_some_and(|min| min < 0) {
            let message =
                format!("a list of parameters needs a `max` of 1 to {MAX_ITEMS}: how many there are at the most");
            self.problem(ErrorCode::Unbounded, place, message, "for example `max: 50`");
            return None;
        }
        Some(())
    }

    fn item_kind(&mut self, ty: &definition::Spanned<String>) -> Option<Kind> {
        let written = &ty.value;
        if let Some((_, kind)) = TYPES.iter().find(|(name, _)| name == written) {
            return Some(kind.clone());
        }
        if !written.contains('/') {
            let problem =
                Problem::new(ErrorCode::UnknownValue, &ty.place, format!("`{written}` is not a parameter's type"));
            self.problems.push(problem.suggest(written, TYPES.iter().map(|(name, _)| *name)));
            return None;
        }
        let kind = self.named_type(ty)?.kind;
        if !matches!(kind, Kind::Enum(_)) {
            let message = format!("`{written}` is not an enum");
            self.problem(ErrorCode::WrongType, &ty.place, message, "a parameter is a scalar or an enum");
            return None;
        }
        Some(kind)
    }

    /// The type that `source/package.Name` names.
    pub(super) fn named_type(&mut self, written: &definition::Spanned<String>) -> Option<Type> {
        let (source, name) = self.source(written)?;
        let types = &source.types;
        let found = types.get(name).cloned();
        if found.is_none() {
            let problem =
                Problem::new(ErrorCode::UnknownName, &written.place, format!("the contract has no type `{name}`"));
            self.problems.push(problem.suggest(name, types.keys().map(String::as_str)));
        }
        found
    }

    pub(super) fn body(&mut self) -> Option<ProjectionId> {
        let body = self.view.body.as_ref()?;
        if self.view.route.method == "GET" {
            self.problem(
                ErrorCode::Conflict,
                &body.like.place,
                "a GET request has no body",
                "use `params`, or another method",
            );
        }
        let Kind::Record(id) = self.named_type(&body.like)?.kind else {
            let message = format!("`{}` is not a message", body.like.value);
            self.problem(ErrorCode::WrongType, &body.like.place, message, "a body is like a message");
            return None;
        };
        let record = self.contracts.record(id);
        let names: Vec<&str> = record.fields.iter().map(|f| f.name.as_str()).collect();
        for name in body.omit.iter().chain(body.pick.iter().flatten()).chain(&body.required) {
            if !names.contains(&name.value.as_str()) {
                let problem = Problem::new(
                    ErrorCode::UnknownField,
                    &name.place,
                    format!("`{}` has no field `{}`", record.name, name.value),
                );
                self.problems.push(problem.suggest(&name.value, names.iter().copied()));
            }
        }
        let hides = |name: &str| {
            body.pick.as_ref().is_some_and(|pick| !pick.iter().any(|p| p.value == name))
                || body.omit.iter().any(|o| o.value == name)
        };
        for name in body.required.iter().filter(|name| names.contains(&name.value.as_str()) && hides(&name.value)) {
            let message = format!("`{}` is required, but the body does not have it", name.value);
            self.problem(ErrorCode::Required, &name.place, message, "`pick` it, or do not `omit` it");
        }
        self.hidden = names.iter().filter(|n| hides(n)).map(|n| (*n).to_owned()).collect();
        let projection = self.project(id);
        if !self.use_all(projection, &mut vec![id], true) {
            self.problem(
                ErrorCode::Cycle,
                &body.like.place,
                format!("`{}` contains itself, or nests too deep or too wide for a body", record.name),
                "pick fields that do not",
            );
            return None;
        }
        self.body_projections = projection.0..self.projections.len();
        let ty = Type::required(Kind::Record(id));
        self.body = Some(Typed { projection: Some(projection), from_client: true, ..Typed::new(ty, Code::Body) });
        Some(projection)
    }

    /// Uses every field of the record and of the records within; false where that never ends.
    fn use_all(&mut self, projection: ProjectionId, within: &mut Vec<RecordId>, outermost: bool) -> bool {
        if within.len() > MAX_DEPTH || self.projections.len() > MAX_RECORDS {
            return false;
        }
        let record = self.contracts.record(self.projections[projection.0].record);
        for (i, field) in record.fields.iter().enumerate() {
            let readable = !matches!(field.ty.kind, Kind::Opaque(_)) && field.direction != Direction::Answered;
            if !readable || (outermost && self.hidden.contains(&field.name)) {
                continue;
            }
            let (_, inner) = self.use_field(projection, i);
            let Some(inner) = inner else { continue };
            let id = self.projections[inner.0].record;
            if within.contains(&id) {
                return false;
            }
            within.push(id);
            let ends = self.use_all(inner, within, false);
            within.pop();
            if !ends {
                return false;
            }
        }
        true
    }
}

/// None of what no literal can be; times and decimals stay texts.
pub(super) fn constant(value: &Value<'_>, text: &str) -> Option<Code> {
    match value {
        Value::Bool(b) => Some(Code::Bool(*b)),
        Value::Int(i) => Some(Code::Int(*i)),
        Value::Uint(u) => i64::try_from(*u).ok().map(Code::Int),
        Value::Float(f) => Some(Code::Float(*f)),
        Value::Text(_) | Value::Time { .. } | Value::Date { .. } | Value::Decimal(_) => Some(Code::Text(text.into())),
        _ => None,
    }
}

/// Of texts the length is bounded.
fn never_negative(kind: &Kind) -> bool {
    matches!(kind, Kind::String | Kind::Uint32 | Kind::Uint64)
}
