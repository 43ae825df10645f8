//! Passes over an object, an array or a long string that nobody reads, 64 bytes at a time.
//!
//! A block becomes masks of a bit for each byte. What follows an odd number of backslashes is escaped; between a quote
//! that is not and the next one lies a string. What is left to look at are brackets outside of strings and control
//! characters within.

use wide::u8x16;

use super::scan::{Flaw, MAX_DEPTH};

const BLOCK: usize = 64;
/// Of every two bits the lower one.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// What goes on from one block to the next.
#[derive(Default)]
struct Skip {
    /// All ones within a string.
    in_string: u64,
    /// One where the next byte is escaped.
    escaped: u64,
    depth: u32,
    /// One bit for each open bracket: 1 is an object.
    open: u128,
}

/// Where something ends, or its flaw and where that is.
type Ended = Result<usize, (usize, Flaw)>;

/// Of the object or array that begins at `start`. `outside` brackets are open around it.
pub fn nested(text: &[u8], start: usize, outside: u32) -> Ended {
    let mut skip = Skip::default();
    blocks(text, start, |block| skip.nested(block, outside))
}

/// Of the string that `start` lies within.
pub fn string(text: &[u8], start: usize) -> Ended {
    let mut skip = Skip::default();
    blocks(text, start, |block| skip.string(block))
}

fn blocks(
    text: &[u8],
    start: usize,
    mut end_in: impl FnMut(&[u8; BLOCK]) -> Result<Option<usize>, (usize, Flaw)>,
) -> Ended {
    let mut at = start;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let end = match rest.first_chunk() {
            Some(block) => end_in(block),
            None => {
                let mut last = [b' '; BLOCK];
                last[..rest.len()].copy_from_slice(rest);
                end_in(&last)
            }
        };
        match end {
            Ok(Some(end)) => return Ok(at + end),
            Ok(None) if rest.len() < BLOCK => return Err((text.len(), Flaw::End)),
            Ok(None) => at += BLOCK,
            Err((offset, flaw)) => return Err((at + offset, flaw)),
        }
    }
}

impl Skip {
    /// Behind the quote that ends the string, if that is in this block.
    #[inline]
    fn string(&mut self, block: &[u8; BLOCK]) -> Result<Option<usize>, (usize, Flaw)> {
        let Masks { quotes, backslashes, controls, .. } = Masks::of(block);
        let found = (quotes | controls) & !self.escaped(backslashes);
        if found == 0 {
            return Ok(None);
        }
        let at = found.trailing_zeros() as usize;
        if block[at] == b'"' { Ok(Some(at + 1)) } else { Err((at, Flaw::Control)) }
    }

    /// Behind the bracket that ends it all, if that is in this block.
    #[inline]
    fn nested(&mut self, block: &[u8; BLOCK], outside: u32) -> Result<Option<usize>, (usize, Flaw)> {
        let Masks { quotes, backslashes, brackets, controls } = Masks::of(block);
        let escaped = self.escaped(backslashes);
        let strings = within(quotes & !escaped) ^ self.in_string;
        self.in_string = if strings >> 63 == 1 { u64::MAX } else { 0 };
        let mut left = brackets & !strings | controls & strings & !escaped;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            left &= left - 1;
            match block[at] {
                byte @ (b'{' | b'[') => {
                    self.open = self.open << 1 | u128::from(byte == b'{');
                    self.depth += 1;
                    if outside + self.depth > MAX_DEPTH {
                        return Err((at, Flaw::Depth));
                    }
                }
                byte @ (b'}' | b']') => {
                    if (self.open & 1 == 1) != (byte == b'}') {
                        return Err((at, Flaw::Bracket));
                    }
                    self.open >>= 1;
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(Some(at + 1));
                    }
                }
                _ => return Err((at, Flaw::Control)),
            }
        }
        Ok(None)
    }

    /// The bytes behind a backslash that is not escaped itself.
    #[inline]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        if backslashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        let backslashes = backslashes & !self.escaped;
        let behind = backslashes << 1 | self.escaped;
        // Adding carries a run of backslashes to the bit behind it: where it began at an odd one, to the other half of the bits.
        let odd_starts = backslashes & !EVEN & !behind;
        let (carried, overflows) = odd_starts.overflowing_add(backslashes);
        self.escaped = u64::from(overflows);
        (EVEN ^ (carried << 1)) & behind
    }
}

struct Masks {
    quotes: u64,
    backslashes: u64,
    brackets: u64,
    controls: u64,
}

impl Masks {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Masks {
        let mut masks = Masks { quotes: 0, backslashes: 0, brackets: 0, controls: 0 };
        let (sixteens, _) = block.as_chunks();
        for (sixteen, shift) in sixteens.iter().zip([0, 16, 32, 48]) {
            let bytes = u8x16::new(*sixteen);
            let is = |bytes: u8x16, byte| bytes.simd_eq(u8x16::splat(byte));
            let bits = |found: u8x16| u64::from(found.to_bitmask()) << shift;
            // This bit tells `{` from `[` and `}` from `]`.
            let curly = bytes | u8x16::splat(b'{' ^ b'[');
            masks.quotes |= bits(is(bytes, b'"'));
            masks.backslashes |= bits(is(bytes, b'\\'));
            masks.brackets |= bits(is(curly, b'{') | is(curly, b'}'));
            masks.controls |= bits(bytes.min(u8x16::splat(0x1F)).simd_eq(bytes));
        }
        masks
    }
}

/// From each odd bit that is set up to the next one: the parity of the bits up to there.
#[inline]
fn within(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}
