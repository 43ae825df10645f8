//! Changes an input in the ways that break readers: flipped, cut, doubled, nested, with words that mean something.

use super::super::decode::Random;

/// Inputs do not grow beyond this.
const MAX_BYTES: usize = 1 << 16;

const WORDS: [&str; 62] = [
    "null",
    "true",
    "~",
    "[]",
    "{}",
    "{ }",
    "[ ",
    "] ",
    "{",
    "}",
    "(",
    ")",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\"",
    "'",
    "\\",
    "\\u0000",
    "\\ud800",
    "$auth.sub",
    "$params.id",
    "$body",
    "$key",
    "$now",
    "...: $body",
    "?? ",
    "?.",
    "[0]",
    "[]",
    " as x",
    " desc",
    "of: ",
    "from: ",
    "item: ",
    "cases: ",
    "pick: ",
    "omit: ",
    "each: ",
    "batch: ",
    "bound: 1",
    "when: ",
    "on_fail: null",
    "missing: drop",
    "use: x(1)",
    "m.leaves",
    "l.id",
    "concat(",
    "sum(",
    "-1",
    "0",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e999",
    "0.1",
    "2147483648",
    "%00",
    "&a=b",
    "$ref: \"#/components/schemas/Thing\"",
    "allOf: ",
];

/// Tags and lengths: groups, the largest numbers, two gigabytes, ten bytes that never end.
const BYTES: [&[u8]; 10] = [
    b"\x00",
    b"\xff",
    b"\x0b",
    b"\x0c",
    b"\x80\x80\x80\x80\x08",
    b"\xff\xff\xff\xff\x07",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
];

/// One to four changes; `other` is what parts are taken from.
pub fn mutate(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut changed = input.to_vec();
    for _ in 0..=random.below(4) {
        changed = once(random, &changed, other);
        changed.truncate(MAX_BYTES);
    }
    changed
}

fn once(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let part = part(random, input);
    let (before, after) = (&input[..part.start], &input[part.end..]);
    let inside = &input[part.clone()];
    match random.below(9) {
        0 => [before, after].concat(),
        1 => [before, inside, inside, after].concat(),
        2 => [before, &inside.repeat(1 + random.below(200)), after].concat(),
        3 => [before, random.pick(&WORDS).as_bytes(), after].concat(),
        4 => [before, random.pick(&WORDS).as_bytes(), inside, after].concat(),
        5 => [before, *random.pick(&BYTES), inside, after].concat(),
        6 => [before, &other[self::part(random, other)], after].concat(),
        7 => line(random, input),
        _ => {
            let mut flipped = input.to_vec();
            if let Some(byte) = flipped.get_mut(part.start) {
                *byte ^= 1 << random.below(8);
            }
            flipped
        }
    }
}

/// A short part mostly, sometimes a long one.
fn part(random: &mut Random, of: &[u8]) -> std::ops::Range<usize> {
    let start = random.below(of.len() + 1);
    let most = *random.pick(&[1, 4, 16, of.len()]);
    start..(start + random.below(most + 1)).min(of.len())
}

/// Says a line again elsewhere: keys twice, calls in other calls.
fn line(random: &mut Random, input: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.is_empty() {
        return Vec::new();
    }
    let said = lines[random.below(lines.len())];
    lines.insert(random.below(lines.len() + 1), said);
    lines.concat()
}
