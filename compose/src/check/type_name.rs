//! Types as authors write them: `int32`, `list<string>?`, `orders/orders.v1.Order`.

use super::Checker;
use crate::definition::Spanned;
use crate::problem::{ErrorCode, Problem, nearest};
use crate::schema::{Kind, Type};

pub(super) const SCALARS: [(&str, Kind); 15] = [
    ("bool", Kind::Bool),
    ("int32", Kind::Int32),
    ("int64", Kind::Int64),
    ("uint32", Kind::Uint32),
    ("uint64", Kind::Uint64),
    ("float", Kind::Float),
    ("double", Kind::Double),
    ("string", Kind::String),
    ("timestamp", Kind::Timestamp),
    ("date", Kind::Date),
    ("decimal", Kind::Decimal),
    ("duration", Kind::Duration),
    ("money", Kind::Money),
    ("bytes", Kind::Bytes),
    ("json", Kind::Json),
];

/// Lists within lists deeper than this have no name.
const MAX_DEPTH: usize = 4;

impl Checker<'_> {
    /// The type that a text names; None where a problem was found.
    pub(super) fn type_name(&mut self, written: &Spanned<String>) -> Option<Type> {
        self.type_within(written, 0)
    }

    fn type_within(&mut self, written: &Spanned<String>, depth: usize) -> Option<Type> {
        let text = written.value.trim();
        let (name, nullable) = text.strip_suffix('?').map_or((text, false), |name| (name, true));
        if let Some(item) = name.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>'))
            && depth < MAX_DEPTH
        {
            let item = Spanned { value: item.to_owned(), place: written.place.within(5, item.chars().count()) };
            let item = self.type_within(&item, depth + 1)?;
            return Some(Type { kind: Kind::List(Box::new(item)), nullable });
        }
        if let Some((_, kind)) = SCALARS.iter().find(|(scalar, _)| *scalar == name) {
            return Some(Type { kind: kind.clone(), nullable });
        }
        if name.contains('/') {
            let named = Spanned { value: name.to_owned(), place: written.place.clone() };
            let kind = self.named_type(&named)?.kind;
            return Some(Type { kind, nullable });
        }
        let problem = Problem::new(ErrorCode::UnknownName, &written.place, format!("there is no type `{name}`"));
        let scalars = SCALARS.map(|(scalar, _)| scalar);
        self.problems.push(match nearest(name, &scalars) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => {
                problem.help("for example `int32`, `list<string>`, `orders/orders.v1.Order`; `?` behind it admits null")
            }
        });
        None
    }
}
