//! Field masks: the paths that the view uses, sent with the request.

use super::Checker;
use super::request::encoder;
use crate::definition::{self, FieldMask, Spanned};
use crate::expr::Code;
use crate::plan::{Call, Encoder, FieldEncoder, FieldValue, Format, ProjectionId, Query, QueryValue, Request};
use crate::problem::{ErrorCode, Problem};
use crate::schema::{Field, Kind, Location, Operation, Parameter, Protocol, Record, RecordId, Type};

pub(super) const MASK: &str = "google.protobuf.FieldMask";

impl Checker<'_> {
    /// The request has a place for the paths, and the reply the part that they are of.
    pub(super) fn field_mask(&mut self, call: &definition::Call, operation: &Operation) {
        let Some(mask) = &call.field_mask else { return };
        let into = &mask.into;
        let part_of =
            |name: &str| name == into.value || name.strip_prefix(&into.value).is_some_and(|r| r.starts_with('.'));
        if let Some((name, _)) = call.request.iter().find(|(name, _)| part_of(&name.value)) {
            self.given_twice(&into.value, &name.place);
        }
        let takes = match &operation.protocol {
            Protocol::Grpc { input, .. } => {
                let record = self.contracts.record(*input);
                let field = record.fields.iter().find(|field| field.name == into.value);
                if field.is_none() {
                    self.unknown(into, &record.name, record.fields.iter().map(|field| field.name.as_str()));
                }
                field.map(|field| &field.ty)
            }
            Protocol::Http { parameters, .. } => {
                let found = parameter(parameters, &into.value);
                if found.is_none() {
                    let message = format!("the operation's query has no parameter `{}`", into.value);
                    let query = parameters.iter().filter(|parameter| parameter.location == Location::Query);
                    let names: Vec<String> = query.map(|parameter| format!("query.{}", parameter.name)).collect();
                    let problem = Problem::new(ErrorCode::UnknownName, &into.place, message);
                    self.problems.push(problem.suggest(&into.value, names.iter().map(String::as_str)));
                }
                found.map(|parameter| &parameter.ty)
            }
        };
        let Some(ty) = takes else { return };
        if !self.takes_paths(ty) {
            let has = self.contracts.describe(ty);
            let message = format!("paths go into a {MASK}, a text or a list of texts, not {has}");
            self.problem(ErrorCode::WrongType, &into.place, message, "name another field of the request");
        }
        self.masked_part(mask, &operation.response);
    }

    fn unknown<'n>(&mut self, name: &Spanned<String>, of: &str, known: impl IntoIterator<Item = &'n str>) {
        let message = format!("`{of}` has no field `{}`", name.value);
        let problem = Problem::new(ErrorCode::UnknownField, &name.place, message);
        self.problems.push(problem.suggest(&name.value, known));
    }

    fn takes_paths(&self, ty: &Type) -> bool {
        match &ty.kind {
            Kind::String => true,
            Kind::List(item) => item.kind == Kind::String,
            Kind::Record(id) => self.contracts.record(*id).name == MASK,
            _ => false,
        }
    }

    /// `of` leads to a record, or a list of them.
    fn masked_part(&mut self, mask: &FieldMask, response: &Type) {
        let mut part = record_of(response);
        for name in mask.of.iter().flat_map(|of| of.value.split('.').map(move |name| (name, &of.place))) {
            let Some(record) = part.map(|id| self.contracts.record(id)) else { break };
            let (name, place) = name;
            let Some(field) = record.fields.iter().find(|field| field.name == name) else {
                let name = Spanned { value: name.to_owned(), place: place.clone() };
                self.unknown(&name, &record.name, record.fields.iter().map(|field| field.name.as_str()));
                return;
            };
            part = record_of(&field.ty);
        }
        if part.is_none() {
            let place = mask.of.as_ref().map_or(&mask.into.place, |of| &of.place);
            let message = "a mask is of a record's fields, or of the records' in a list";
            self.problem(
                ErrorCode::WrongType,
                place,
                message,
                "for example `field_mask: { into: read_mask, of: orders }`",
            );
        }
    }

    /// The calls, each sending the paths that it is asked for. What is not read sends none.
    pub(super) fn masked(&self, calls: Vec<Call>) -> Vec<Call> {
        let calls = calls.into_iter().zip(&self.view.calls).enumerate();
        let masked = calls.map(|(i, (mut call, definition))| {
            let Some(mask) = &definition.field_mask else { return call };
            let paths = self.reply_projections[i].map(|whole| self.paths_of(whole, mask)).unwrap_or_default();
            let operation = self.contracts.sources.get(&call.source).and_then(|s| s.operations.get(&call.operation));
            if let Some(operation) = operation.filter(|_| !paths.is_empty() && call.layout.is_some()) {
                self.ask(&mut call.request, &operation.protocol, mask, &paths);
            }
            call
        });
        masked.collect()
    }

    fn paths_of(&self, whole: ProjectionId, mask: &FieldMask) -> Vec<String> {
        let mut part = whole;
        for name in mask.of.iter().flat_map(|of| of.value.split('.')) {
            let projection = &self.projections[part.0];
            let record = self.contracts.record(projection.record);
            let used = projection.fields.iter().find(|(field, _)| record.fields[*field].name == name);
            let Some((_, Some(inner))) = used else { return Vec::new() };
            part = *inner;
        }
        let mut paths = Vec::new();
        self.walk(part, "", &mut paths);
        paths
    }

    /// A path ends at a list: what lies within it no path can name.
    fn walk(&self, projection: ProjectionId, before: &str, paths: &mut Vec<String>) {
        let projection = &self.projections[projection.0];
        let record = self.contracts.record(projection.record);
        let mut fields = projection.fields.clone();
        fields.sort_by_key(|(field, _)| *field);
        for (field, inner) in fields {
            let Field { name, ty, .. } = &record.fields[field];
            match inner.filter(|_| matches!(ty.kind, Kind::Record(_))) {
                Some(inner) if !self.projections[inner.0].fields.is_empty() => {
                    self.walk(inner, &format!("{before}{name}."), paths);
                }
                _ => paths.push(format!("{before}{name}")),
            }
        }
    }

    fn ask(&self, request: &mut Request, protocol: &Protocol, mask: &FieldMask, paths: &[String]) {
        let text = |text: &str| Code::Text(text.into());
        match (request, protocol) {
            (Request::Grpc { message, .. }, Protocol::Grpc { input, .. }) => {
                let record = self.contracts.record(*input);
                let Some(field) = record.fields.iter().find(|field| field.name == mask.into.value) else { return };
                let list = FieldValue::Values(paths.iter().map(|path| text(path)).collect());
                let value = match &field.ty.kind {
                    Kind::Record(id) => {
                        FieldValue::Message(Encoder { fields: mask_field(self.contracts.record(*id), list) })
                    }
                    Kind::List(_) => list,
                    _ => FieldValue::Code(text(&paths.join(","))),
                };
                message.fields.extend(encoder(field, value));
                message.fields.sort_by_key(|field| field.number);
            }
            (Request::Http { query, .. }, Protocol::Http { parameters, .. }) => {
                let Some(found) = parameter(parameters, &mask.into.value) else { return };
                let repeats = found.explode && matches!(found.ty.kind, Kind::List(_));
                let texts = if repeats { paths.to_vec() } else { vec![paths.join(",")] };
                query.extend(texts.iter().map(|path| Query {
                    name: found.name.clone(),
                    value: QueryValue::Code(text(path), Format::Plain),
                    explode: false,
                }));
            }
            _ => {}
        }
    }
}

fn record_of(ty: &Type) -> Option<RecordId> {
    match &ty.kind {
        Kind::Record(id) => Some(*id),
        Kind::List(item) => record_of(item),
        _ => None,
    }
}

/// `query.fields`.
fn parameter<'p>(parameters: &'p [Parameter], written: &str) -> Option<&'p Parameter> {
    let name = written.strip_prefix("query.")?;
    parameters.iter().find(|parameter| parameter.location == Location::Query && parameter.name == name)
}

fn mask_field(mask: &Record, paths: FieldValue) -> Vec<FieldEncoder> {
    mask.fields.first().and_then(|field| encoder(field, paths)).into_iter().collect()
}
