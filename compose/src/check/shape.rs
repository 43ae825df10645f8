//! The answer's shape.

use super::{Checker, Typed};
use crate::definition::{Binding, Item, Shape, Spanned, Text};
use crate::expr::Code;
use crate::plan::{self, Format, Member, camel_case};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Kind, Type};

impl Checker<'_> {
    /// None where a problem was found.
    pub(super) fn shape(&mut self, shape: &Shape) -> Option<plan::Shape> {
        match shape {
            Shape::Expr(text) => {
                let value = self.typed(text)?;
                self.leaf(&value, &text.place)
            }
            Shape::Object(members) => {
                let members: Vec<Option<Member>> = members
                    .iter()
                    .map(|(name, shape)| {
                        let shape = self.under(&name.value, |checker| checker.shape(shape))?;
                        Some(member(&name.value, shape))
                    })
                    .collect();
                members.into_iter().collect::<Option<Vec<_>>>().map(plan::Shape::Object)
            }
            Shape::List { from, keep, take, item } => self.list(from, keep.as_ref(), take.as_ref(), item.as_ref()),
            Shape::Of { of, item } => {
                let value = self.typed(&of.text)?;
                self.note(value.reads);
                let present = Typed { ty: Type::required(value.ty.kind.clone()), ..value.clone() };
                let name = self.binding_name(of);
                let (local, item) =
                    self.bind(name, present, |checker, bound| checker.item(item, bound, &of.text.place));
                Some(plan::Shape::Of { of: value.code, local, item: Box::new(item?), nullable: value.ty.nullable })
            }
        }
    }

    fn under<T>(&mut self, step: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        self.pointer.push(step.replace('~', "~0").replace('/', "~1"));
        let result = then(self);
        self.pointer.pop();
        result
    }

    /// A value as it stands.
    fn leaf(&mut self, value: &Typed, place: &Place) -> Option<plan::Shape> {
        if !self.is_leaf(&value.ty) {
            let what = self.contracts.describe(&value.ty);
            let help = match value.ty.kind {
                Kind::List(_) | Kind::Map(_) => "write `from: ... as x` with `item:` or `pick:`",
                _ => "write `of: ...` with `pick: [...]`, or its fields one by one",
            };
            self.problem(ErrorCode::WrongType, place, format!("a {what} is not written as a whole"), help);
            return None;
        }
        self.note(value.reads);
        let format = Format::of(&value.ty.kind);
        Some(plan::Shape::Value { code: value.code.clone(), format, ty: value.ty.clone() })
    }

    /// Scalars, money, json, and lists and maps of these.
    fn is_leaf(&self, ty: &Type) -> bool {
        match &ty.kind {
            Kind::Record(_) | Kind::Union(_) => false,
            Kind::List(item) => self.is_leaf(item),
            Kind::Map(map) => self.is_leaf(&map.value),
            _ => true,
        }
    }

    fn list(
        &mut self,
        from: &Binding,
        keep: Option<&Text>,
        take: Option<&Text>,
        item: Option<&Item>,
    ) -> Option<plan::Shape> {
        let list = self.typed(&from.text)?;
        let element = match &list.ty.kind {
            Kind::List(element) => (**element).clone(),
            Kind::Map(map) => Type::required(Kind::Record(map.entry)),
            _ => {
                let message = format!("`from` takes a list or a map, not {}", self.contracts.describe(&list.ty));
                self.problem(ErrorCode::WrongType, &from.text.place, message, "for a single value write `of`");
                return None;
            }
        };
        self.note(list.reads);
        let take = match take {
            Some(text) => Some(self.count(text)?),
            None => None,
        };
        let element = Typed { ty: element, ..list.clone() };
        let name = self.binding_name(from);
        let place = &from.text.place;
        let (local, parts) = self.under("*", |checker| {
            checker.bind(name, element, |checker, bound| {
                let keep = keep.map(|text| checker.condition(&text.expr, &text.place));
                let item = match item {
                    Some(item) => checker.item(item, bound, place),
                    None => checker.leaf(bound, place),
                };
                Some((keep.map_or(Some(None), |k| k.map(Some))?, item?))
            })
        });
        let (keep, item) = parts?;
        // Without an answer to its condition the whole list is in doubt.
        self.note(keep.as_ref().map(|keep| keep.reads).unwrap_or_default());
        let keep = keep.map(|keep| keep.code);
        let nullable = list.ty.nullable;
        Some(plan::Shape::List { from: list.code, local, keep, take, item: Box::new(item), nullable })
    }

    fn count(&mut self, text: &Text) -> Option<Code> {
        let value = self.typed(text)?;
        if value.ty.nullable || !matches!(value.ty.kind, Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64) {
            let has = self.contracts.describe(&value.ty);
            self.problem(
                ErrorCode::WrongType,
                &text.place,
                format!("`take` is a whole number, not {has}"),
                "for example `take: 5` or `take: $params.limit`",
            );
            return None;
        }
        if matches!(value.code, Code::Int(n) if n < 0) {
            self.problem(
                ErrorCode::OutOfRange,
                &text.place,
                "a negative number takes nothing",
                "how many items the list has at the most",
            );
            return None;
        }
        self.note(value.reads);
        Some(value.code)
    }

    fn item(&mut self, item: &Item, of: &Typed, place: &Place) -> Option<plan::Shape> {
        match item {
            Item::Shape(shape) => self.shape(shape),
            Item::Pick(names) => {
                let members: Vec<Option<Member>> = names
                    .iter()
                    .enumerate()
                    .map(|(i, name)| {
                        if names[..i].iter().any(|n| camel_case(&n.value) == camel_case(&name.value)) {
                            let message = format!("`{}` is picked twice", name.value);
                            self.problem(ErrorCode::Duplicate, &name.place, message, "remove one of them");
                            return None;
                        }
                        let field = self.field(of.clone(), &name.value, false, &name.place)?;
                        let key = camel_case(&name.value);
                        let shape = self.under(&key, |checker| checker.leaf(&field, &name.place))?;
                        Some(member(&key, shape))
                    })
                    .collect();
                if names.is_empty() {
                    self.problem(ErrorCode::Unused, place, "`pick` names no field", "for example `pick: [id, status]`");
                }
                members.into_iter().collect::<Option<Vec<_>>>().map(plan::Shape::Object)
            }
        }
    }

    /// The name after `as`, which must be new here.
    fn binding_name<'b>(&mut self, binding: &'b Binding) -> Option<&'b str> {
        let Spanned { value, place } = binding.name.as_ref()?;
        let taken =
            self.scope.iter().any(|(n, _)| n == value) || self.view.calls.iter().any(|c| c.name.value == *value);
        if taken {
            self.problems.push(
                Problem::new(ErrorCode::Name, place, format!("`{value}` names something else already"))
                    .help("choose another name"),
            );
        }
        Some(value)
    }
}

fn member(name: &str, shape: plan::Shape) -> Member {
    let mut key = Vec::new();
    crate::write::string(&mut key, name);
    key.push(b':');
    Member { name: name.to_owned(), key: String::from_utf8_lossy(&key).into_owned(), shape }
}
