//! What is written of a value: itself, the fields that are picked, or all of it.

use std::collections::HashSet;

use super::{Checker, Typed};
use crate::definition::{Item, Spanned};
use crate::plan::{self, Format, Member, camel_case};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Direction, Kind, RecordId, Type};

/// Records within records deeper than this are not written whole.
const MAX_DEPTH: usize = 16;
/// Fields that the help for a record names.
const MAX_PICKED: usize = 12;

impl Checker<'_> {
    /// A value as it stands.
    pub(super) fn leaf(&mut self, value: &Typed, place: &Place) -> Option<plan::Shape> {
        if !value.ty.is_leaf() {
            let what = self.contracts.describe(&value.ty);
            let help = match value.ty.kind {
                Kind::List(_) | Kind::Map(_) => {
                    format!("write `from: ... as x` with `{}`", self.pickable(&value.ty.kind))
                }
                Kind::Union(_) => "write `of: ... as x` with `cases:`".to_owned(),
                _ => format!("write `of: ...` with `{}`", self.pickable(&value.ty.kind)),
            };
            self.problem(ErrorCode::WrongType, place, format!("a {what} is not written as a whole"), help);
            return None;
        }
        self.trace(value, place);
        let format = Format::of(&value.ty.kind, value.int64.unwrap_or(self.int64));
        Some(plan::Shape::Value { code: value.code.clone(), format, ty: value.ty.clone() })
    }

    /// The fields of a record that can stand in a `pick`.
    fn pickable(&self, kind: &Kind) -> String {
        let record = match kind {
            Kind::List(item) => return self.pickable(&item.kind),
            Kind::Record(id) => self.contracts.record(*id),
            _ => return "item: ...".to_owned(),
        };
        let answered = record.fields.iter().filter(|field| field.direction != Direction::Sent);
        let leaves = answered.filter(|field| field.ty.is_leaf()).map(|field| field.name.as_str());
        match leaves.take(MAX_PICKED).collect::<Vec<_>>().join(", ") {
            names if names.is_empty() => "item: ...".to_owned(),
            names => format!("pick: [{names}]"),
        }
    }

    pub(super) fn item(&mut self, item: &Item, of: &Typed, place: &Place) -> Option<plan::Shape> {
        match item {
            Item::Shape(shape) => self.shape(shape),
            Item::Pick(names) => self.pick(names, of, place),
            Item::Omit(names) => self.omit(names, of, place),
        }
    }

    fn pick(&mut self, names: &[Spanned<String>], of: &Typed, place: &Place) -> Option<plan::Shape> {
        let mut picked = HashSet::new();
        let members: Vec<Option<Member>> = names
            .iter()
            .map(|name| {
                let key = camel_case(&name.value);
                if !picked.insert(key.clone()) {
                    let message = format!("`{}` is picked twice", name.value);
                    self.problem(ErrorCode::Duplicate, &name.place, message, "remove one of them");
                    return None;
                }
                let field = self.field(of.clone(), &name.value, false, &name.place)?;
                let shape = self.under(&key, |checker| checker.leaf(&field, &name.place))?;
                Some(self.member_of(&key, shape))
            })
            .collect();
        if names.is_empty() {
            self.problem(ErrorCode::Unused, place, "`pick` names no field", "for example `pick: [id, status]`");
        }
        members.into_iter().collect::<Option<Vec<_>>>().map(plan::Shape::Object)
    }

    fn omit(&mut self, names: &[Spanned<String>], of: &Typed, place: &Place) -> Option<plan::Shape> {
        let (Kind::Record(id), Some(_)) = (&of.ty.kind, of.projection) else {
            let has = self.contracts.describe(&of.ty);
            self.problem(
                ErrorCode::WrongType,
                place,
                format!("`omit` leaves out fields, and a {has} has none"),
                "write `item: ...` instead",
            );
            return None;
        };
        let fields = &self.contracts.record(*id).fields;
        for name in names.iter().filter(|name| !fields.iter().any(|f| f.name == name.value)) {
            let message = format!("`{}` has no field `{}`", self.contracts.record(*id).name, name.value);
            let known = fields.iter().map(|f| f.name.as_str());
            self.problems.push(Problem::new(ErrorCode::UnknownField, &name.place, message).suggest(&name.value, known));
        }
        let omitted: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
        let place = names.first().map_or(place, |name| &name.place);
        self.members(of, *id, &omitted, &mut vec![*id], place)
    }

    /// Every field of the record but some.
    fn members(
        &mut self,
        of: &Typed,
        id: RecordId,
        omitted: &[&str],
        within: &mut Vec<RecordId>,
        place: &Place,
    ) -> Option<plan::Shape> {
        let fields = self.contracts.record(id).fields.iter();
        let fields = fields.filter(|field| of.projection.is_none_or(|projection| self.is_visible(projection, field)));
        let written: Vec<&str> = fields.map(|f| f.name.as_str()).filter(|name| !omitted.contains(name)).collect();
        let mut members: Vec<Member> = Vec::new();
        for name in written {
            let field = self.field(of.clone(), name, false, place)?;
            let key = camel_case(name);
            if members.iter().any(|member| member.name == key) {
                self.problem(
                    ErrorCode::Duplicate,
                    place,
                    format!("two fields would be written as `{key}`"),
                    "omit one of them",
                );
                return None;
            }
            let shape = self.under(&key, |checker| checker.whole(&field, name, within, place))?;
            members.push(self.member_of(&key, shape));
        }
        Some(plan::Shape::Object(members))
    }

    /// A value with all that is in it. Of a record that contains itself there is no end.
    fn whole(&mut self, value: &Typed, name: &str, within: &mut Vec<RecordId>, place: &Place) -> Option<plan::Shape> {
        self.grow(place)?;
        match (&value.ty.kind, value.projection) {
            (Kind::Record(id), Some(_)) => {
                if within.contains(id) || within.len() >= MAX_DEPTH {
                    let record = &self.contracts.record(*id).name;
                    let message = format!("`{record}` contains itself, or nests too deep to be written whole");
                    self.problem(
                        ErrorCode::Cycle,
                        place,
                        message,
                        format!("add the field `{name}` to `omit`, or write `item: ...`"),
                    );
                    return None;
                }
                self.trace(value, place);
                within.push(*id);
                let present = Typed { ty: Type::required(value.ty.kind.clone()), ..value.clone() };
                let (local, item) =
                    self.bind(None, present, |checker, bound| checker.members(bound, *id, &[], within, place));
                within.pop();
                let (of, nullable) = (value.code.clone(), value.ty.nullable);
                Some(plan::Shape::Of { of, local, item: Box::new(item?), nullable })
            }
            (Kind::List(element), Some(_)) if !value.ty.is_leaf() => {
                self.trace(value, place);
                let element = Typed { ty: (**element).clone(), ..value.clone() };
                let (local, item) = self.under("*", |checker| {
                    checker.bind(None, element, |checker, bound| checker.whole(bound, name, within, place))
                });
                Some(plan::Shape::List {
                    from: value.code.clone(),
                    local,
                    keep: None,
                    sort: Vec::new(),
                    take: None,
                    item: Box::new(item?),
                    nullable: value.ty.nullable,
                })
            }
            _ if !value.ty.is_leaf() => {
                let what = self.contracts.describe(&value.ty);
                let help = match within.len() {
                    1 => format!("add `{name}` to `omit`, or write `item: ...`"),
                    _ => "add the field that it is in to `omit`, or write `item: ...`".to_owned(),
                };
                let message = format!("`{name}` is a {what}, which is not written as a whole");
                self.problem(ErrorCode::WrongType, place, message, help);
                None
            }
            _ => self.leaf(value, place),
        }
    }
}
