//! What is reached through lists: one item by `[index]`, every item by `[]`; of a call with `each` one result, or every one.

use super::{Checker, Typed};
use crate::expr::{Code, Expr, Kind as Ast};
use crate::plan::CallSet;
use crate::problem::{ErrorCode, Place};
use crate::schema::{Kind, Type};

impl Checker<'_> {
    /// `batch[key]`, `list[index]`, `$params["name"]` or `$headers["name"]`.
    pub(super) fn index(&mut self, of: &Expr, index: &Expr, place: &Place, here: &Place) -> Option<Typed> {
        match (&of.kind, &index.kind) {
            (Ast::Variable(variable), Ast::Text(name)) if variable == "params" => {
                return self.param_value(name, &self.at(index, place));
            }
            (Ast::Variable(variable), Ast::Text(name)) if variable == "headers" => {
                return self.header_value(name, &self.at(index, place));
            }
            (Ast::Name(name), _) => {
                let call = self.call_named(name);
                if let Some(call) = call.filter(|i| self.view.calls[*i].each.is_some()) {
                    self.can_drop(call, here);
                    return self.looked_up(call, index, place);
                }
            }
            _ => {}
        }
        let of = self.expr(of, place);
        self.within(of?, index, place, here)
    }

    /// The value of a map's key, or the item of a list at an index from 0.
    fn within(&mut self, of: Typed, index: &Expr, place: &Place, here: &Place) -> Option<Typed> {
        let item = match of.ty.kind.clone() {
            Kind::List(item) => item,
            Kind::Map(map) => return self.entry(of, &map, index, place),
            _ => {
                let has = self.contracts.describe(&of.ty);
                let help =
                    "a list has items: `list[0]`; a map has values: `map[key]`; a batch has results: `batch[key]`";
                self.problem(ErrorCode::WrongType, here, format!("nothing is looked up in a {has}"), help);
                return None;
            }
        };
        let at_index = self.at(index, place);
        let index = self.expr(index, place)?;
        if !matches!(index.ty.kind, Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64) {
            let has = self.contracts.describe(&index.ty);
            self.problem(
                ErrorCode::WrongType,
                &at_index,
                format!("an index is an integer, not {has}"),
                "the first item is `list[0]`",
            );
            return None;
        }
        if matches!(index.code, Code::Int(i) if i < 0) {
            self.problem(ErrorCode::OutOfRange, &at_index, "an index counts from 0", "the last item is `last(list)`");
            return None;
        }
        Some(Typed {
            ty: Type::optional(item.kind),
            projection: of.projection,
            code: Code::Item { of: Box::new(of.code), index: Box::new(index.code) },
            reads: of.reads.with(index.reads),
            from_client: of.from_client || index.from_client,
            int64: of.int64,
            identity: of.identity.or(index.identity),
        })
    }

    fn looked_up(&mut self, call: usize, index: &Expr, place: &Place) -> Option<Typed> {
        self.used = self.used.with(CallSet::one(call));
        let key = self.expr(index, place)?;
        let reply = self.replies[call].as_ref()?;
        let (value, wanted) = (reply.value.clone(), reply.key.clone()?);
        if key.ty.kind != wanted.kind {
            let (has, wants) = (self.contracts.describe(&key.ty), self.contracts.describe(&wanted));
            let here = self.at(index, place);
            self.problem(
                ErrorCode::WrongType,
                &here,
                format!("the batch's keys are {wants}, not {has}"),
                "look up what `each` collects",
            );
            return None;
        }
        let nullable = value.ty.nullable || key.ty.nullable;
        Some(Typed {
            ty: Type { kind: value.ty.kind, nullable },
            projection: value.projection,
            code: Code::Found { call, key: Box::new(key.code) },
            reads: value.reads.with(key.reads),
            from_client: value.from_client || key.from_client,
            int64: value.int64,
            identity: value.identity.or(key.identity),
        })
    }

    /// `orders[].lines[].quantity`: all of them, as one list.
    pub(super) fn projected(&mut self, expr: &Expr, place: &Place) -> Option<Typed> {
        let mut lists = Vec::new();
        let depth = self.scope.len();
        let item = self.steps(expr, place, &mut lists);
        self.scope.truncate(depth);
        self.bound.truncate(depth);
        let (item, (_, nullable)) = (item?, lists.first()?.clone());
        let lists = lists.into_iter().map(|(list, _)| list).collect();
        let ty = Type { kind: Kind::List(Box::new(item.ty)), nullable };
        Some(Typed { ty, code: Code::Each { lists, item: Box::new(item.code) }, ..item })
    }

    /// Types a path with `[]` in it. Every `[]` binds a local to the list's items; the bool says that the list may be null.
    pub(super) fn steps(
        &mut self,
        expr: &Expr,
        place: &Place,
        lists: &mut Vec<((Code, usize), bool)>,
    ) -> Option<Typed> {
        let here = self.at(expr, place);
        match &expr.kind {
            Ast::Member { of, name, safe } if has_each(of) => {
                let of = self.steps(of, place, lists)?;
                self.field(of, name, *safe, &here)
            }
            Ast::Index { of, index } if has_each(of) => {
                let of = self.steps(of, place, lists)?;
                self.within(of, index, place, &here)
            }
            Ast::Each(of) => {
                let list = self.before_each(of, place, lists)?;
                let Kind::List(item) = list.ty.kind.clone() else {
                    let has = self.contracts.describe(&list.ty);
                    self.problem(
                        ErrorCode::WrongType,
                        &self.at(of, place),
                        format!("`[]` stands behind a list, not {has}"),
                        "name a list before it, as in `orders.lines[].product_id`",
                    );
                    return None;
                };
                let local = self.scope.len();
                let list_code = list.code.clone();
                lists.push(((list_code.clone(), local), list.ty.nullable));
                let item = Typed { ty: *item, code: Code::Local(local), ..list };
                self.scope.push((String::new(), item.clone()));
                self.bound.push(self.bound_to(&list_code));
                self.locals = self.locals.max(self.scope.len());
                Some(item)
            }
            _ => self.expr(expr, place),
        }
    }

    /// The list that `[]` stands behind: a call with `each` is the list of all that it found.
    fn before_each(&mut self, of: &Expr, place: &Place, lists: &mut Vec<((Code, usize), bool)>) -> Option<Typed> {
        let call = if let Ast::Name(name) = &of.kind { self.call_named(name) } else { None };
        let Some(call) = call.filter(|i| self.view.calls[*i].each.is_some()) else {
            return self.steps(of, place, lists);
        };
        self.used = self.used.with(CallSet::one(call));
        let value = self.replies[call].as_ref()?.value.clone();
        let item = Type::required(value.ty.kind);
        let ty = Type { kind: Kind::List(Box::new(item)), nullable: self.optional_reply(call) };
        Some(Typed { ty, code: Code::Results(call), ..value })
    }
}

pub(super) fn has_each(expr: &Expr) -> bool {
    match &expr.kind {
        Ast::Each(_) => true,
        Ast::Member { of, .. } | Ast::Index { of, .. } => has_each(of),
        _ => false,
    }
}
