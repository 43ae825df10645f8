//! A stream: one request, and the shape of every event.

use super::{Checker, Rules, Typed};
use crate::expr::Code;
use crate::plan::{self, Call, proto_layout};
use crate::problem::ErrorCode;
use crate::schema::Type;

impl Checker<'_> {
    /// The planned call and the shape of an event, in which the reply is the first local.
    pub(super) fn stream(&mut self, rules: Rules) -> Option<(Call, plan::Shape)> {
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
        if view.access.iter().any(|access| access.value == "public") {
            self.problem(
                ErrorCode::Conflict,
                &stream.name.place,
                "a stream is not open to everybody: its listeners are counted by account",
                "name roles in `access`",
            );
        }
        let (source, operation) = self.operation(stream)?;
        self.reads_only(stream, operation.safe || stream.safe.is_some());
        let (request, sent) = self.request(stream, operation, None)?;
        let Some(shape) = &view.shape else {
            self.problem(
                ErrorCode::MissingKey,
                &stream.name.place,
                "a stream needs a `shape`: what an event says",
                "add `shape:`",
            );
            return None;
        };
        let projection = self.project_type(&operation.response);
        let ty = Type::required(operation.response.kind.clone());
        let reply = Typed { projection, ..Typed::new(ty, Code::Null) };
        let (_, shape) = self.bind(Some(&stream.name.value), reply, |checker, _| checker.shape(shape));
        let shape = shape?;
        let layout = projection.map(|p| proto_layout(p, &self.projections, self.contracts));
        let coverage = self.coverage(projection);
        let call = self.planned(stream, source, operation, request, rules);
        Some((Call { layout, coverage, from_client: sent.from_client, ..call }, shape))
    }
}
