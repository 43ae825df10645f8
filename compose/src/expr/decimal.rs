//! Decimal numbers: exact, or a failure. None is ever rounded unless `round` is asked to.

use std::cmp::Ordering;
use std::fmt;

use super::eval::Evaluated;
use super::{Fault, Operator, Value};

/// Digits behind the point at the most.
const MAX_SCALE: u32 = 28;

/// `digits` x 10^-`scale`.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    digits: i128,
    scale: u32,
}

impl Decimal {
    pub const ZERO: Decimal = Decimal { digits: 0, scale: 0 };

    pub fn of(value: &Value<'_>) -> Result<Decimal, Fault> {
        match value {
            Value::Decimal(decimal) => Ok(**decimal),
            Value::Int(_) | Value::Uint(_) => {
                Ok(Decimal { digits: value.integer().ok_or_else(Fault::misfit)?, scale: 0 })
            }
            other => {
                let text = other.text().ok_or_else(Fault::misfit)?;
                Decimal::parse(&text).ok_or_else(|| Fault::new("a text is not a decimal number of at most 38 digits"))
            }
        }
    }

    /// `12.50`, `-.5`, `2.5e8`: as google.type.Decimal may be written.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, rest) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut digits: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
            digits = digits.checked_mul(10)?.checked_add(digit)?;
        }
        let digits = if negative { -digits } else { digits };
        let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        match u32::try_from(scale) {
            Ok(scale) => Decimal { digits, scale }.shortened(),
            Err(_) => Some(Decimal { digits: shifted(digits, u32::try_from(-scale).ok()?)?, scale: 0 }),
        }
    }

    pub fn calculate(self, operator: Operator, other: Decimal) -> Result<Decimal, Fault> {
        let result = match operator {
            Operator::Add => self.aligned(other).and_then(|(a, b, scale)| Some((a.checked_add(b)?, scale))),
            Operator::Subtract => self.aligned(other).and_then(|(a, b, scale)| Some((a.checked_sub(b)?, scale))),
            Operator::Multiply => self.digits.checked_mul(other.digits).map(|d| (d, self.scale + other.scale)),
            Operator::Divide => return Err(Fault::misfit()),
        };
        let result = result.and_then(|(digits, scale)| Decimal { digits, scale }.shortened());
        result.ok_or_else(|| Fault::new("the result of a decimal operation has too many digits"))
    }

    /// To so many decimals; a half away from zero.
    pub fn rounded(self, scale: u32) -> Decimal {
        let Some(places) = self.scale.checked_sub(scale).filter(|places| *places > 0) else { return self };
        // At most 28 places, of which 128 bits have room for 38.
        let one = 10i128.pow(places);
        let (whole, rest) = (self.digits / one, self.digits % one);
        let away = if rest.abs() * 2 >= one { self.digits.signum() } else { 0 };
        Decimal { digits: whole + away, scale }
    }

    pub fn compare(self, other: Decimal) -> Ordering {
        let sign = self.digits.signum().cmp(&other.digits.signum());
        sign.then_with(|| match self.aligned(other) {
            Some((a, b, _)) => a.cmp(&b),
            // The one whose digits do not fit the other's scale is further from zero.
            None if (self.scale < other.scale) == (self.digits > 0) => Ordering::Greater,
            None => Ordering::Less,
        })
    }

    /// Both at the greater scale.
    fn aligned(self, other: Decimal) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        Some((shifted(self.digits, scale - self.scale)?, shifted(other.digits, scale - other.scale)?, scale))
    }

    /// Without trailing zeros beyond the greatest scale; None where other digits stand there.
    fn shortened(self) -> Option<Decimal> {
        if self.digits == 0 {
            return Some(Decimal { digits: 0, scale: self.scale.min(MAX_SCALE) });
        }
        let mut short = self;
        while short.scale > MAX_SCALE {
            if short.digits % 10 != 0 {
                return None;
            }
            short = Decimal { digits: short.digits / 10, scale: short.scale - 1 };
        }
        Some(short)
    }
}

fn shifted(digits: i128, places: u32) -> Option<i128> {
    if digits == 0 { Some(0) } else { digits.checked_mul(10i128.checked_pow(places)?) }
}

impl From<Decimal> for Value<'_> {
    fn from(decimal: Decimal) -> Self {
        Value::Decimal(Box::new(decimal))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.compare(*other) == Ordering::Equal
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs();
        let one = 10u128.pow(self.scale);
        match self.scale {
            0 => write!(f, "{sign}{digits}"),
            scale => write!(f, "{sign}{}.{:0width$}", digits / one, digits % one, width = scale as usize),
        }
    }
}

/// Decimals that a number is rounded to, at the most.
pub const MAX_DIGITS: u32 = 9;

pub(super) fn digits(value: Option<&Value<'_>>) -> Result<u32, Fault> {
    let Some(value) = value else { return Ok(0) };
    let digits = value.integer().and_then(|digits| u32::try_from(digits).ok()).filter(|digits| *digits <= MAX_DIGITS);
    digits.ok_or_else(|| Fault::new(format!("a number is rounded to 0 to {MAX_DIGITS} decimals")))
}

pub(super) fn of<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [value] = values else { return Err(Fault::misfit()) };
    Decimal::of(value).map(Value::from)
}

pub(super) fn round<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [value, wanted @ ..] = values else { return Err(Fault::misfit()) };
    let wanted = digits(wanted.first())?;
    Decimal::of(value).map(|decimal| decimal.rounded(wanted).into())
}
