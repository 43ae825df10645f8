//! A stream: one request, and the shape of every event.

use super::function::written;
use super::template::is_text;
use super::{Checker, Rules, Typed};
use crate::definition::{self, Text};
use crate::expr::Code;
use crate::plan::{self, Call, Stream, proto_layout};
use crate::problem::ErrorCode;
use crate::schema::Type;

impl Checker<'_> {
    /// The planned call and the shape of an event, in which the reply is the first local.
    pub(super) fn stream(&mut self, rules: Rules) -> Option<(Stream, plan::Shape)> {
        let view = self.view;
        let stream = view.stream.as_ref()?;
        if let Some(call) = view.calls.first() {
            self.problem(
                ErrorCode::Conflict,
                &call.name.place,
                "a view with a `stream` makes no other calls",
                "make a view of its own for them",
            );
        }
        if view.route.method != "GET" {
            self.problem(ErrorCode::Conflict, &view.route.place, "events are read with GET", "write `GET` instead");
        }
        let (call, reply) = match &stream.subject {
            Some(subject) => self.subject(stream, subject, rules)?,
            None => self.method(stream, rules)?,
        };
        let Some(shape) = &view.shape else {
            self.problem(
                ErrorCode::MissingKey,
                &stream.name.place,
                "a stream needs a `shape`: what an event says",
                "add `shape:`",
            );
            return None;
        };
        let projection = self.project_type(&reply);
        let reply = Typed { projection, ..Typed::new(reply, Code::Null) };
        let (_, (shape, id)) = self.bind(Some(&stream.name.value), reply, |checker, _| {
            (checker.shape(shape), stream.event_id.as_ref().map(|id| checker.event_id(id)))
        });
        let shape = shape?;
        let id = match id {
            Some(id) => Some(id?),
            None => None,
        };
        let layout = projection.map(|p| proto_layout(p, &self.projections, self.contracts));
        let coverage = self.coverage(projection);
        Some((Stream { call: Call { layout, coverage, ..call }, event_id: id }, shape))
    }

    /// The planned call, and the type of a reply.
    fn method(&mut self, stream: &definition::Call, rules: Rules) -> Option<(Call, Type)> {
        let (source, operation) = self.operation(stream)?;
        self.reads_only(stream, operation.safe || stream.safe.is_some());
        let (request, sent) = self.request(stream, operation, None)?;
        let reply = Type::required(operation.response.kind.clone());
        let call = self.planned(stream, source, operation, request, rules);
        Some((Call { from_client: sent.from_client, client_fields: sent.client_fields, ..call }, reply))
    }

    fn event_id(&mut self, id: &Text) -> Option<Code> {
        let value = self.typed(id)?;
        if !is_text(&value.ty.kind) {
            let has = self.contracts.describe(&value.ty);
            let message = format!("an id is a text or a number, not {has}");
            self.problem(ErrorCode::WrongType, &id.place, message, "take a field of it");
            return None;
        }
        Some(written(value))
    }
}
