//! Writes the pieces of a JSON answer, and reads the inside of a JSON string.
//!
//! `string` writes a whole JSON string. Everything else writes bare text that needs no escaping, so the caller decides
//! about quotes. What has no exact text is refused with `None`, and then nothing is written.

mod special;

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;

pub(crate) use special::special;

const NANOS: u32 = 1_000_000_000;
/// The years 1 to 9999.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;
/// What protobuf allows: ten thousand years.
const MAX_DURATION_SECONDS: u64 = 315_576_000_000;

/// A JSON string, in its quotes.
pub fn string(out: &mut Vec<u8>, text: &str) {
    quoted(out, text.as_bytes());
}

/// The same of bytes that are UTF-8.
pub(crate) fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut start = 0;
    loop {
        let end = special(bytes, start).end;
        out.extend_from_slice(&bytes[start..end]);
        let Some(&byte) = bytes.get(end) else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
        start = end + 1;
    }
    out.push(b'"');
}

/// The text of a valid JSON string's inside. Of an invalid one, as much as can be read.
pub fn unescape(inside: &str) -> Cow<'_, str> {
    let Some(first) = inside.find('\\') else { return Cow::Borrowed(inside) };
    let (plain, mut rest) = inside.split_at(first);
    let mut text = String::with_capacity(inside.len());
    text.push_str(plain);
    while let Some(escape) = rest.strip_prefix('\\') {
        let (character, behind) = unescape_one(escape);
        text.push(character);
        let run = behind.find('\\').unwrap_or(behind.len());
        text.push_str(&behind[..run]);
        rest = &behind[run..];
    }
    Cow::Owned(text)
}

pub fn int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub fn uint(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The shortest text that reads back as the same number; `None` for NaN and infinities, which JSON lacks.
pub fn float(out: &mut Vec<u8>, value: f64) -> Option<()> {
    value.is_finite().then(|| shortest(out, zmij::Buffer::new().format_finite(value)))
}

/// As `float`, for a value of 32 bits: 0.1 instead of 0.10000000149011612.
pub fn float32(out: &mut Vec<u8>, value: f32) -> Option<()> {
    value.is_finite().then(|| shortest(out, zmij::Buffer::new().format_finite(value)))
}

/// Whether `timestamp` can write it.
pub fn is_timestamp(seconds: i64, nanos: i32) -> bool {
    (FIRST_SECOND..=LAST_SECOND).contains(&seconds) && u32::try_from(nanos).is_ok_and(|nanos| nanos < NANOS)
}

/// Whether `duration` can write it.
pub fn is_duration(seconds: i64, nanos: i32) -> bool {
    agree(seconds, nanos) && seconds.unsigned_abs() <= MAX_DURATION_SECONDS
}

/// Whether `date` can write it.
pub fn is_date(year: i32, month: u8, day: u8) -> bool {
    let month = time::Month::try_from(month);
    (1..=9999).contains(&year) && month.is_ok_and(|month| time::Date::from_calendar_date(year, month, day).is_ok())
}

/// Whether `amount` can write it.
pub fn is_amount(units: i64, nanos: i32) -> bool {
    agree(units, nanos)
}

/// RFC 3339 in UTC, with 0, 3, 6 or 9 decimals; `None` outside of the years 1 to 9999.
pub fn timestamp(out: &mut Vec<u8>, seconds: i64, nanos: i32) -> Option<()> {
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < NANOS)?;
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    let [y1, y2, y3, y4] = four_digits(year)?;
    let ([o1, o2], [d1, d2]) = (two_digits(month.into()), two_digits(day));
    let ([h1, h2], [m1, m2], [s1, s2]) = (two_digits(hour), two_digits(minute), two_digits(second));
    let text = [y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2];
    out.extend_from_slice(&text);
    fraction(out, nanos);
    out.push(b'Z');
    Some(())
}

/// `1.5s`, as protobuf's JSON; `None` beyond ten thousand years, or where the signs disagree.
pub fn duration(out: &mut Vec<u8>, seconds: i64, nanos: i32) -> Option<()> {
    if !is_duration(seconds, nanos) {
        return None;
    }
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    uint(out, seconds.unsigned_abs());
    fraction(out, nanos.unsigned_abs());
    out.push(b's');
    Some(())
}

/// `2026-11-21`; `None` for a day that no calendar has, such as google.type.Date's partial ones.
pub fn date(out: &mut Vec<u8>, year: i32, month: u8, day: u8) -> Option<()> {
    if !is_date(year, month, day) {
        return None;
    }
    let [y1, y2, y3, y4] = four_digits(year)?;
    let ([m1, m2], [d1, d2]) = (two_digits(month), two_digits(day));
    out.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
    Some(())
}

/// The standard alphabet, padded.
pub fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
    out.truncate(start + written);
}

/// An amount of money as decimal text, with at least the digits that its currency has; never rounded.
/// `None` where the signs of units and nanos disagree, or nanos are a whole unit.
pub fn amount(out: &mut Vec<u8>, currency: impl AsRef<[u8]>, units: i64, nanos: i32) -> Option<()> {
    if !agree(units, nanos) {
        return None;
    }
    if units < 0 || nanos < 0 {
        out.push(b'-');
    }
    uint(out, units.unsigned_abs());
    let digits = nine_digits(nanos.unsigned_abs());
    let significant = 9 - digits.iter().rev().take_while(|&&digit| digit == b'0').count();
    let shown = significant.max(minor_digits(currency.as_ref()));
    if shown > 0 {
        out.push(b'.');
        out.extend_from_slice(&digits[..shown]);
    }
    Some(())
}

/// The decimals of a currency's minor unit, by ISO 4217; two for an unknown one.
pub fn minor_digits(currency: &[u8]) -> usize {
    match currency {
        b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX" | b"UYI"
        | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
        b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
        b"CLF" | b"UYW" => 4,
        _ => 2,
    }
}

/// The character of an escape, given what follows its backslash, and what follows the escape.
fn unescape_one(escape: &str) -> (char, &str) {
    let mut characters = escape.chars();
    let character = match characters.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unescape_unit(characters.as_str()),
        Some(itself) => itself,
        None => char::REPLACEMENT_CHARACTER,
    };
    (character, characters.as_str())
}

fn unescape_unit(digits: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let Some(first) = unit(digits) else { return (char::REPLACEMENT_CHARACTER, digits) };
    let behind = &digits[4..];
    let second = behind.strip_prefix("\\u").and_then(unit);
    let pair = [first, second.unwrap_or_default()];
    match char::decode_utf16(pair).next() {
        Some(Ok(character)) if character.len_utf16() == 2 => (character, &behind[6..]),
        Some(Ok(character)) => (character, behind),
        _ => (char::REPLACEMENT_CHARACTER, behind),
    }
}

fn shortest(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

/// Whole and billionths of one quantity: neither contradicts the other's sign.
fn agree(whole: i64, nanos: i32) -> bool {
    nanos.unsigned_abs() < NANOS && whole.signum() * i64::from(nanos.signum()) >= 0
}

/// A point and 3, 6 or 9 decimals, or nothing.
fn fraction(out: &mut Vec<u8>, nanos: u32) {
    let shown = match nanos {
        0 => return,
        n if n % 1_000_000 == 0 => 3,
        n if n % 1000 == 0 => 6,
        _ => 9,
    };
    out.push(b'.');
    out.extend_from_slice(&nine_digits(nanos)[..shown]);
}

fn nine_digits(mut value: u32) -> [u8; 9] {
    let mut digits = [b'0'; 9];
    // Most amounts have two decimals.
    if value.is_multiple_of(10_000_000) && value < NANOS {
        let [tenths, hundredths] = two_digits((value / 10_000_000) as u8);
        (digits[0], digits[1]) = (tenths, hundredths);
        return digits;
    }
    for digit in digits.iter_mut().rev() {
        *digit += (value % 10) as u8;
        value /= 10;
    }
    digits
}

fn four_digits(year: i32) -> Option<[u8; 4]> {
    let year = u16::try_from(year).ok().filter(|year| (1..=9999).contains(year))?;
    let ([a, b], [c, d]) = (two_digits((year / 100) as u8), two_digits((year % 100) as u8));
    Some([a, b, c, d])
}

fn two_digits(value: u8) -> [u8; 2] {
    [b'0' + value / 10, b'0' + value % 10]
}
