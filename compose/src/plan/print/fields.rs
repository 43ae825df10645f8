//! The fields that a layout decodes, by name: `id, lines[] { quantity }`.

use crate::tape::{JsonRead, Layout, Message, ProtoRead, Value};

pub(super) fn fields(layout: &Layout) -> String {
    match layout {
        Layout::Proto(message) => of_message(message),
        Layout::Json(value) => of_value(value),
    }
}

fn of_message(message: &Message) -> String {
    let read = message.fields.iter().filter(|field| !matches!(field.read, ProtoRead::Unread(_)));
    let fields = read.map(|field| {
        let many = if field.repeated { "[]" } else { "" };
        match &field.read {
            ProtoRead::Message(inner) | ProtoRead::Entry(inner) | ProtoRead::Group(_, inner)
                if !inner.fields.is_empty() =>
            {
                format!("{}{many} {{ {} }}", field.name, of_message(inner))
            }
            _ => format!("{}{many}", field.name),
        }
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn of_value(value: &Value) -> String {
    match &value.read {
        JsonRead::Object(object) => {
            object.members.iter().map(|m| named(&m.name, &m.value)).collect::<Vec<_>>().join(", ")
        }
        JsonRead::List(item) => of_value(item),
        JsonRead::Map { value, .. } => of_value(value),
        JsonRead::Union(union) => {
            let cases = union.cases.iter().filter_map(|case| Some(named(&case.name, &case.used.as_ref()?.1)));
            cases.collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}

fn named(name: &str, value: &Value) -> String {
    let many = if matches!(value.read, JsonRead::List(_)) { "[]" } else { "" };
    match of_value(value) {
        inner if inner.is_empty() => format!("{name}{many}"),
        inner => format!("{name}{many} {{ {inner} }}"),
    }
}
