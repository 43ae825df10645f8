//! Texts with values in them, typed.

use super::function::written;
use super::{Checker, Typed};
use crate::definition::{Part, Template};
use crate::expr::Code;
use crate::plan::Piece;
use crate::problem::ErrorCode;
use crate::schema::{Kind, Type};

impl Checker<'_> {
    /// The pieces, and what they read altogether.
    pub(super) fn template(&mut self, template: &Template) -> Option<(Vec<Piece>, Typed)> {
        let mut whole = Typed::new(Type::required(Kind::String), Code::Null);
        let mut pieces = Vec::new();
        for part in &template.parts {
            let text = match part {
                Part::Text(text) => {
                    pieces.push(Piece::Text(text.clone()));
                    continue;
                }
                Part::Value(text) => text,
            };
            let value = self.typed(text)?;
            let has = self.contracts.describe(&value.ty);
            if !is_text(&value.ty.kind) {
                let message = format!("a text, an integer, a date or an enum stands in `${{ }}`, not {has}");
                self.problem(ErrorCode::WrongType, &text.place, message, "take a field of it");
                return None;
            }
            if value.ty.nullable {
                let help = "write `??` behind it, and what stands for null";
                self.problem(ErrorCode::Nullable, &text.place, "this may be null here", help);
                return None;
            }
            whole = super::expression::merged(&whole, &value, whole.ty.clone(), Code::Null);
            pieces.push(Piece::Code(written(value)));
        }
        Some((pieces, whole))
    }
}

/// What is written as one short text.
pub(super) fn is_text(kind: &Kind) -> bool {
    use Kind::{Date, Enum, Int32, Int64, String, Uint32, Uint64};
    matches!(kind, String | Int32 | Int64 | Uint32 | Uint64 | Enum(_) | Date)
}
