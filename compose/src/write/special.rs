//! Where a stretch of plain text ends: sixteen bytes at a time.

use wide::u8x16;

/// A stretch of text that needs no escaping.
pub(crate) struct Run {
    pub end: usize,
    pub ascii: bool,
}

/// The next quote, backslash or control character from `at` on, or the text's end.
#[inline(always)]
pub(crate) fn special(text: &[u8], at: usize) -> Run {
    // Most texts are short: what ends within the first bytes is found without a call.
    match text.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(chunk) => match sixteen(chunk) {
            (0, high) => further(text, at + 16, high == 0),
            (found, high) => ends(at, found, high, true),
        },
        None => further(text, at, true),
    }
}

#[inline]
fn ends(at: usize, found: u32, high: u32, ascii: bool) -> Run {
    let before = (found & found.wrapping_neg()) - 1;
    Run { end: at + found.trailing_zeros() as usize, ascii: ascii && high & before == 0 }
}

fn further(text: &[u8], at: usize, ascii: bool) -> Run {
    let (mut end, mut ascii) = (at, ascii);
    while let Some(chunk) = text.get(end..).and_then(|rest| rest.first_chunk()) {
        let (found, high) = sixteen(chunk);
        if found != 0 {
            return ends(end, found, high, ascii);
        }
        ascii &= high == 0;
        end += 16;
    }
    let rest = text.get(end..).unwrap_or_default();
    let mut last = [b' '; 16];
    last[..rest.len()].copy_from_slice(rest);
    match sixteen(&last) {
        (0, high) => Run { end: end + rest.len(), ascii: ascii && high == 0 },
        (found, high) => ends(end, found, high, ascii),
    }
}

/// A bit for each special byte, and one for each that is not ASCII.
#[inline]
fn sixteen(chunk: &[u8; 16]) -> (u32, u32) {
    let bytes = u8x16::new(*chunk);
    let is = |byte| bytes.simd_eq(u8x16::splat(byte));
    let control = bytes.min(u8x16::splat(0x1F)).simd_eq(bytes);
    ((is(b'"') | is(b'\\') | control).to_bitmask(), bytes.to_bitmask())
}
