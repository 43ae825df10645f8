//! What the client is asked for: parameters, or a body like the message that is sent.

use super::Target;
use crate::expr::is_name;
use crate::plan::camel_case;
use crate::schema::{Body, Contracts, Field, Kind, Limits, Location, Parameter, Protocol, RecordId, Type};

/// Records within records that parameters are asked for.
const MAX_DEPTH: usize = 4;

/// Everything that the view asks its client for.
pub(super) struct Asked<'a> {
    contracts: &'a Contracts,
    pub method: &'static str,
    /// Name, declaration, and whether it stands in the path.
    params: Vec<(String, String, bool)>,
    body: Option<String>,
}

/// A field or parameter that wants a value.
struct Wanted<'w> {
    /// As the request names it: `path.id`.
    key: &'w str,
    name: &'w str,
    ty: &'w Type,
    required: bool,
    in_path: bool,
    limits: Limits,
}

impl<'w> Wanted<'w> {
    fn of_field(field: &'w Field, key: &'w str, in_path: bool) -> Wanted<'w> {
        let limits = Limits::default();
        Wanted { key, name: &field.name, ty: &field.ty, required: field.required, in_path, limits }
    }
}

impl<'a> Asked<'a> {
    pub(super) fn new(contracts: &'a Contracts, method: &'static str) -> Asked<'a> {
        Asked { contracts, method, params: Vec::new(), body: None }
    }

    /// With the parameters of the path behind the view's name.
    pub(super) fn path(&self, view: &str) -> String {
        let within = self.params.iter().filter(|(_, _, in_path)| *in_path).map(|(name, ..)| format!("/{{{name}}}"));
        format!("/v1/{view}{}", within.collect::<String>())
    }

    pub(super) fn text(&self) -> String {
        let params = self.params.iter().map(|(name, declaration, _)| format!("  {name}: {{ {declaration} }}\n"));
        let params: String = params.collect();
        let head = if params.is_empty() { "" } else { "params:\n" };
        format!("{head}{params}{}", self.body.as_deref().unwrap_or_default())
    }

    /// The lines of one call's request.
    pub(super) fn request(&mut self, target: &Target<'_>) -> Result<Vec<String>, String> {
        match &target.operation.protocol {
            Protocol::Grpc { input, .. } => self.message(target, *input),
            Protocol::Http { parameters, body, .. } => self.http(target, parameters, body.as_ref()),
        }
    }

    fn http(
        &mut self,
        target: &Target<'_>,
        parameters: &[Parameter],
        body: Option<&Body>,
    ) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for parameter in parameters.iter().filter(|p| p.required || p.location == Location::Query) {
            let at = match parameter.location {
                Location::Path => "path",
                Location::Query => "query",
                Location::Header => "header",
            };
            let wanted = Wanted {
                key: &format!("{at}.{}", parameter.name),
                name: &parameter.name,
                ty: &parameter.ty,
                required: parameter.required,
                in_path: parameter.location == Location::Path,
                limits: parameter.limits,
            };
            lines.extend(self.value(target, &wanted)?);
        }
        let Some(body) = body.filter(|body| body.required && self.method != "GET") else { return Ok(lines) };
        let Kind::Record(id) = body.ty.kind else {
            return Err(format!("`{}` takes a body that is no object: write it by hand", target.operation.name));
        };
        match self.like(target, id) {
            Some(like) => {
                self.body = Some(format!("body: {{ like: {like} }}\n"));
                lines.insert(0, "...: $body".to_owned());
            }
            None => lines.extend(self.fields(target, id, "body.", true, 0)?),
        }
        Ok(lines)
    }

    /// What reads asks for parameters; what changes something takes a body, but for whose and which it is.
    fn message(&mut self, target: &Target<'_>, input: RecordId) -> Result<Vec<String>, String> {
        let like = self.like(target, input).filter(|_| !["GET", "DELETE"].contains(&self.method));
        let record = self.contracts.record(input);
        let apart = |name: &str| name == "user_id" || name == "id";
        let Some(like) = like.filter(|_| record.fields.iter().any(|field| !apart(&field.name))) else {
            return self.fields(target, input, "", false, 0);
        };
        let mut lines = vec!["...: $body".to_owned()];
        let mut omit = Vec::new();
        for field in &record.fields {
            if matches!(field.ty.kind, Kind::Opaque(_)) {
                omit.push(field.name.as_str());
            } else if apart(&field.name) && field.ty.kind == Kind::String {
                omit.push(field.name.as_str());
                let wanted = Wanted::of_field(field, &field.name, true);
                lines.extend(self.value(target, &Wanted { required: true, ..wanted })?);
            }
        }
        let omit = if omit.is_empty() { String::new() } else { format!(", omit: [{}]", omit.join(", ")) };
        self.body = Some(format!("body: {{ like: {like}{omit} }}\n"));
        Ok(lines)
    }

    /// One line for every field that a parameter can be.
    fn fields(
        &mut self,
        target: &Target<'_>,
        id: RecordId,
        before: &str,
        only: bool,
        depth: usize,
    ) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        let contracts = self.contracts;
        for field in contracts.record(id).fields.iter().filter(|field| field.required || !only) {
            let key = format!("{before}{}", field.name);
            match &field.ty.kind {
                Kind::Record(inner) if field.required && depth < MAX_DEPTH => {
                    lines.extend(self.fields(target, *inner, &format!("{key}."), true, depth + 1)?);
                }
                _ => {
                    let in_path = field.name == "id" && before.is_empty() && field.ty.kind == Kind::String;
                    lines.extend(self.value(target, &Wanted::of_field(field, &key, in_path))?);
                }
            }
        }
        Ok(lines)
    }

    /// The line of one value, if there is anything that it can be.
    fn value(&mut self, target: &Target<'_>, wanted: &Wanted<'_>) -> Result<Option<String>, String> {
        let key = wanted.key;
        if matches!(wanted.name, "user_id" | "userId") && wanted.ty.kind == Kind::String {
            return Ok(Some(format!("{key}: $auth.sub")));
        }
        let ty = type_name(target, &wanted.ty.kind).filter(|ty| !wanted.in_path || !ty.starts_with("list<"));
        if let Some(ty) = ty {
            let name = self.param(&camel_case(wanted.name), &declared(wanted, &ty), wanted.in_path);
            let value = if is_name(&name) { format!("$params.{name}") } else { format!("'$params[\"{name}\"]'") };
            return Ok(Some(format!("{key}: {value}")));
        }
        match &wanted.ty.kind {
            _ if !wanted.required => Ok(None),
            Kind::Enum(names) => Ok(names.values.first().map(|(_, name)| format!("{key}: '\"{name}\"'"))),
            _ => {
                let operation = &target.operation.name;
                Err(format!("`{operation}` requires `{key}`, which no parameter can be: write this view by hand"))
            }
        }
    }

    /// The parameter of this name: one that is declared already, or a new one.
    fn param(&mut self, name: &str, declaration: &str, in_path: bool) -> String {
        let mut number = 1;
        loop {
            let name = if number == 1 { name.to_owned() } else { format!("{name}{number}") };
            match self.params.iter().find(|(other, ..)| *other == name) {
                Some((_, other, _)) if other == declaration => return name,
                Some(_) => number += 1,
                None => {
                    self.params.push((name.clone(), declaration.to_owned(), in_path));
                    return name;
                }
            }
        }
    }

    /// What a body can be like: the record, by the name that its contract gives it.
    fn like(&self, target: &Target<'_>, id: RecordId) -> Option<String> {
        let named = target.source.types.iter().find(|(_, ty)| ty.kind == Kind::Record(id));
        let (name, _) = named.filter(|_| self.ends(id, &mut Vec::new()))?;
        Some(format!("{}/{name}", target.source_name))
    }

    /// The record does not contain itself.
    fn ends(&self, id: RecordId, within: &mut Vec<RecordId>) -> bool {
        if within.contains(&id) || within.len() > MAX_DEPTH {
            return false;
        }
        within.push(id);
        let inner = |kind: &Kind| match kind {
            Kind::Record(id) => Some(*id),
            Kind::Map(map) => Some(map.entry),
            _ => None,
        };
        let ends = self.contracts.record(id).fields.iter().all(|field| {
            let kind = if let Kind::List(item) = &field.ty.kind { &item.kind } else { &field.ty.kind };
            inner(kind).is_none_or(|id| self.ends(id, within))
        });
        within.pop();
        ends
    }
}

fn declared(wanted: &Wanted<'_>, ty: &str) -> String {
    let is_list = ty.starts_with("list<");
    let place = if wanted.in_path { "path" } else { "query" };
    let paged = ["page_size", "pageSize", "limit"].contains(&wanted.name) && ty.contains("int");
    let is_number = ["int32", "int64", "uint32", "uint64", "float", "double"].contains(&ty);
    // What the contract does not bound has a bound that suits most.
    let (least, most) = match ty {
        _ if paged => (Some(1), Some(100)),
        _ if is_list => (None, Some(100)),
        "string" if wanted.in_path => (None, Some(64)),
        "string" => (None, Some(1000)),
        _ => (None, None),
    };
    let given = Some(wanted.limits).filter(|_| is_number || is_list || ty == "string").unwrap_or_default();
    let within = |max: i64| if is_list { (1..=1000).contains(&max) } else { is_number || max > 0 };
    let max = given.max.filter(|max| within(*max)).or(most);
    let min = given.min.or(least).filter(|min| max.is_none_or(|max| *min <= max) && (is_number || *min > 0));
    let fits = |default: &i64| min.is_none_or(|min| min <= *default) && max.is_none_or(|max| *default <= max);
    let default = given.default.filter(|default| is_number && i32::try_from(*default).is_ok_and(|n| n >= 0));
    let default = default.filter(fits).or(paged.then(|| max.unwrap_or(20).min(20)).filter(fits));
    let default = default.filter(|_| !wanted.in_path);
    let number = |key: &str, n: Option<i64>| n.map(|n| format!(", {key}: {n}")).unwrap_or_default();
    let optional = !wanted.required && !wanted.in_path && default.is_none();
    let optional = if optional { ", optional: true" } else { "" };
    let (default, min, max) = (number("default", default), number("min", min), number("max", max));
    format!("in: {place}, type: {ty}{default}{min}{max}{optional}")
}

/// As a parameter declares it.
fn type_name(target: &Target<'_>, kind: &Kind) -> Option<String> {
    let name = match kind {
        Kind::Bool => "bool",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::Float => "float",
        Kind::Double => "double",
        Kind::String => "string",
        Kind::Timestamp => "timestamp",
        Kind::Date => "date",
        Kind::Decimal => "decimal",
        Kind::Enum(_) => {
            let (name, _) = target.source.types.iter().find(|(_, ty)| ty.kind == *kind)?;
            return Some(format!("{}/{name}", target.source_name));
        }
        Kind::List(item) if !matches!(item.kind, Kind::List(_)) && !item.nullable => {
            return Some(format!("list<{}>", type_name(target, &item.kind)?));
        }
        _ => return None,
    };
    Some(name.to_owned())
}
