//! Oneofs: which of several values is there, and what is written of each.

use std::sync::Arc;

use super::{Checker, Typed};
use crate::definition::{Binding, Item, Spanned};
use crate::expr::Code;
use crate::plan::{self, Case, Format, Member, camel_case};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Kind, Type, Union};

/// The name that stands for every case that is not named.
const OTHERS: &str = "_";

impl Checker<'_> {
    /// `of: oneof as x` with `cases`.
    pub(super) fn union(&mut self, of: &Binding, cases: &[(Spanned<String>, Option<Item>)]) -> Option<plan::Shape> {
        self.grow(&of.text.place)?;
        let value = self.typed(&of.text)?;
        let place = &of.text.place;
        let Kind::Union(union) = value.ty.kind.clone() else {
            let has = self.contracts.describe(&value.ty);
            let message = format!("`cases` takes one of several, which a {has} is not");
            self.problem(ErrorCode::WrongType, place, message, "write `item` or `pick`");
            return None;
        };
        self.trace(&value, place);
        self.exhaustive(&union, cases, place);
        if let Some(projection) = value.projection.filter(|_| !cases.iter().any(|(case, _)| case.value == OTHERS)) {
            self.projections[projection.0].closed = true;
        }
        let name = self.binding_name(of);
        let mut planned = Vec::new();
        let mut nullable = value.ty.nullable;
        for (case, item) in cases.iter().filter(|(case, _)| case.value != OTHERS) {
            let Some(found) = self.case(&value, &union, case) else { continue };
            let Some(item) = item else {
                nullable = true;
                continue;
            };
            let present = Typed { ty: Type::required(found.ty.kind.clone()), ..found.clone() };
            let (local, item) = self.bind(name, present, |checker, bound| checker.item(item, bound, &case.place));
            planned.extend(item.and_then(|item| self.tagged(case, found.code, local, item)));
        }
        nullable |= cases.iter().any(|(case, _)| case.value == OTHERS);
        Some(plan::Shape::Union { cases: planned, nullable })
    }

    /// Every case is named, or `_` is.
    fn exhaustive(&mut self, union: &Union, cases: &[(Spanned<String>, Option<Item>)], place: &Place) {
        let is_named = |name: &str| cases.iter().any(|(case, _)| case.value == name);
        let left: Vec<String> =
            union.cases.iter().filter(|(name, _)| !is_named(name)).map(|(name, _)| format!("`{name}`")).collect();
        let others = cases.iter().find(|(case, _)| case.value == OTHERS);
        match (others, left.as_slice()) {
            // A service may send a case that its contract does not name.
            (Some((others, _)), []) if union.tag.is_none() => {
                self.problem(ErrorCode::Unused, &others.place, "no case is left for `_`", "remove it");
            }
            (None, [_, ..]) => {
                let message = format!("`{}` may also be {}", union.name, left.join(" or "));
                self.problem(ErrorCode::MissingKey, place, message, "name it in `cases`, or write `_: null` there");
            }
            _ => {}
        }
    }

    /// The value of one case, null where it is another.
    fn case(&mut self, of: &Typed, union: &Arc<Union>, name: &Spanned<String>) -> Option<Typed> {
        if !union.cases.iter().any(|(case, _)| *case == name.value) {
            let message = format!("`{}` has no case `{}`", union.name, name.value);
            let problem = Problem::new(ErrorCode::UnknownName, &name.place, message);
            self.problems.push(problem.suggest(&name.value, union.cases.iter().map(|(case, _)| case.as_str())));
            return None;
        }
        self.field(of.clone(), &name.value, true, &name.place)
    }

    /// The case's object begins with `type`, unless it says its type itself.
    fn tagged(&mut self, case: &Spanned<String>, of: Code, local: usize, mut item: plan::Shape) -> Option<Case> {
        let name = camel_case(&case.value);
        let Some(members) = members_of(&mut item) else {
            let message = "a case is written as an object, so that its `type` can be told";
            let help = "give the value a name: `{ value: x }`, or pick its fields";
            self.problem(ErrorCode::WrongForm, &case.place, message, help);
            return None;
        };
        let tagged = !members.iter().any(|member| member.name == "type");
        if tagged {
            let ty = Type::required(Kind::String);
            let code = Code::Text(name.as_str().into());
            members.insert(0, self.member_of("type", plan::Shape::Value { code, format: Format::Plain, ty }));
        }
        Some(Case { name, of, local, item, tagged })
    }

    /// A value to compare with null: of a oneof, whichever of its cases is there.
    pub(super) fn presence(&mut self, value: Typed) -> Typed {
        let (Kind::Union(union), Some(projection)) = (&value.ty.kind, value.projection) else { return value };
        if union.tag.is_some() {
            return value;
        }
        let slots = union.cases.iter().map(|(_, field)| self.use_field(projection, *field).0);
        let slots: Vec<Code> = slots.map(|slot| Code::Slot { of: Box::new(value.code.clone()), slot }).collect();
        let any = slots.into_iter().reduce(|a, b| Code::Coalesce(Box::new(a), Box::new(b)));
        Typed { code: any.unwrap_or(Code::Null), ..value }
    }
}

/// Those of an object, be it a fragment's.
fn members_of(shape: &mut plan::Shape) -> Option<&mut Vec<Member>> {
    match shape {
        plan::Shape::Object(members) => Some(members),
        plan::Shape::Of { item, nullable: false, .. } | plan::Shape::Let { item, .. } => members_of(item),
        _ => None,
    }
}
