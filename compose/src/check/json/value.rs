//! How a typed value is written into a JSON body.

use super::super::request::MAX_DEPTH;
use super::super::{Checker, Typed};
use super::key;
use crate::plan::{Format, Json, JsonMember, ProjectionId};
use crate::problem::{ErrorCode, Place};
use crate::schema::{Direction, Field, Kind, RecordId, Type};

impl Checker<'_> {
    /// Records member by member, lists and maps item by item.
    pub(super) fn json(&mut self, value: Typed, place: &Place, depth: usize) -> Option<Json> {
        self.grow(place)?;
        let Some(projection) = value.projection else {
            return Some(Json::Value(value.code, Format::sent(&value.ty.kind)));
        };
        if depth > MAX_DEPTH {
            self.problem(ErrorCode::TooMuch, place, "records nest too deep to be sent", "send their fields");
            return None;
        }
        let of = value.code.clone();
        let (inside, kind) = (|ty| Typed { ty, ..value.clone() }, value.ty.kind.clone());
        match kind {
            Kind::List(item) => {
                let write = |checker: &mut Self, item: &Typed| checker.json(item.clone(), place, depth + 1);
                let (local, item) = self.bind(None, inside(*item), write);
                Some(Json::Each { of, local, item: Box::new(item?) })
            }
            Kind::Map(map) => {
                let entry = inside(Type::required(Kind::Record(map.entry)));
                let (local, parts) = self.bind(None, entry, |checker, entry| {
                    let key = checker.field(entry.clone(), "key", false, place)?;
                    let value = checker.field(entry.clone(), "value", false, place)?;
                    Some((key.code, checker.json(value, place, depth + 1)?))
                });
                let (key, value) = parts?;
                Some(Json::Map { of, local, key, value: Box::new(value) })
            }
            Kind::Union(union) => {
                let record = inside(Type::required(Kind::Record(union.within)));
                let (local, cases) = self.bind(None, record, |checker, record| {
                    let case = |(name, _): &(String, usize)| {
                        let value = checker.field(record.clone(), name, false, place)?;
                        checker.json(value, place, depth + 1)
                    };
                    union.cases.iter().map(case).collect::<Option<Vec<_>>>()
                });
                Some(Json::Union { of, local, cases: cases? })
            }
            _ => {
                let record = inside(Type::required(value.ty.kind.clone()));
                let (local, members) = self.bind(None, record, |checker, record| {
                    checker.json_members(checker.projections[projection.0].record, projection, record, place, depth)
                });
                Some(Json::Record { of, local, object: Box::new(Json::Object(members?)) })
            }
        }
    }

    fn json_members(
        &mut self,
        id: RecordId,
        projection: ProjectionId,
        of: &Typed,
        place: &Place,
        depth: usize,
    ) -> Option<Vec<JsonMember>> {
        let record = self.contracts.record(id);
        let mut members = Vec::new();
        let sent = |f: &&Field| !matches!(f.ty.kind, Kind::Opaque(_)) && f.direction != Direction::Answered;
        for field in record.fields.iter().filter(sent) {
            if !self.is_visible(projection, field) {
                self.left_out(&field.name, field.required, &record.name, place)?;
                continue;
            }
            let value = self.field(of.clone(), &field.name, false, place)?;
            let value = self.json(value, place, depth + 1)?;
            members.push(JsonMember { key: key(&field.name), optional: !field.required, value });
        }
        Some(members)
    }

    fn left_out(&mut self, name: &str, required: bool, record: &str, place: &Place) -> Option<()> {
        if required {
            let message = format!("`{name}` is required by `{record}`, but what is sent does not have it");
            let help = format!("send its members one by one, or `...: $body` and `{name}: ...`");
            self.problem(ErrorCode::Required, place, message, help);
        }
        (!required).then_some(())
    }
}
