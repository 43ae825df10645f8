//! What a call sends, checked against what the operation takes.

use super::direction::{not_known, sent as sent_field};
use super::field_mask::MASK;
use super::identity::Identity;
use super::{Checker, Typed};
use crate::definition::{self, Argument, Spanned};
use crate::expr::Kind as Ast;
use crate::plan::{CallSet, ClientField, Encoder, FieldEncoder, FieldValue, Need, Request};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Direction, Field, Kind, Operation, Protocol, Record, RecordId, Repeated, Type, Wire};

/// The key of a request that spreads a record's fields.
pub(super) const SPREAD: &str = "...";

/// Records within records deeper than this are not sent.
pub(super) const MAX_DEPTH: usize = 16;

/// What a request is made of.
#[derive(Default)]
pub(super) struct Sent {
    pub reads: CallSet,
    pub needs: Vec<Need>,
    pub from_client: bool,
    pub client_fields: Vec<ClientField>,
    pub identity: Option<Identity>,
    /// It carries a field mask: the single fields that it gives of a message are a change of it, not the whole.
    pub is_change: bool,
}

/// An argument with the path that leads to its field.
pub(super) type Given<'a> = (Spanned<String>, &'a Argument);

/// A field, and what is given for it or for its parts.
type Group<T> = (usize, Vec<(Spanned<String>, T)>);

/// The field that takes the keys of a batch, and what they are.
pub(super) type Into<'a> = Option<(&'a Spanned<String>, &'a Typed)>;

impl Checker<'_> {
    /// The request, and what it is made of.
    pub(super) fn request(
        &mut self,
        call: &definition::Call,
        operation: &Operation,
        key: Option<&Typed>,
    ) -> Option<(Request, Sent)> {
        let mut sent = Sent::default();
        let before = self.problems.len();
        let batch = call.each.as_ref().and_then(|each| each.batch.as_ref());
        let into = batch.zip(key).map(|(batch, key)| (&batch.into, key));
        let request = match &operation.protocol {
            Protocol::Grpc { path, input } => {
                let given: Vec<Given<'_>> = call.request.iter().map(|(n, a)| (n.clone(), a)).collect();
                sent.is_change = self.has_mask(*input, &given);
                let message = self.message(*input, &given, &call.name.place, into, &mut sent);
                Request::Grpc { path: path.clone(), message }
            }
            Protocol::Http { .. } => self.http(&operation.protocol, call, into, &mut sent)?,
        };
        sent.client_fields = std::mem::take(&mut self.client_fields);
        if let Some(key) = key {
            sent.from_client |= key.from_client;
            sent.identity = sent.identity.or(key.identity);
            sent.reads = sent.reads.with(key.reads);
        }
        (self.problems.len() == before).then_some((request, sent))
    }

    /// A message, with all that its contract requires.
    pub(super) fn message(
        &mut self,
        id: RecordId,
        arguments: &[Given<'_>],
        place: &Place,
        into: Into<'_>,
        sent: &mut Sent,
    ) -> Encoder {
        let (encoder, given) = self.fields(id, "", arguments, into, sent);
        self.all_required(id, given, "", place);
        encoder
    }

    /// What is not known may be a required field, misspelt: one problem is enough. `prefix` is what fields are written behind.
    fn all_required(&mut self, id: RecordId, given: Option<Vec<usize>>, prefix: &str, place: &Place) {
        let Some(given) = given else { return };
        let record = self.contracts.record(id);
        for (i, field) in record.fields.iter().enumerate() {
            if field.required && !given.contains(&i) {
                let help = format!("add `{prefix}{}: ...` to the request", field.name);
                self.problem(
                    ErrorCode::Required,
                    place,
                    format!("`{}` is required by `{}`", field.name, record.name),
                    help,
                );
            }
        }
    }

    fn has_mask(&self, id: RecordId, arguments: &[Given<'_>]) -> bool {
        let is_mask =
            |field: &&Field| matches!(field.ty.kind, Kind::Record(id) if self.contracts.record(id).name == MASK);
        let mut masks = self.contracts.record(id).fields.iter().filter(is_mask);
        masks.any(|mask| {
            arguments.iter().any(|(name, _)| name.value == SPREAD || name.value.split('.').next() == Some(&mask.name))
        })
    }

    /// The fields that are given, and which they are; the latter only where all are known.
    fn fields(
        &mut self,
        id: RecordId,
        prefix: &str,
        arguments: &[Given<'_>],
        into: Into<'_>,
        sent: &mut Sent,
    ) -> (Encoder, Option<Vec<usize>>) {
        let record = self.contracts.record(id);
        let (groups, mut known) = self.groups(record, arguments);
        let mut given: Vec<usize> = groups.iter().map(|(i, _)| *i).collect();
        let mut fields: Vec<(usize, FieldEncoder)> = Vec::new();
        for (n, (i, group)) in groups.iter().enumerate() {
            if let Some((first, _)) = groups[..n].iter().find(|(first, _)| record.excludes(*first, *i))
                && let Some((name, _)) = group.first()
            {
                self.excluded(record, *i, *first, &name.place, "give one of them");
            }
            let field = &record.fields[*i];
            let encoder = self.sent_as(&field.name, |checker| checker.group(field, prefix, group, sent));
            fields.extend(encoder.map(|encoder| (*i, encoder)));
        }
        if let Some((name, key)) = into {
            match sent_field(record, &name.value) {
                Some(i) if given.contains(&i) => self.given_twice(&name.value, &name.place),
                Some(i) => {
                    self.key_fits(key, &record.fields[i].ty, &name.place);
                    fields.extend(encoder(&record.fields[i], FieldValue::Keys).map(|e| (i, e)));
                    given.push(i);
                }
                None => {
                    self.unknown_field(record, &name.place, &name.value);
                    known = false;
                }
            }
        }
        if let Some((name, argument)) = arguments.iter().find(|(n, _)| n.value == SPREAD) {
            match self.spread(id, argument, &name.place, (&given, &in_part(&groups)), sent) {
                Some(spread) => {
                    for (i, value) in spread {
                        given.push(i);
                        let field = &record.fields[i];
                        let value = self.sent_as(&field.name, |checker| checker.value(field, value, &name.place, 0));
                        fields.extend(value.map(|e| (i, e)));
                    }
                }
                None => known = false,
            }
        }
        fields.sort_by_key(|(_, f)| f.number);
        let encoder = Encoder { fields: fields.into_iter().map(|(_, f)| f).collect() };
        (encoder, known.then_some(given))
    }

    pub(super) fn unknown_field(&mut self, record: &Record, place: &Place, written: &str) {
        let problem =
            Problem::new(ErrorCode::UnknownField, place, format!("`{}` has no field `{written}`", record.name));
        let sent = record.fields.iter().filter(|f| f.direction != Direction::Answered).map(|f| f.name.as_str());
        self.problems.push(not_known(problem, written, record, sent));
    }

    pub(super) fn given_twice(&mut self, name: &str, place: &Place) {
        self.problem(
            ErrorCode::Duplicate,
            place,
            format!("`{name}` is given twice"),
            "give it once, as a whole or field by field",
        );
    }

    fn excluded(&mut self, record: &Record, field: usize, by: usize, place: &Place, help: &str) {
        let (field, by) = (&record.fields[field].name, &record.fields[by].name);
        self.problem(ErrorCode::Conflict, place, format!("`{field}` and `{by}` exclude each other"), help);
    }

    /// The arguments by field, each with what is left of its path; and whether every field is known.
    pub(super) fn groups<T: Copy>(
        &mut self,
        record: &Record,
        arguments: &[(Spanned<String>, T)],
    ) -> (Vec<Group<T>>, bool) {
        let mut groups: Vec<Group<T>> = Vec::new();
        let mut known = true;
        for (name, argument) in arguments.iter().filter(|(n, _)| n.value != SPREAD) {
            let (first, rest) = name.value.split_once('.').unwrap_or((&name.value, ""));
            let Some(i) = sent_field(record, first) else {
                self.unknown_field(record, &name.place, first);
                known = false;
                continue;
            };
            let inner = (rest_of(name, rest), *argument);
            match groups.iter_mut().find(|(other, _)| *other == i) {
                Some((_, group)) => group.push(inner),
                None => groups.push((i, vec![inner])),
            }
        }
        (groups, known)
    }

    /// One field: given as a whole, or as `order.id: ...` and `order.note: ...`, which together are one message.
    fn group(&mut self, field: &Field, prefix: &str, group: &[Given<'_>], sent: &mut Sent) -> Option<FieldEncoder> {
        let (name, argument) = group.first()?;
        let whole = group.iter().position(|(rest, _)| rest.value.is_empty());
        match (whole, &field.ty.kind) {
            (Some(_), _) if group.len() == 1 => self.argument(field, argument, &name.place, sent),
            (Some(_), _) => {
                self.given_twice(&field.name, &group[1].0.place);
                None
            }
            (None, Kind::Record(inner)) => {
                let prefix = format!("{prefix}{}.", field.name);
                let (message, given) = self.fields(*inner, &prefix, group, None, sent);
                // What a changed message requires is there already.
                if !sent.is_change {
                    self.all_required(*inner, given, &prefix, &name.place);
                }
                encoder(field, FieldValue::Message(message))
            }
            (None, _) => {
                self.problem(
                    ErrorCode::WrongType,
                    &name.place,
                    format!("`{}` is not a message", field.name),
                    "remove what follows the dot",
                );
                None
            }
        }
    }

    /// Every field of the spread record that the request does not give itself; none where nothing can be spread.
    pub(super) fn spread(
        &mut self,
        id: RecordId,
        argument: &Argument,
        place: &Place,
        (given, in_part): (&[usize], &[usize]),
        sent: &mut Sent,
    ) -> Option<Vec<(usize, Typed)>> {
        let body = match argument {
            Argument::Expr(text) if matches!(&text.expr.kind, Ast::Variable(v) if v == "body") => self.typed(text)?,
            _ => {
                self.problem(ErrorCode::WrongType, place, "only the body can be spread", "write `...: $body`");
                return None;
            }
        };
        let from = self.contracts.record(self.projections[body.projection?.0].record);
        let record = self.contracts.record(id);
        let hidden = self.hidden.clone();
        let before = self.problems.len();
        let mut fields = Vec::new();
        let is_there = |f: &&Field| !hidden.contains(&f.name) && f.direction != Direction::Answered;
        for field in from.fields.iter().filter(is_there) {
            let Some(i) = sent_field(record, &field.name) else {
                self.problem(
                    ErrorCode::UnknownField,
                    place,
                    format!("`{}` has no field `{}`, which the body has", record.name, field.name),
                    "`omit` it from the body",
                );
                continue;
            };
            if let Some(other) = given.iter().find(|other| record.excludes(**other, i)) {
                self.excluded(record, i, *other, place, "`omit` it from the body");
                continue;
            }
            if in_part.contains(&i) {
                let name = &field.name;
                let message = format!("`{name}` is given in part, so that the body's `{name}` would be lost");
                self.problem(ErrorCode::Conflict, place, message, "`omit` it from the body, or give all of it");
                continue;
            }
            if given.contains(&i) || matches!(field.ty.kind, Kind::Opaque(_)) {
                continue;
            }
            let Some(value) = self.field(body.clone(), &field.name, false, place) else { continue };
            let to = &record.fields[i];
            if to.required && !field.required && !self.view_requires(&field.name) {
                let message = format!("`{}` is required by `{}`, but the body may leave it out", to.name, record.name);
                self.problem(ErrorCode::Required, place, message, format!("write `required: [{}]` in `body`", to.name));
                continue;
            }
            let Some(value) = self.assign(value, &to.ty, to.required && !to.ty.nullable, place) else { continue };
            self.add(sent, &value);
            fields.push((i, value));
        }
        (self.problems.len() == before).then_some(fields)
    }

    /// The view demands this field of a client's body, whatever the contract says.
    pub(super) fn view_requires(&self, field: &str) -> bool {
        self.view.body.iter().flat_map(|b| &b.required).any(|r| r.value == field)
    }

    pub(super) fn add(&self, sent: &mut Sent, value: &Typed) {
        let calls = value.reads.only(self.lacking);
        if value.ty.nullable && !calls.is_empty() {
            sent.needs.push(Need { value: value.code.clone(), calls });
        }
        sent.reads = sent.reads.with(value.reads);
        sent.from_client |= value.from_client;
        sent.identity = sent.identity.or(value.identity);
    }

    /// How the field is written; records field by field.
    pub(super) fn value(&mut self, field: &Field, value: Typed, place: &Place, depth: usize) -> Option<FieldEncoder> {
        self.grow(place)?;
        self.note_client_field(&value);
        let Some(projection) = value.projection else {
            return encoder(field, FieldValue::Code(value.code));
        };
        if depth > MAX_DEPTH {
            self.problem(ErrorCode::TooMuch, place, "records nest too deep to be sent", "send their fields");
            return None;
        }
        let record = self.contracts.record(self.projections[projection.0].record);
        let items = if matches!(value.ty.kind, Kind::List(_) | Kind::Map(_)) { "[]." } else { "" };
        let item = match &value.ty.kind {
            Kind::List(item) => (**item).clone(),
            Kind::Map(map) => Type::required(Kind::Record(map.entry)),
            kind => Type::required(kind.clone()),
        };
        let of = value.code.clone();
        let (local, inner) = self.bind(None, Typed { ty: item, ..value }, |checker, bound| {
            let mut fields = Vec::new();
            for field in record.fields.iter().filter(|f| !matches!(f.ty.kind, Kind::Opaque(_))) {
                let bound = Typed { ty: Type { nullable: false, ..bound.ty.clone() }, ..bound.clone() };
                let value = checker.field(bound, &field.name, false, place)?;
                let name = format!("{items}{}", field.name);
                fields.push(checker.sent_as(&name, |checker| checker.value(field, value, place, depth + 1))?);
            }
            fields.sort_by_key(|f: &FieldEncoder| f.number);
            Some(Encoder { fields })
        });
        encoder(field, FieldValue::Record { of, local, encoder: inner? })
    }
}

/// The fields of which only parts are given.
pub(super) fn in_part<T>(groups: &[Group<T>]) -> Vec<usize> {
    let parts = groups.iter().filter(|(_, group)| group.iter().all(|(rest, _)| !rest.value.is_empty()));
    parts.map(|(i, _)| *i).collect()
}

/// What is left of a name's path, at its place.
pub(super) fn rest_of(name: &Spanned<String>, rest: &str) -> Spanned<String> {
    let length = rest.chars().count();
    let place = name.place.within(name.value.chars().count() - length, length);
    Spanned { value: rest.to_owned(), place: if rest.is_empty() { name.place.clone() } else { place } }
}

pub(super) fn encoder(field: &Field, value: FieldValue) -> Option<FieldEncoder> {
    let Wire::Proto { number, scalar, repeated } = &field.wire else { return None };
    Some(FieldEncoder { number: *number, scalar: scalar.clone(), packed: *repeated == Repeated::Packed, value })
}
