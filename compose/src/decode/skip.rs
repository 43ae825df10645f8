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
        let (mut ends, mut backslashes) = (0, 0);
        each(block, |bytes, shift| {
            ends |= bits(is(bytes, b'"') | is_control(bytes), shift);
            backslashes |= bits(is(bytes, b'\\'), shift);
        });
        let found = ends & !self.escaped(backslashes);
        if found == 0 {
            return Ok(None);
        }
        let at = found.trailing_zeros() as usize;
        if block[at] == b'"' { Ok(Some(at + 1)) } else { Err((at, Flaw::Control)) }
    }

    /// Behind the bracket that ends it all, if that is in this block.
    #[inline]
    fn nested(&mut self, block: &[u8; BLOCK], outside: u32) -> Result<Option<usize>, (usize, Flaw)> {
        let (mut quotes, mut brackets, mut rare) = (0, 0, u8x16::ZERO);
        each(block, |bytes, shift| {
            // This bit tells `{` from `[` and `}` from `]`.
            let curly = bytes | u8x16::splat(b'{' ^ b'[');
            quotes |= bits(is(bytes, b'"'), shift);
            brackets |= bits(is(curly, b'{') | is(curly, b'}'), shift);
            rare |= is(bytes, b'\\') | is_control(bytes);
        });
        let (mut backslashes, mut controls) = (0, 0);
        if rare.to_bitmask() != 0 {
            each(block, |bytes, shift| {
                backslashes |= bits(is(bytes, b'\\'), shift);
                controls |= bits(is_control(bytes), shift);
            });
        }
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

/// Shows the block sixteen bytes at a time, with the place of their bits.
#[inline]
fn each(block: &[u8; BLOCK], mut look: impl FnMut(u8x16, u32)) {
    let (sixteens, _) = block.as_chunks();
    for (sixteen, shift) in sixteens.iter().zip([0, 16, 32, 48]) {
        look(u8x16::new(*sixteen), shift);
    }
}

#[inline]
fn is(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(byte))
}

#[inline]
fn is_control(bytes: u8x16) -> u8x16 {
    bytes.min(u8x16::splat(0x1F)).simd_eq(bytes)
}

#[inline]
fn bits(found: u8x16, shift: u32) -> u64 {
    u64::from(found.to_bitmask()) << shift
}

/// From each odd bit that is set up to the next one: the parity of the bits up to there.
#[inline]
fn within(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}
