//! Objects that name which of several they are.

use super::{Decoder, Stop, listed, plain};
use crate::decode::Path;
use crate::tape::{Case, Cell, JsonRead, Tagged};

impl Decoder<'_> {
    /// The record of the cases; all of them are null where the object is of a case that is not used, or not known.
    pub(super) fn union(&mut self, union: &Tagged, path: &Path<'_>) -> Result<Cell, Stop> {
        let record = self.open(&union.blank, path)?;
        match self.case(union, path)? {
            Some(Case { used: Some((slot, value)), .. }) => {
                let cell = match &value.read {
                    JsonRead::Object(layout) => Cell::Record(self.object(layout, Some(&union.tag), None, path)?),
                    _ => self.value(value, path)?,
                };
                self.cells[record as usize + usize::from(*slot)] = cell;
            }
            _ if self.strict => self.scan.value()?,
            _ => self.scan.skip()?,
        }
        Ok(Cell::Record(record))
    }

    /// The case that the object ahead names, wherever in it; nothing is read yet.
    fn case<'u>(&mut self, union: &'u Tagged, path: &Path<'_>) -> Result<Option<&'u Case>, Stop> {
        let start = self.scan.clone();
        let mut more = self.scan.open(b'}')?;
        while more {
            let name = self.scan.name()?;
            if self.is(name, &union.tag) {
                break;
            }
            self.scan.skip()?;
            more = self.scan.more(b'}')?;
        }
        let path = Path::Member(path, &union.tag);
        let found = if more && self.scan.peek()? == b'"' {
            let inside = self.scan.string()?;
            let text = plain(self.inside(inside));
            let found = union.cases.iter().find(|case| case.name.as_bytes() == &*text);
            if found.is_none() && union.closed {
                let names = listed(union.cases.iter().map(|case| case.name.as_str()));
                self.report(&path, "range", format!("must be one of {names}"))?;
            }
            found
        } else {
            let (code, message) = if more { ("type", "must be a string") } else { ("missing", "is required") };
            self.report(&path, code, message)?;
            None
        };
        self.scan = start;
        Ok(found)
    }
}
