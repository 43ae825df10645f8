//! The answer's shape.

use super::{Checker, Typed};
use crate::definition::{Binding, Nulls, Shape, Spanned};
use crate::plan::{self, CallSet, Member};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Kind, Type};

/// Values, objects and lists of one shape, repeated items counted once.
const MAX_PARTS: usize = 10_000;
/// What one file can nest; only fragments within fragments go beyond it.
const MAX_DEPTH: usize = 64;

impl Checker<'_> {
    /// None where a problem was found.
    pub(super) fn shape(&mut self, shape: &Shape) -> Option<plan::Shape> {
        self.depth += 1;
        let planned = self.shape_here(shape);
        self.depth -= 1;
        planned
    }

    fn shape_here(&mut self, shape: &Shape) -> Option<plan::Shape> {
        match shape {
            Shape::Expr(text) => {
                self.grow(&text.place)?;
                let value = self.typed(text)?;
                self.leaf(&value, &text.place)
            }
            Shape::Object(members) => {
                let members: Vec<Option<Member>> = members
                    .iter()
                    .map(|(name, shape)| {
                        let outer = std::mem::take(&mut self.noted);
                        let shape = self.under(&name.value, |checker| checker.shape(shape));
                        let omit = std::mem::replace(&mut self.noted, outer);
                        Some(Member { omit, ..self.member_of(&name.value, shape?) })
                    })
                    .collect();
                members.into_iter().collect::<Option<Vec<_>>>().map(plan::Shape::Object)
            }
            Shape::List(list) => self.list(list),
            Shape::Union { of, cases } => self.union(of, cases),
            Shape::Use(used) => self.used(used),
            Shape::Of { of, item } => {
                self.grow(&of.text.place)?;
                let value = self.typed(&of.text)?;
                if let Kind::Union(union) = &value.ty.kind {
                    let message = format!("`{}` is one of several, each with an item of its own", union.name);
                    self.problem(ErrorCode::WrongType, &of.text.place, message, "write `cases:` instead of `item`");
                    return None;
                }
                self.trace(&value, &of.text.place);
                let present = Typed { ty: Type::required(value.ty.kind.clone()), ..value.clone() };
                let name = self.binding_name(of);
                let (local, item) =
                    self.bind(name, present, |checker, bound| checker.item(item, bound, &of.text.place));
                Some(plan::Shape::Of { of: value.code, local, item: Box::new(item?), nullable: value.ty.nullable })
            }
        }
    }

    /// Counts one more part of the shape or of what is sent; None where there are too many.
    pub(super) fn grow(&mut self, place: &Place) -> Option<()> {
        self.parts += 1;
        if self.parts == MAX_PARTS + 1 {
            let message = format!("the view has more than {MAX_PARTS} parts");
            self.problem(ErrorCode::TooMuch, place, message, "write fewer fields, or split the view");
        }
        if self.depth > MAX_DEPTH {
            let message = format!("the shape is nested deeper than {MAX_DEPTH} levels");
            self.problem(ErrorCode::TooMuch, place, message, "make it flatter");
            return None;
        }
        (self.parts <= MAX_PARTS).then_some(())
    }

    pub(super) fn under<T>(&mut self, step: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        self.pointer.push(step.replace('~', "~0").replace('/', "~1"));
        let result = then(self);
        self.pointer.pop();
        result
    }

    /// The name after `as`, which must be new here.
    pub(super) fn binding_name<'b>(&mut self, binding: &'b Binding) -> Option<&'b str> {
        let Spanned { value, place } = binding.name.as_ref()?;
        let taken = self.visible().iter().any(|(n, _)| n == value) || self.call_named(value).is_some();
        if taken {
            self.problems.push(
                Problem::new(ErrorCode::Name, place, format!("`{value}` names something else already"))
                    .help("choose another name"),
            );
        }
        Some(value)
    }

    pub(super) fn member_of(&self, name: &str, shape: plan::Shape) -> Member {
        let mut key = Vec::new();
        crate::write::string(&mut key, name);
        key.push(b':');
        let key = String::from_utf8_lossy(&key).into_owned();
        let optional = self.nulls == Nulls::Omit && shape.is_nullable();
        Member { name: name.to_owned(), key, shape, optional, omit: CallSet::default() }
    }
}
