//! Objects: the members that a layout asks for, found by name.

use super::expectation::listed;
use super::order::Order;
use super::seen::Seen;
use super::{Decoder, Stop, plain};
use crate::decode::Path;
use crate::decode::scan::Inside;
use crate::problem::nearest;
use crate::tape::{Cell, Member, Object};

impl Decoder<'_> {
    /// The member `tag`, where a union names one, may be there without being asked for. `order` is what the objects before
    /// it in a list have taught.
    pub(super) fn object(
        &mut self,
        layout: &Object,
        tag: Option<&str>,
        mut order: Option<&mut Order>,
        path: &Path<'_>,
    ) -> Result<u32, Stop> {
        let record = self.open(&layout.blank, path)?;
        let mut seen = Seen::default();
        let (mut expected, mut tagged, mut turn) = (0, false, 0);
        let mut more = self.scan.open(b'}')?;
        while more {
            let followed = order.as_deref().and_then(|order| order.follow(turn, &mut self.scan));
            let (index, name) = match followed {
                Some(index) => (index, None),
                None => {
                    let start = self.scan.at;
                    let name = self.scan.name()?;
                    let index = self.find(&layout.members, expected, name);
                    if let Some(order) = order.as_deref_mut() {
                        order.note(turn, start, &self.scan, index);
                    }
                    (index, Some(name))
                }
            };
            turn += 1;
            if let Some(index) = index {
                let member = &layout.members[index];
                let path = Path::Member(path, &member.name);
                if !seen.insert(index) && self.strict {
                    self.report(&path, "duplicate", "must be given only once")?;
                }
                let cell = self.value(&member.value, &path)?;
                self.cells[record as usize + usize::from(member.slot)] = cell;
                expected = index + 1;
            } else if let (true, Some(name)) = (self.strict, name) {
                if !tag.is_some_and(|tag| self.is(name, tag)) {
                    self.unknown(&layout.members, name, path)?;
                } else if std::mem::replace(&mut tagged, true) {
                    let path = Path::Member(path, tag.unwrap_or_default());
                    self.report(&path, "duplicate", "must be given only once")?;
                }
                self.scan.value()?;
            } else {
                self.scan.skip()?;
            }
            more = self.scan.more(b'}')?;
        }
        for (index, member) in layout.members.iter().enumerate() {
            if member.required && !seen.contains(index) {
                self.report(&Path::Member(path, &member.name), "missing", "is required")?;
            }
        }
        for members in &layout.exclusive {
            let given = |index: &&usize| {
                let slot = record as usize + usize::from(layout.members[**index].slot);
                self.cells[slot] != Cell::Null
            };
            if let [first, second, ..] = members.iter().filter(given).collect::<Vec<_>>()[..] {
                let (first, second) = (&layout.members[*first].name, &layout.members[*second].name);
                let message = format!("excludes `{first}`, which is given too");
                self.report(&Path::Member(path, second), "conflict", message)?;
            }
        }
        Ok(record)
    }

    /// The member of this name. Members mostly come in one order, so the search goes on from the last one found.
    #[inline]
    fn find(&self, members: &[Member], from: usize, name: Inside) -> Option<usize> {
        let raw = self.inside(name);
        let unescaped = if name.escaped { Some(plain(raw)) } else { None };
        let wanted = unescaped.as_deref().unwrap_or(raw);
        let is_it = |member: &Member| member.name.as_bytes() == wanted;
        let (before, after) = members.split_at(from);
        match after.iter().position(is_it) {
            Some(index) => Some(from + index),
            None => before.iter().position(is_it),
        }
    }

    pub(super) fn is(&self, name: Inside, wanted: &str) -> bool {
        let raw = self.inside(name);
        raw == wanted.as_bytes() || name.escaped && *plain(raw) == *wanted.as_bytes()
    }

    #[cold]
    fn unknown(&mut self, members: &[Member], name: Inside, path: &Path<'_>) -> Result<(), Stop> {
        let name: String = String::from_utf8_lossy(&plain(self.inside(name))).chars().take(64).collect();
        let known: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        let message = match nearest(&name, &known) {
            Some(near) => format!("is not known here; did you mean `{near}`?"),
            None if known.is_empty() => "is not known here; no members are".into(),
            None => format!("is not known here; known are {}", listed(known.into_iter())),
        };
        self.report(&Path::Member(path, &name), "unknown", message)
    }
}
