//! Parameters and the body.

use super::{Checker, Typed};
use crate::definition::{self, ParamLocation};
use crate::expr::Code;
use crate::plan::{Param, ProjectionId};
use crate::problem::Problem;
use crate::schema::{Kind, RecordId, Type};

const SCALARS: [(&str, Kind); 8] = [
    ("bool", Kind::Bool),
    ("int32", Kind::Int32),
    ("int64", Kind::Int64),
    ("uint32", Kind::Uint32),
    ("uint64", Kind::Uint64),
    ("float", Kind::Float),
    ("double", Kind::Double),
    ("string", Kind::String),
];

/// Records within records deeper than this cannot be a body.
const MAX_DEPTH: usize = 16;

impl Checker<'_> {
    pub(super) fn params(&mut self) -> Vec<Param> {
        let view = self.view;
        let in_path: Vec<&str> =
            view.route.path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')).collect();
        for name in &in_path {
            if !view.params.iter().any(|p| p.location == ParamLocation::Path && p.name.value == **name) {
                let help = format!("add `{name}: {{ in: path, type: string }}` to `params`");
                self.problem(&view.route.place, format!("the path's parameter `{name}` is not declared"), help);
            }
        }
        let params: Vec<Param> = view
            .params
            .iter()
            .map(|param| {
                if param.location == ParamLocation::Path && !in_path.contains(&param.name.value.as_str()) {
                    let message = format!("the path {} has no `{{{}}}`", view.route.path, param.name.value);
                    self.problem(&param.name.place, message, "add it to the path, or write `in: query`");
                }
                self.param(param)
            })
            .collect();
        self.params = params
            .iter()
            .map(|p| Type { kind: p.kind.clone(), nullable: !p.required && p.default == Code::Null })
            .collect();
        params
    }

    fn param(&mut self, param: &definition::Param) -> Param {
        let kind = self.param_kind(param);
        let default = match &param.default {
            None => Code::Null,
            Some(text) => match crate::inputs::parse_kind(&kind, &text.value) {
                Ok(value) => constant(&value),
                Err(must) => {
                    self.problem(&text.place, format!("the default {must}"), "write a value of the parameter's type");
                    Code::Null
                }
            },
        };
        if param.location == ParamLocation::Path && (param.optional || param.default.is_some()) {
            self.problem(
                &param.name.place,
                "a parameter of the path is always given",
                "remove `default` and `optional`",
            );
        }
        Param {
            name: param.name.value.clone(),
            location: param.location,
            required: param.default.is_none() && !param.optional,
            kind,
            default,
            min: param.min,
            max: param.max,
        }
    }

    fn param_kind(&mut self, param: &definition::Param) -> Kind {
        let written = &param.ty.value;
        if let Some((_, kind)) = SCALARS.iter().find(|(name, _)| name == written) {
            return kind.clone();
        }
        if written.contains('/') {
            return match self.named_type(&param.ty) {
                Some(Type { kind: kind @ Kind::Enum(_), .. }) => kind,
                Some(_) => {
                    self.problem(
                        &param.ty.place,
                        format!("`{written}` is not an enum"),
                        "a parameter is a scalar or an enum",
                    );
                    Kind::String
                }
                None => Kind::String,
            };
        }
        let problem = Problem::new(&param.ty.place, format!("`{written}` is not a parameter's type"));
        self.problems.push(problem.suggest(written, SCALARS.iter().map(|(name, _)| *name)));
        Kind::String
    }

    /// The type that `source/package.Name` names.
    pub(super) fn named_type(&mut self, written: &definition::Spanned<String>) -> Option<Type> {
        let (source, name) = self.source(written)?;
        let types = &source.types;
        let found = types.get(name).cloned();
        if found.is_none() {
            let problem = Problem::new(&written.place, format!("the contract has no type `{name}`"));
            self.problems.push(problem.suggest(name, types.keys().map(String::as_str)));
        }
        found
    }

    pub(super) fn body(&mut self) -> Option<ProjectionId> {
        let body = self.view.body.as_ref()?;
        if self.view.route.method == "GET" {
            self.problem(&body.like.place, "a GET request has no body", "use `params`, or another method");
        }
        let Type { kind: Kind::Record(id), .. } = self.named_type(&body.like)? else {
            self.problem(
                &body.like.place,
                format!("`{}` is not a message", body.like.value),
                "a body is like a message",
            );
            return None;
        };
        let record = self.contracts.record(id);
        let names: Vec<&str> = record.fields.iter().map(|f| f.name.as_str()).collect();
        for name in body.omit.iter().chain(body.pick.iter().flatten()).chain(&body.required) {
            if !names.contains(&name.value.as_str()) {
                let problem = Problem::new(&name.place, format!("`{}` has no field `{}`", record.name, name.value));
                self.problems.push(problem.suggest(&name.value, names.iter().copied()));
            }
        }
        let picked = |name: &str| body.pick.as_ref().is_none_or(|pick| pick.iter().any(|p| p.value == name));
        let omitted = |name: &str| body.omit.iter().any(|o| o.value == name);
        self.hidden = names.iter().filter(|n| !picked(n) || omitted(n)).map(|n| (*n).to_owned()).collect();
        let projection = self.project(id);
        if !self.use_all(projection, &mut vec![id], true) {
            self.problem(
                &body.like.place,
                format!("`{}` contains itself, or nests too deep for a body", record.name),
                "pick fields that do not",
            );
            return None;
        }
        let ty = Type::required(Kind::Record(id));
        self.body = Some(Typed { projection: Some(projection), from_client: true, ..Typed::new(ty, Code::Body) });
        Some(projection)
    }

    /// Uses every field of the record and of the records within; false where that never ends.
    fn use_all(&mut self, projection: ProjectionId, within: &mut Vec<RecordId>, outermost: bool) -> bool {
        if within.len() > MAX_DEPTH {
            return false;
        }
        let record = self.contracts.record(self.projections[projection.0].record);
        for (i, field) in record.fields.iter().enumerate() {
            let readable = !matches!(field.ty.kind, Kind::Opaque(_));
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

fn constant(value: &crate::expr::Value<'_>) -> Code {
    use crate::expr::Value;
    match value {
        Value::Bool(b) => Code::Bool(*b),
        Value::Int(i) => Code::Int(*i),
        Value::Uint(u) => i64::try_from(*u).map_or(Code::Null, Code::Int),
        Value::Float(f) => Code::Float(*f),
        Value::Text(t) => Code::Text(t.as_ref().into()),
        _ => Code::Null,
    }
}
