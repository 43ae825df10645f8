//! Batches: where the keys come from, and what looking one up gives.

use super::{Checker, Reply, Typed};
use crate::definition::{self, Missing, Text};
use crate::expr::Code;
use crate::plan::{Batch, Keys};
use crate::problem::ErrorCode;
use crate::schema::{Kind, Operation, Type};

impl Checker<'_> {
    /// What looking a key up gives, and how the batch runs.
    pub(super) fn batch(
        &mut self,
        call: usize,
        batch: &definition::Batch,
        operation: &Operation,
        (keys, key): (Keys, Typed),
    ) -> Option<(Reply, Batch)> {
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
        let Some(bound) = &batch.bound else {
            let help = "for example `bound: 200`: more keys are a failure; it proves how many requests there can be";
            self.problem(ErrorCode::Unbounded, &batch.into.place, "a batch needs a `bound`", help);
            return None;
        };
        let value = Typed { ty: Type { nullable: batch.missing == Missing::Null, ..result.ty }, ..result };
        let planned = Batch {
            keys,
            max: batch.max.value as usize,
            bound: bound.value as usize,
            items,
            key: slot_of(&result_key)?,
            missing: batch.missing,
        };
        Some((Reply { value, key: Some(Type::required(key.ty.kind)) }, planned))
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
            self.problem(
                ErrorCode::WrongType,
                &each.place,
                "`each` takes a list",
                "write `[]` behind it: `orders.lines[].product_id`",
            );
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
