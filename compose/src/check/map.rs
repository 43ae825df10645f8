//! Maps: a value by its key.

use super::{Checker, Typed};
use crate::expr::{Code, Expr};
use crate::problem::Place;
use crate::schema::{Map, Type};

impl Checker<'_> {
    /// `map[key]`: null where the map has no such key.
    pub(super) fn entry(&mut self, of: Typed, map: &Map, key: &Expr, place: &Place) -> Option<Typed> {
        let at_key = self.at(key, place);
        let key = self.expr(key, place)?;
        let key = self.assign(key, &Type::required(map.key.clone()), false, &at_key)?;
        Some(Typed {
            ty: Type { nullable: true, ..map.value.clone() },
            projection: of.projection.and_then(|entry| self.projections[entry.0].fields.get(1)?.1),
            code: Code::Entry { of: Box::new(of.code), key: Box::new(key.code) },
            reads: of.reads.with(key.reads),
            from_client: of.from_client || key.from_client,
            int64: of.int64,
            identity: of.identity.or(key.identity),
        })
    }
}
