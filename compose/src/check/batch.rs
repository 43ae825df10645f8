//! Batches: where the keys come from, and what looking one up gives.

use super::{Checker, Reply, Typed};
use crate::definition::{self, Missing, Text};
use crate::expr::Code;
use crate::plan::{Batch, Each, Keys};
use crate::problem::{ErrorCode, Place};
use crate::schema::{Kind, Operation, Type};

impl Checker<'_> {
    /// What looking a key up gives, and how the keys are sent.
    pub(super) fn each(
        &mut self,
        call: usize,
        each: &definition::Each,
        operation: &Operation,
        (keys, key, local): (Keys, Typed, usize),
    ) -> Option<(Reply, Each)> {
        let Some(bound) = &each.bound else {
            let help = "for example `bound: 200`: more keys are a failure; it proves how many requests there can be";
            self.problem(ErrorCode::Unbounded, &each.keys.place, "`each` needs a `bound`", help);
            return None;
        };
        let (value, batch) = match &each.batch {
            Some(batch) => {
                let (value, batch) = self.batch(call, batch, operation, &key)?;
                (value, Some(batch))
            }
            None => (self.plain_reply(call, operation).value, None),
        };
        let nullable = value.ty.nullable || each.missing == Missing::Null;
        let value = Typed { ty: Type { nullable, ..value.ty }, ..value };
        let each = Each { keys, bound: bound.value as usize, missing: each.missing, local, batch };
        Some((Reply { value, key: Some(Type::required(key.ty.kind)) }, each))
    }

    /// One result of the batch, and where the results are.
    fn batch(
        &mut self,
        call: usize,
        batch: &definition::Batch,
        operation: &Operation,
        key: &Typed,
    ) -> Option<(Typed, Batch)> {
        let reply = self.plain_reply(call, operation).value;
        let (list, items) = match &batch.items {
            None => (reply, None),
            Some(name) => {
                let inside = self.field(reply, &name.value, false, &name.place)?;
                let slot = slot_of(&inside);
                (inside, slot)
            }
        };
        let Kind::List(item) = &list.ty.kind else {
            let place = batch.items.as_ref().map_or(&batch.into.place, |items| &items.place);
            let has = self.contracts.describe(&list.ty);
            let help = "`items` names the field of the reply that lists them";
            self.problem(ErrorCode::WrongType, place, format!("the results of a batch are a list, not {has}"), help);
            return None;
        };
        let ty = Type { nullable: false, ..(**item).clone() };
        let result = Typed { ty, code: Code::Null, ..list.clone() };
        let result_key = self.field(result.clone(), &batch.key.value, false, &batch.key.place)?;
        if result_key.ty.kind != key.ty.kind {
            let (has, wants) = (self.contracts.describe(&key.ty), self.contracts.describe(&result_key.ty));
            let message = format!("`each` gives {has}, but the results' key is {wants}");
            self.problem(ErrorCode::WrongType, &batch.key.place, message, "both are of one type");
            return None;
        }
        Some((result, Batch { max: batch.max.value as usize, items, key: slot_of(&result_key)? }))
    }

    /// `missing: drop` needs an item that it can leave out.
    pub(super) fn can_drop(&mut self, call: usize, here: &Place) {
        let drops = self.view.calls[call].each.as_ref().is_some_and(|each| each.missing == Missing::Drop);
        if drops && !self.in_item {
            let message = "`missing: drop` leaves out the item of a list, and this stands in none";
            self.problem(ErrorCode::Conflict, here, message, "write `missing: null` at the call");
        }
    }

    /// `a.b[].c[].key`: the lists, and the key within.
    pub(super) fn keys(&mut self, each: &Text) -> Option<(Keys, Typed)> {
        let mut steps = Vec::new();
        let depth = self.scope.len();
        let key = self.steps(&each.expr, &each.place, &mut steps);
        self.scope.truncate(depth);
        self.bound.truncate(depth);
        let key = key?;
        let lists: Vec<(Code, usize)> = steps.into_iter().map(|(list, _)| list).collect();
        if lists.is_empty() {
            let help = match key.ty.kind {
                Kind::List(_) => "write `[]` behind it",
                _ => "name a list, and `[]` behind it: `orders.lines[].product_id`",
            };
            self.problem(ErrorCode::WrongType, &each.place, "`each` takes a list", help);
            return None;
        }
        if !matches!(key.ty.kind, Kind::String | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64) {
            let has = self.contracts.describe(&key.ty);
            self.problem(
                ErrorCode::WrongType,
                &each.place,
                format!("a key is a text or an integer, not {has}"),
                "go on to a field of it",
            );
            return None;
        }
        Some((Keys { lists, key: key.code.clone() }, key))
    }
}

fn slot_of(field: &Typed) -> Option<u16> {
    match field.code {
        Code::Slot { slot, .. } => Some(slot),
        _ => None,
    }
}
