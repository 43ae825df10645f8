//! The entries of a map, put in order once all of them are there.

use std::cmp::Ordering;

use crate::tape::{self, Cell, Span};
use crate::write::unescape;

/// The map with its nodes one behind the other, sorted by key; the last entry of a key wins.
///
/// Sorted, because the order on the wire is nobody's promise: equal maps give equal answers, and a key is found fast.
pub fn sorted(cells: &mut Vec<Cell>, text: &[u8], map: Cell) -> Cell {
    let Cell::List { head, len, .. } = map else { return map };
    let mut entries: Vec<Cell> = tape::items(cells, head, len).collect();
    let key = |entry: &Cell| match entry {
        Cell::Record(at) => cells[*at as usize],
        _ => Cell::Null,
    };
    entries.reverse();
    entries.sort_by(|a, b| compare(text, key(a), key(b)));
    entries.dedup_by(|later, first| compare(text, key(later), key(first)) == Ordering::Equal);
    let head = cells.len() as u32;
    for (index, entry) in (1..).zip(&entries) {
        let next = if index < entries.len() as u32 { head + 2 * index } else { 0 };
        cells.extend([Cell::Link(next), *entry]);
    }
    Cell::List { head, tail: cells.len() as u32 - 2, len: entries.len() as u32 }
}

fn compare(text: &[u8], a: Cell, b: Cell) -> Ordering {
    match (a, b) {
        (Cell::Int(a), Cell::Int(b)) => a.cmp(&b),
        (Cell::Uint(a), Cell::Uint(b)) => a.cmp(&b),
        (Cell::Int(_), Cell::Uint(_)) => Ordering::Less,
        (Cell::Uint(_), Cell::Int(_)) => Ordering::Greater,
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(&b),
        (Cell::Text(a), Cell::Text(b)) => slice(text, a).cmp(slice(text, b)),
        (Cell::Text(a), Cell::Escaped(b)) => slice(text, a).cmp(plain(text, b).as_bytes()),
        (Cell::Escaped(a), Cell::Text(b)) => plain(text, a).as_bytes().cmp(slice(text, b)),
        (Cell::Escaped(a), Cell::Escaped(b)) => plain(text, a).cmp(&plain(text, b)),
        _ => Ordering::Equal,
    }
}

fn slice(text: &[u8], span: Span) -> &[u8] {
    &text[span.start as usize..][..span.len as usize]
}

fn plain(text: &[u8], span: Span) -> std::borrow::Cow<'_, str> {
    unescape(std::str::from_utf8(slice(text, span)).unwrap_or_default())
}
