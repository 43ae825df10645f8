//! Lists: `from`, and what `where`, `sort` and `take` make of it.

use super::argument::sortable;
use super::expression::is_ordered;
use super::{Checker, Typed};
use crate::definition::{self, List, Text};
use crate::expr::Code;
use crate::plan::{self, CallSet, Sort};
use crate::problem::ErrorCode;
use crate::schema::{Kind, Type};

impl Checker<'_> {
    pub(super) fn list(&mut self, written: &List) -> Option<plan::Shape> {
        let List { from, keep, sort, take, item } = written;
        self.grow(&from.text.place)?;
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
        self.trace(&list, &from.text.place);
        let take = match take {
            Some(text) => Some(self.count(text)?),
            None => None,
        };
        let element = Typed { ty: element, ..list.clone() };
        let name = self.binding_name(from);
        let place = &from.text.place;
        let outside = std::mem::replace(&mut self.in_item, true);
        let (local, parts) = self.under("*", |checker| {
            checker.bind(name, element, |checker, bound| {
                let keep = keep.as_ref().map(|text| checker.condition(&text.expr, &text.place));
                let sort: Vec<_> = sort.iter().map(|by| checker.sort(by)).collect();
                let item = match item {
                    Some(item) => checker.item(item, bound, place),
                    None => checker.leaf(bound, place),
                };
                let sort = sort.into_iter().collect::<Option<Vec<_>>>()?;
                Some((keep.map_or(Some(None), |k| k.map(Some))?, sort, item?))
            })
        });
        self.in_item = outside;
        let (keep, sort, item) = parts?;
        // Without an answer to its condition, or to its order, the whole list is in doubt.
        let doubt = sort.iter().map(|(_, reads)| *reads).chain(keep.as_ref().map(|keep| keep.reads));
        self.note(doubt.fold(CallSet::default(), CallSet::with));
        Some(plan::Shape::List {
            from: list.code,
            local,
            keep: keep.map(|keep| keep.code),
            sort: sort.into_iter().map(|(by, _)| by).collect(),
            take,
            item: Box::new(item),
            nullable: list.ty.nullable,
        })
    }

    /// A key of the order, and the calls it reads.
    fn sort(&mut self, sort: &definition::Sort) -> Option<(Sort, CallSet)> {
        let by = self.typed(&sort.by)?;
        if !is_ordered(&by.ty.kind) {
            let has = self.contracts.describe(&by.ty);
            let help = "sort by a number, a text, a time, an enum, true or false";
            self.problem(ErrorCode::WrongType, &sort.by.place, format!("a {has} has no order"), help);
            return None;
        }
        let float = matches!(by.ty.kind, Kind::Float | Kind::Double);
        // A decimal travels as a text, which may be none.
        let by = if by.ty.kind == Kind::Decimal { self.fallible(sortable(by), false, &sort.by.place)? } else { by };
        Some((Sort { by: by.code, float, descending: sort.descending }, by.reads))
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
}
