//! The names of an object as its text has them, for those that follow it in a list: mostly they have the same.

use crate::decode::scan::{Scan, sixteen};

/// The names in turn, from the first object on; what comes otherwise takes its place.
#[derive(Default)]
pub struct Order {
    names: Vec<Name>,
}

/// From a name's first quote to the first byte of its value.
struct Name {
    start: u32,
    len: u32,
    /// The first sixteen bytes, and which of them count.
    bytes: u128,
    mask: u128,
    /// Of the layout; none of one that nobody asked for.
    member: Option<u32>,
}

/// More members are looked for by name.
const MOST: usize = 64;
const SIXTEEN: usize = 16;

impl Order {
    /// The member that is next, where it stands here as it did before; the scan is at its value then.
    #[inline]
    pub fn follow(&self, turn: usize, scan: &mut Scan<'_>) -> Option<Option<usize>> {
        let name = self.names.get(turn)?;
        let (start, len) = (name.start as usize, name.len as usize);
        if (scan.ahead() ^ name.bytes) & name.mask != 0 {
            return None;
        }
        if len > SIXTEEN && scan.text.get(scan.at..scan.at + len) != scan.text.get(start..start + len) {
            return None;
        }
        scan.pass(len);
        Some(name.member.map(|member| member as usize))
    }

    /// Notes the name that the scan has just read.
    pub fn note(&mut self, turn: usize, start: usize, scan: &Scan<'_>, member: Option<usize>) {
        let len = scan.at - start;
        let mask = u128::MAX >> (8 * (SIXTEEN - len.min(SIXTEEN)));
        let bytes = sixteen(scan.text, start) & mask;
        let member = member.map(|member| member as u32);
        let name = Name { start: start as u32, len: len as u32, bytes, mask, member };
        match self.names.get_mut(turn) {
            Some(known) => *known = name,
            None if turn < MOST => {
                self.names.reserve(if turn == 0 { 8 } else { 1 });
                self.names.push(name);
            }
            None => {}
        }
    }
}
