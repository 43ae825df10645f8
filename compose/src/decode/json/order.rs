//! The names of an object as its text has them, for those that follow it in a list: mostly they have the same.

use crate::decode::scan::Scan;

/// The names in turn, from the first object on; what comes otherwise takes its place.
#[derive(Default)]
pub struct Order {
    names: Vec<Name>,
}

/// From a name's first quote to the first byte of its value.
struct Name {
    start: u32,
    len: u32,
    /// Of the layout; none of one that nobody asked for.
    member: Option<u32>,
}

/// More members are looked for by name.
const MOST: usize = 64;

impl Order {
    /// The member that is next, where it stands here as it did before; the scan is at its value then.
    #[inline]
    pub fn follow(&self, turn: usize, scan: &mut Scan<'_>) -> Option<Option<usize>> {
        let name = self.names.get(turn)?;
        let (start, len) = (name.start as usize, name.len as usize);
        // Sixteen bytes compare without a call.
        let same = match (scan.text.get(start..).and_then(<[u8]>::first_chunk), scan.ahead()) {
            (Some(before), Some(now)) if len <= 16 => {
                let differs = u128::from_le_bytes(*before) ^ u128::from_le_bytes(*now);
                differs << (8 * (16 - len)) == 0
            }
            _ => scan.text.get(scan.at..scan.at + len) == scan.text.get(start..start + len),
        };
        if !same {
            return None;
        }
        scan.pass(len);
        Some(name.member.map(|member| member as usize))
    }

    /// Notes the name that the scan has just read.
    pub fn note(&mut self, turn: usize, start: usize, scan: &Scan<'_>, member: Option<usize>) {
        let len = (scan.at - start) as u32;
        let name = Name { start: start as u32, len, member: member.map(|member| member as u32) };
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
