//! What a call sends, checked against what the operation takes.

use super::{Checker, Typed};
use crate::definition::{self, Argument, Spanned};
use crate::expr::{Code, Kind as Ast};
use crate::plan::{Encoder, FieldEncoder, FieldValue, Request};
use crate::problem::{Place, Problem};
use crate::schema::{Field, Kind, Operation, Protocol, Record, RecordId, Repeated, Type, Wire};

/// The key of a request that spreads a record's fields.
const SPREAD: &str = "...";

/// Arguments of one message within, by the rest of their paths.
type Group<'a> = Vec<(Spanned<String>, &'a Argument)>;

/// Records within records deeper than this are not sent.
const MAX_DEPTH: usize = 16;

impl Checker<'_> {
    /// The request, and the sum of what it reads: nullable where one of the values may be null because a call failed.
    pub(super) fn request(
        &mut self,
        call: &definition::Call,
        operation: &Operation,
        key: Option<&Typed>,
    ) -> Option<(Request, Typed)> {
        let mut sent = Typed::new(Type::required(Kind::Bool), Code::Null);
        let before = self.problems.len();
        let into = call.batch.as_ref().zip(key).map(|(batch, key)| (&batch.into, key));
        let request = match &operation.protocol {
            Protocol::Grpc { path, input } => {
                let message = self.message(*input, &call.request, &call.name.place, into, &mut sent);
                Request::Grpc { path: path.clone(), message }
            }
            Protocol::Http { method, path, parameters, body } => {
                if let Some(body) = body
                    .as_ref()
                    .filter(|b| b.required || call.request.iter().any(|(n, _)| n.value.starts_with("body")))
                {
                    let has = self.contracts.describe(&body.ty);
                    self.problem(
                        &call.operation.place,
                        format!("this operation takes a body ({has})"),
                        "this version sends bodies to gRPC services only",
                    );
                }
                self.http(method, path, parameters, call, into, &mut sent)
            }
        };
        if let Some((_, key)) = into {
            sent.from_client |= key.from_client;
            sent.reads = sent.reads.with(key.reads);
        }
        (self.problems.len() == before).then_some((request, sent))
    }

    /// The fields of a message. `path.to.field` reaches into messages within.
    fn message(
        &mut self,
        id: RecordId,
        arguments: &[(Spanned<String>, Argument)],
        place: &Place,
        into: Option<(&Spanned<String>, &Typed)>,
        sent: &mut Typed,
    ) -> Encoder {
        let record = self.contracts.record(id);
        let mut fields: Vec<(usize, FieldEncoder)> = Vec::new();
        let mut grouped: Vec<(&str, Group<'_>)> = Vec::new();
        for (name, argument) in arguments.iter().filter(|(n, _)| n.value != SPREAD) {
            let (first, rest) = name.value.split_once('.').map_or((name.value.as_str(), None), |(f, r)| (f, Some(r)));
            let Some(i) = record.fields.iter().position(|f| f.name == first) else {
                self.unknown_field(record, name, first);
                continue;
            };
            match rest {
                Some(rest) => {
                    let place = name.place.within(first.chars().count() + 1, rest.chars().count());
                    let inner = (Spanned { value: rest.to_owned(), place }, argument);
                    match grouped.iter_mut().find(|(n, _)| *n == first) {
                        Some((_, group)) => group.push(inner),
                        None => grouped.push((first, vec![inner])),
                    }
                }
                None => {
                    if let Some(encoder) = self.argument(&record.fields[i], argument, &name.place, sent) {
                        fields.push((i, encoder));
                    }
                }
            }
        }
        for (first, group) in grouped {
            if let Some((i, encoder)) = self.group(record, first, group, sent) {
                fields.push((i, encoder));
            }
        }
        if let Some((name, key)) = into {
            if let Some(i) = record.fields.iter().position(|f| f.name == name.value) {
                self.key_fits(key, &record.fields[i].ty, &name.place);
                fields.extend(encoder(&record.fields[i], FieldValue::Keys).map(|e| (i, e)));
            } else {
                self.unknown_field(record, name, &name.value);
            }
        }
        if let Some((name, argument)) = arguments.iter().find(|(n, _)| n.value == SPREAD) {
            self.spread(id, argument, &name.place, &mut fields, sent);
        }
        for (i, field) in record.fields.iter().enumerate() {
            if field.required && !fields.iter().any(|(f, _)| *f == i) {
                let help = format!("add `{}: ...` to the request", field.name);
                self.problem(place, format!("`{}` is required by `{}`", field.name, record.name), help);
            }
        }
        fields.sort_by_key(|(_, f)| f.number);
        Encoder { fields: fields.into_iter().map(|(_, f)| f).collect() }
    }

    fn unknown_field(&mut self, record: &Record, name: &Spanned<String>, written: &str) {
        let problem = Problem::new(&name.place, format!("`{}` has no field `{written}`", record.name));
        self.problems.push(problem.suggest(written, record.fields.iter().map(|f| f.name.as_str())));
    }

    /// `order.id: ...` and `order.note: ...` together are one message `order`.
    fn group(
        &mut self,
        record: &Record,
        first: &str,
        group: Group<'_>,
        sent: &mut Typed,
    ) -> Option<(usize, FieldEncoder)> {
        let i = record.fields.iter().position(|f| f.name == first)?;
        let place = group.first()?.0.place.clone();
        let Kind::Record(inner) = record.fields[i].ty.kind else {
            self.problem(&place, format!("`{first}` is not a message"), "remove what follows the dot");
            return None;
        };
        let id = inner;
        let record_inner = self.contracts.record(id);
        let mut fields = Vec::new();
        for (name, argument) in group {
            let Some(field) = record_inner.fields.iter().find(|f| f.name == name.value) else {
                self.unknown_field(record_inner, &name, &name.value);
                continue;
            };
            fields.extend(self.argument(field, argument, &name.place, sent));
        }
        fields.sort_by_key(|f: &FieldEncoder| f.number);
        encoder(&record.fields[i], FieldValue::Message(Encoder { fields })).map(|e| (i, e))
    }

    fn argument(
        &mut self,
        field: &Field,
        argument: &Argument,
        place: &Place,
        sent: &mut Typed,
    ) -> Option<FieldEncoder> {
        match argument {
            Argument::Expr(text) => {
                let value = self.typed(text)?;
                let value = self.assign(value, &field.ty, field.required, &text.place)?;
                self.add(sent, &value);
                self.value(field, value, &text.place, 0)
            }
            Argument::Object(arguments, place) => {
                let Kind::Record(id) = field.ty.kind else {
                    self.problem(place, format!("`{}` is not a message", field.name), "write an expression");
                    return None;
                };
                let message = self.message(id, arguments, place, None, sent);
                encoder(field, FieldValue::Message(message))
            }
            Argument::List(items, _) => {
                let Kind::List(item) = field.ty.kind.clone() else {
                    self.problem(place, format!("`{}` is not repeated", field.name), "write one expression");
                    return None;
                };
                let codes = items.iter().map(|argument| {
                    let Argument::Expr(text) = argument else { return None };
                    let value = self.typed(text)?;
                    let value = self.assign(value, &item, true, &text.place)?;
                    self.add(sent, &value);
                    Some(value.code)
                });
                let codes = codes.collect::<Option<Vec<_>>>()?;
                encoder(field, FieldValue::Values(codes))
            }
        }
    }

    /// Every field of the spread record that the message has too, and that the request does not give itself.
    fn spread(
        &mut self,
        id: RecordId,
        argument: &Argument,
        place: &Place,
        fields: &mut Vec<(usize, FieldEncoder)>,
        sent: &mut Typed,
    ) {
        let body = match argument {
            Argument::Expr(text) if matches!(&text.expr.kind, Ast::Variable(v) if v == "body") => self.typed(text),
            _ => {
                self.problem(place, "only the body can be spread", "write `...: $body`");
                None
            }
        };
        let Some(body) = body else { return };
        let Some(projection) = body.projection else { return };
        let from = self.contracts.record(self.projections[projection.0].record);
        let record = self.contracts.record(id);
        for field in from.fields.iter().filter(|f| !self.hidden.contains(&f.name)).cloned().collect::<Vec<_>>() {
            let Some(i) = record.fields.iter().position(|f| f.name == field.name) else {
                self.problem(
                    place,
                    format!("`{}` has no field `{}`, which the body has", record.name, field.name),
                    "`omit` it from the body",
                );
                continue;
            };
            if fields.iter().any(|(f, _)| *f == i) || matches!(field.ty.kind, Kind::Opaque(_)) {
                continue;
            }
            let Some(value) = self.field(body.clone(), &field.name, false, place) else { continue };
            let given = Typed { ty: Type { nullable: false, ..value.ty.clone() }, ..value };
            let Some(value) = self.assign(given, &record.fields[i].ty, false, place) else { continue };
            self.add(sent, &value);
            fields.extend(self.value(&record.fields[i], value, place, 0).map(|e| (i, e)));
        }
    }

    pub(super) fn add(&mut self, sent: &mut Typed, value: &Typed) {
        let may_miss = value.ty.nullable && !value.reads.only(self.optional).is_empty();
        sent.ty.nullable |= may_miss;
        sent.reads = sent.reads.with(value.reads);
        sent.from_client |= value.from_client;
    }

    /// How the field is written; records field by field.
    fn value(&mut self, field: &Field, value: Typed, place: &Place, depth: usize) -> Option<FieldEncoder> {
        let Some(projection) = value.projection else {
            return encoder(field, FieldValue::Code(value.code));
        };
        if depth > MAX_DEPTH {
            self.problem(place, "records nest too deep to be sent", "send their fields");
            return None;
        }
        let record = self.contracts.record(self.projections[projection.0].record);
        let item = match &value.ty.kind {
            Kind::List(item) => (**item).clone(),
            kind => Type::required(kind.clone()),
        };
        let of = value.code.clone();
        let (local, inner) = self.bind(None, Typed { ty: item, ..value }, |checker, bound| {
            let mut fields = Vec::new();
            for field in record.fields.iter().filter(|f| !matches!(f.ty.kind, Kind::Opaque(_))) {
                let bound = Typed { ty: Type { nullable: false, ..bound.ty.clone() }, ..bound.clone() };
                let value = checker.field(bound, &field.name, false, place)?;
                fields.push(checker.value(field, value, place, depth + 1)?);
            }
            fields.sort_by_key(|f: &FieldEncoder| f.number);
            Some(Encoder { fields })
        });
        encoder(field, FieldValue::Record { of, local, encoder: inner? })
    }
}

fn encoder(field: &Field, value: FieldValue) -> Option<FieldEncoder> {
    let Wire::Proto { number, scalar, repeated } = &field.wire else { return None };
    Some(FieldEncoder { number: *number, scalar: scalar.clone(), packed: *repeated == Repeated::Packed, value })
}
