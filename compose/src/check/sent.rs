//! One field of a protobuf request: an expression, or what is written out.

use super::Checker;
use super::input::constant;
use super::request::{Given, Sent, encoder};
use crate::definition::{Argument, Spanned};
use crate::expr::Code;
use crate::plan::{Encoder, FieldEncoder, FieldValue};
use crate::problem::{ErrorCode, Place};
use crate::schema::{Field, Kind, Map, Type};

impl Checker<'_> {
    pub(super) fn argument(
        &mut self,
        field: &Field,
        argument: &Argument,
        place: &Place,
        sent: &mut Sent,
    ) -> Option<FieldEncoder> {
        match (argument, &field.ty.kind) {
            (Argument::Expr(text), _) => {
                let value = self.typed(text)?;
                let value = self.assign(value, &field.ty, field.required, &text.place)?;
                self.add(sent, &value);
                self.value(field, value, &text.place, 0)
            }
            (Argument::Object(arguments, _), Kind::Map(map)) => self.written_map(field, map, arguments, place, sent),
            (Argument::Object(arguments, place), Kind::Record(id)) => {
                let given: Vec<Given<'_>> = arguments.iter().map(|(n, a)| (n.clone(), a)).collect();
                let message = self.message(*id, &given, place, None, sent);
                encoder(field, FieldValue::Message(message))
            }
            (Argument::List(items, _), Kind::List(item)) => self.written_list(field, item, items, place, sent),
            (Argument::Object(_, place), _) => {
                let message = format!("`{}` is not a message", field.name);
                self.problem(ErrorCode::WrongType, place, message, "write an expression");
                None
            }
            (Argument::List(_, place), _) => {
                let message = format!("`{}` is not repeated", field.name);
                self.problem(ErrorCode::WrongType, place, message, "write one expression");
                None
            }
        }
    }

    fn written_list(
        &mut self,
        field: &Field,
        item: &Type,
        items: &[Argument],
        place: &Place,
        sent: &mut Sent,
    ) -> Option<FieldEncoder> {
        // One item alone, written as the field is.
        let single = Field { ty: item.clone(), required: true, ..field.clone() };
        let items: Vec<Option<FieldValue>> = items
            .iter()
            .enumerate()
            .map(|(i, item)| {
                let index = format!("[{i}]");
                Some(self.sent_as(&index, |checker| checker.argument(&single, item, place, sent))?.value)
            })
            .collect();
        let items = items.into_iter().collect::<Option<Vec<_>>>()?;
        let codes = items.iter().map(|item| match item {
            FieldValue::Code(code) => Some(code.clone()),
            _ => None,
        });
        let value = match codes.collect::<Option<Vec<Code>>>() {
            Some(codes) => FieldValue::Values(codes),
            None => FieldValue::Items(items),
        };
        encoder(field, value)
    }

    /// Each key with its value.
    fn written_map(
        &mut self,
        field: &Field,
        map: &Map,
        arguments: &[(Spanned<String>, Argument)],
        place: &Place,
        sent: &mut Sent,
    ) -> Option<FieldEncoder> {
        let [key_field, value_field] = self.contracts.record(map.entry).fields.as_slice() else { return None };
        let value_field = Field { required: true, ..value_field.clone() };
        let entries: Vec<Option<FieldValue>> = arguments
            .iter()
            .map(|(name, argument)| {
                let index = format!("[{}]", name.value);
                let value = self.sent_as(&index, |checker| checker.argument(&value_field, argument, place, sent));
                let key = encoder(key_field, FieldValue::Code(self.map_key(&map.key, name)?))?;
                Some(FieldValue::Message(Encoder { fields: vec![key, value?] }))
            })
            .collect();
        encoder(field, FieldValue::Items(entries.into_iter().collect::<Option<Vec<_>>>()?))
    }

    fn map_key(&mut self, kind: &Kind, name: &Spanned<String>) -> Option<Code> {
        let key = crate::inputs::of_text(kind, &name.value);
        match key.map(|key| constant(&key, &name.value)) {
            Ok(Some(code)) => Some(code),
            Ok(None) => {
                let message = "a key written out is at most 9223372036854775807";
                self.problem(ErrorCode::OutOfRange, &name.place, message, "write a smaller one");
                None
            }
            Err(must) => {
                let message = format!("the key {must}");
                self.problem(ErrorCode::WrongType, &name.place, message, "write a key of the map's type");
                None
            }
        }
    }
}
