//! Fields that are not seen everywhere: they travel one way only, or the view hides them.

use super::Checker;
use crate::plan::ProjectionId;
use crate::problem::Problem;
use crate::schema::{Direction, Field, Record};

impl Checker<'_> {
    /// A body has no fields that are only answered, a reply none that are only sent.
    pub(super) fn travels(&self, projection: ProjectionId, field: &Field) -> bool {
        let other = if self.body_projections.contains(&projection.0) { Direction::Answered } else { Direction::Sent };
        field.direction != other
    }

    /// Neither travels it the other way, nor does the view hide it from its clients.
    pub(super) fn is_visible(&self, projection: ProjectionId, field: &Field) -> bool {
        let is_body = self.body.as_ref().is_some_and(|body| body.projection == Some(projection));
        self.travels(projection, field) && !(is_body && self.hidden.contains(&field.name))
    }
}

/// The field that may be sent under this name.
pub(super) fn sent(record: &Record, name: &str) -> Option<usize> {
    record.fields.iter().position(|f| f.name == name && f.direction != Direction::Answered)
}

/// Why a name is none of those that are known here, although the contract may have it.
pub(super) fn not_known<'k>(
    problem: Problem,
    name: &str,
    record: &Record,
    known: impl IntoIterator<Item = &'k str>,
) -> Problem {
    let direction = record.fields.iter().find(|f| f.name == name).map(|f| f.direction);
    match direction {
        Some(Direction::Answered) => problem.help(format!("`{name}` is `readOnly`: it is answered, never sent")),
        Some(Direction::Sent) => problem.help(format!("`{name}` is `writeOnly`: it is sent, never answered")),
        _ => problem.suggest(name, known),
    }
}
