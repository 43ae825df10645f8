//! Reads what JSON carries as text: exact numbers, RFC 3339 times, dates, durations, base64.

use time::{Date, Month};

use super::scan;
use crate::expr::Decimal;
use crate::tape::Cell;

const UNIX_EPOCH_JULIAN_DAY: i64 = 2_440_588;
const NANOS: i128 = 1_000_000_000;
/// What protobuf allows: ten thousand years.
const MAX_DURATION_SECONDS: i64 = 315_576_000_000;

/// The whole text is a JSON number.
pub fn is_number(text: &[u8]) -> bool {
    scan::number(text) == Some(text.len())
}

/// A JSON number that is none of the infinities in 64 bits, or in 32 if `single`.
pub fn is_finite(number: &[u8], single: bool) -> bool {
    let safe = if single { f32::MAX_10_EXP } else { f64::MAX_10_EXP };
    if number.len() <= safe as usize && !number.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        return true;
    }
    let text = std::str::from_utf8(number).unwrap_or_default();
    if single { text.parse().is_ok_and(f32::is_finite) } else { text.parse().is_ok_and(f64::is_finite) }
}

/// A JSON number that decimals can be computed with.
pub fn is_decimal(number: &[u8]) -> bool {
    std::str::from_utf8(number).is_ok_and(|text| Decimal::parse(text).is_some())
}

/// Base64 of either alphabet, padded or not.
pub fn is_base64(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    let digits = &text[..text.len() - padding];
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    digits.iter().all(known) && digits.len() % 4 != 1 && (padding == 0 || padding <= 2 && text.len().is_multiple_of(4))
}

/// A JSON number times ten to the power of `scale`: exactly, or not at all. What is too large becomes i128's bound.
pub fn exact(number: &[u8], scale: i64) -> Option<i128> {
    let (negative, digits) = match number.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, number),
    };
    let exponent_at = digits.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(digits.len());
    let (mantissa, exponent) = digits.split_at(exponent_at);
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let (whole, fraction) = mantissa.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();

    let mut value: Option<i128> = Some(0);
    let mut zeros: u32 = 0;
    for digit in whole.iter().chain(fraction) {
        if *digit == b'0' {
            zeros += 1;
        } else {
            value = value.and_then(|v| shift(v, zeros + 1)?.checked_add((digit - b'0').into()));
            zeros = 0;
        }
    }
    if value == Some(0) {
        return Some(0);
    }
    let power = power_of(exponent) + scale - fraction.len() as i64 + i64::from(zeros);
    if power < 0 && value.is_some() {
        return None;
    }
    let value = value.and_then(|v| shift(v, u32::try_from(power).ok()?)).unwrap_or(i128::MAX);
    Some(if negative { -value } else { value })
}

/// Units and billionths, both with the amount's sign.
pub fn amount(number: &[u8]) -> Option<(i64, i32)> {
    let nanos = exact(number, 9)?;
    let units = i64::try_from(nanos / NANOS).ok()?;
    Some((units, (nanos % NANOS) as i32))
}

/// RFC 3339, from year 1 to 9999. A leap second is read as the next second, since Unix time has none.
pub fn timestamp(text: &[u8]) -> Option<Cell> {
    let date = calendar_date(text.get(..10)?)?;
    let (b'T' | b't', b':', b':') = (*text.get(10)?, *text.get(13)?, *text.get(16)?) else { return None };
    let (hour, minute, second) = (two_digits(text, 11)?, two_digits(text, 14)?, two_digits(text, 17)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, zone) = match text[19..].strip_prefix(b".") {
        Some(rest) => fraction(rest)?,
        None => (0, &text[19..]),
    };
    let days = i64::from(date.to_julian_day()) - UNIX_EPOCH_JULIAN_DAY;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    if second == 60 && seconds % 86_400 != 0 {
        return None;
    }
    let in_range = (-62_135_596_800..=253_402_300_799).contains(&seconds);
    in_range.then_some(Cell::Time { seconds, nanos })
}

/// `2026-11-21`
pub fn date(text: &[u8]) -> Option<Cell> {
    let date = calendar_date(text)?;
    Some(Cell::Date { year: date.year(), month: date.month().into(), day: date.day() })
}

/// `1.5s`, as protobuf's JSON writes it.
pub fn duration(text: &[u8]) -> Option<Cell> {
    let (negative, rest) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let whole = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let seconds: i64 = std::str::from_utf8(&rest[..whole]).ok()?.parse().ok()?;
    let (nanos, unit) = match rest[whole..].strip_prefix(b".") {
        Some(rest) => fraction(rest)?,
        None => (0, &rest[whole..]),
    };
    if unit != b"s" || seconds > MAX_DURATION_SECONDS {
        return None;
    }
    let sign = if negative { -1 } else { 1 };
    Some(Cell::Time { seconds: seconds * i64::from(sign), nanos: nanos * sign })
}

fn shift(value: i128, digits: u32) -> Option<i128> {
    if value == 0 { Some(0) } else { value.checked_mul(10i128.checked_pow(digits)?) }
}

/// The value of `e+12`, or of nothing; a huge one stays huge.
fn power_of(exponent: &[u8]) -> i64 {
    let Some(digits) = exponent.get(1..) else { return 0 };
    let (sign, digits) = match digits {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    let huge = i64::from(u32::MAX) * 2;
    sign * digits.iter().fold(0, |power: i64, digit| (power * 10 + i64::from(digit - b'0')).min(huge))
}

fn calendar_date(text: &[u8]) -> Option<Date> {
    let &[_, _, _, _, b'-', _, _, b'-', _, _] = text else { return None };
    let year = two_digits(text, 0)? * 100 + two_digits(text, 2)?;
    let month = Month::try_from(two_digits(text, 5)? as u8).ok()?;
    let date = Date::from_calendar_date(year as i32, month, two_digits(text, 8)? as u8).ok()?;
    (year > 0).then_some(date)
}

fn two_digits(text: &[u8], at: usize) -> Option<i64> {
    match text.get(at..at + 2)? {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => None,
    }
}

/// One to nine digits as billionths, and what follows them.
fn fraction(text: &[u8]) -> Option<(i32, &[u8])> {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&len) {
        return None;
    }
    let padded = text[..len].iter().chain(std::iter::repeat(&b'0')).take(9);
    Some((padded.fold(0, |nanos, digit| nanos * 10 + i32::from(digit - b'0')), &text[len..]))
}

/// Seconds east of UTC.
pub fn offset(zone: &[u8]) -> Option<i64> {
    let sign = match zone {
        b"Z" | b"z" => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (two_digits(zone, 1)?, two_digits(zone, 4)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}
