//! Which fields of a call's request are the client's, and what it calls them: what a service says of the ones is told of
//! the others.

use super::camel_case;
use crate::inputs::InputPlace;
use crate::schema::Kind;

/// A field that holds what the client sent.
#[derive(Debug)]
pub struct ClientField {
    /// As services name it, but in camelCase, and `[]` for every index.
    field: String,
    /// Of a pointer, `*` stands for any item.
    from: InputPlace,
    parts: Parts,
}

/// What the client sees of the parts that a field has.
#[derive(Debug)]
enum Parts {
    Fields,
    /// `{amount, currency}`, whatever it is made of.
    Money,
    None,
}

/// Names that are longer are cut.
const MAX_NAME_CHARS: usize = 200;

impl ClientField {
    pub(crate) fn new(field: &str, from: InputPlace, kind: &Kind) -> ClientField {
        let parts = match innermost(kind) {
            Kind::Money => Parts::Money,
            Kind::Record(_) | Kind::Union(_) | Kind::Map(_) | Kind::Json | Kind::Opaque(_) => Parts::Fields,
            _ => Parts::None,
        };
        ClientField { field: camel_case(field), from, parts }
    }

    /// What is left of a field's name behind this one's.
    fn rest<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&self.field).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    fn place(&self, rest: &str, indices: &[String]) -> InputPlace {
        let InputPlace::Pointer(pattern) = &self.from else { return self.from.clone() };
        let mut indices = indices.iter();
        let mut pointer = String::new();
        for step in pattern.split('/').skip(1) {
            let step = if step == "*" { indices.next().map(String::as_str) } else { Some(step) };
            let Some(step) = step else { return InputPlace::Pointer(pointer) };
            pointer = pointer + "/" + step;
        }
        for part in rest.split_inclusive("[]").flat_map(|part| part.split('.')).filter(|part| !part.is_empty()) {
            let (name, is_list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
            let name = match (&self.parts, name) {
                (_, "") => None,
                (Parts::Fields, name) => Some(name),
                (Parts::Money, "currencyCode") => Some("currency"),
                (Parts::Money, _) => Some("amount"),
                (Parts::None, _) => None,
            };
            pointer.extend(name.into_iter().flat_map(|name| ["/", name]));
            let index = if is_list { indices.next() } else { None };
            pointer.extend(index.into_iter().flat_map(|index| ["/", index]));
        }
        InputPlace::Pointer(pointer)
    }
}

/// What the client calls a field of the request, which a service names like `lines[0].unit_price`; none where it is
/// not the client's.
pub fn place_of(fields: &[ClientField], name: &str) -> Option<InputPlace> {
    let (name, indices) = split(name);
    let found = fields.iter().filter_map(|field| Some((field, field.rest(&name)?)));
    let (field, rest) = found.max_by_key(|(field, _)| field.field.len())?;
    Some(field.place(rest, &indices))
}

/// The name with `[]` for every index, and the indices as steps of a JSON pointer.
fn split(text: &str) -> (String, Vec<String>) {
    let (mut name, mut indices) = (String::new(), Vec::new());
    let mut index: Option<String> = None;
    for c in text.chars().take(MAX_NAME_CHARS) {
        match (&mut index, c) {
            (None, '[') => index = Some(String::new()),
            (Some(inside), ']') => {
                indices.push(std::mem::take(inside).replace('~', "~0").replace('/', "~1"));
                name += "[]";
                index = None;
            }
            (Some(_), '"') => {}
            (Some(inside), c) => inside.push(c),
            (None, c) => name.push(c),
        }
    }
    (camel_case(&name), indices)
}

fn innermost(kind: &Kind) -> &Kind {
    match kind {
        Kind::List(item) => innermost(&item.kind),
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Type;

    fn pointer(text: &str) -> InputPlace {
        InputPlace::Pointer(text.to_owned())
    }

    #[test]
    fn what_a_service_names_is_what_the_client_sent() {
        let list = |kind| Kind::List(Box::new(Type::required(kind)));
        let fields = [
            ClientField::new("page_size", InputPlace::Parameter("limit".to_owned()), &Kind::Int32),
            ClientField::new("lines", pointer("/items"), &list(Kind::Json)),
            ClientField::new("lines[].unit_price", pointer("/items/*/unitPrice"), &Kind::Money),
            ClientField::new("lines[].ship_at", pointer("/items/*/shipAt"), &Kind::Timestamp),
            ClientField::new("prices", pointer("/prices"), &list(Kind::Money)),
        ];
        for (field, place) in [
            ("page_size", Some(InputPlace::Parameter("limit".to_owned()))),
            ("page_size.value", Some(InputPlace::Parameter("limit".to_owned()))),
            ("lines", Some(pointer("/items"))),
            ("lines[3]", Some(pointer("/items/3"))),
            ("lines[3].gift_note", Some(pointer("/items/3/giftNote"))),
            ("lines[3].extras[0].gift_note", Some(pointer("/items/3/extras/0/giftNote"))),
            ("lines[3].labels[\"a/b\"]", Some(pointer("/items/3/labels/a~1b"))),
            ("lines[3].unit_price", Some(pointer("/items/3/unitPrice"))),
            ("lines[12].unitPrice.currency_code", Some(pointer("/items/12/unitPrice/currency"))),
            ("lines[3].unit_price.nanos", Some(pointer("/items/3/unitPrice/amount"))),
            ("lines[3].ship_at.seconds", Some(pointer("/items/3/shipAt"))),
            ("prices[1].units", Some(pointer("/prices/1/amount"))),
            ("user_id", None),
            ("page_size_limit", None),
            ("", None),
            ("lines[", Some(pointer("/items"))),
        ] {
            assert_eq!(place_of(&fields, field), place, "{field}");
        }
    }
}
