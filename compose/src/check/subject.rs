//! A stream of a subject's messages: which subject, and what its messages are.

use super::{Checker, Rules};
use crate::definition::{self, Part, Template};
use crate::plan::{Call, Format, Piece, Request, Segment};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Kind, Type, Wire};

impl Checker<'_> {
    /// The planned call, and the type of a message.
    pub(super) fn subject(
        &mut self,
        stream: &definition::Call,
        subject: &Template,
        rules: Rules,
    ) -> Option<(Call, Type)> {
        let message = self.message_of_subject(stream);
        let source = self.source_of_subject(subject);
        let (pieces, whole) = self.template(subject)?;
        let (message, (name, rest)) = (message?, source?);
        let mut segments: Vec<Segment> = pieces.into_iter().map(segment).collect();
        if let Some(Segment::Text(first)) = segments.first_mut() {
            *first = rest;
        }
        let timeout = self.contracts.sources.get(&name).and_then(|source| source.timeout);
        let pattern = segments.iter().map(|part| if let Segment::Text(text) = part { text } else { "*" }).collect();
        let request = Request::Nats { subject: segments, message: message_name(stream).to_owned() };
        let call = Call {
            source: name,
            operation: pattern,
            from_client: whole.from_client,
            safe: true,
            idempotent: true,
            ..Call::bare(&stream.name.value, request, rules.timeout)
        };
        let timeout = stream.timeout.as_ref().map(|timeout| timeout.value).or(timeout).unwrap_or(rules.timeout);
        Some((Call { timeout, ..call }, message))
    }

    fn message_of_subject(&mut self, stream: &definition::Call) -> Option<Type> {
        let ty = self.named_type(&stream.operation)?;
        let is_proto = |id| self.contracts.record(id).fields.iter().all(|f| matches!(f.wire, Wire::Proto { .. }));
        if !matches!(&ty.kind, Kind::Record(id) if is_proto(*id)) {
            let message = format!("`{}` is not a protobuf message", message_name(stream));
            let help = "name a message of a source with `protos`";
            self.problem(ErrorCode::WrongType, &stream.operation.place, message, help);
            return None;
        }
        Some(Type::required(ty.kind))
    }

    /// The source, and what of the subject's first part is behind it.
    fn source_of_subject(&mut self, subject: &Template) -> Option<(String, String)> {
        let place = &subject.place;
        let first = match subject.parts.first() {
            Some(Part::Text(text)) => text.split_once('/'),
            _ => None,
        };
        let Some((name, rest)) = first else {
            self.wrong_subject(place, "the source comes first, and `/` behind it");
            return None;
        };
        let here = place.within(0, name.chars().count());
        match self.contracts.sources.get(name) {
            None => {
                let problem = Problem::new(ErrorCode::UnknownName, &here, format!("no source is named `{name}`"));
                let known = self.contracts.sources.keys().map(String::as_str);
                self.problems.push(problem.suggest(name, known));
            }
            Some(source) if !source.nats => {
                let help = "name a source with a `nats` address";
                self.problem(ErrorCode::WrongType, &here, format!("`{name}` does not speak NATS"), help);
            }
            Some(_) => {}
        }
        let literal = |part: &Part| if let Part::Text(text) = part { text.clone() } else { "x".to_owned() };
        let written: String =
            std::iter::once(rest.to_owned()).chain(subject.parts.iter().skip(1).map(literal)).collect();
        let allowed = |c: char| c.is_ascii_graphic() && !"*>/".contains(c);
        if let Some(wrong) = written.chars().find(|c| !allowed(*c)) {
            self.wrong_subject(place, &format!("a subject to listen to has no `{wrong}`"));
        } else if written.split('.').any(str::is_empty) {
            self.wrong_subject(place, "a part of a subject is not empty");
        }
        Some((name.to_owned(), rest.to_owned()))
    }

    fn wrong_subject(&mut self, place: &Place, message: &str) {
        self.problem(
            ErrorCode::WrongForm,
            place,
            message,
            "for example `nats: \"changes/orders.changed.${$auth.sub}\"`",
        );
    }
}

fn message_name(stream: &definition::Call) -> &str {
    let written = &stream.operation.value;
    written.split_once('/').map_or(written, |(_, name)| name)
}

fn segment(piece: Piece) -> Segment {
    match piece {
        Piece::Text(text) => Segment::Text(text),
        Piece::Code(code) => Segment::Value(code, Format::Plain),
    }
}
