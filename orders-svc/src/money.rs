//! Amounts of money, exact: what `google.type.Money` can hold, and nothing it cannot.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::pb::Money;

const NANOS_PER_UNIT: i64 = 1_000_000_000;
const DECIMALS: u32 = 9;

/// An amount of at most 9 decimals whose whole part fits an `int64`.
///
/// Decimals hold 28 digits and round what is longer. Every result here is either in range, and then at most 28 digits
/// long and exact, or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(Decimal);

impl Amount {
    pub const ZERO: Self = Self(Decimal::ZERO);

    pub fn new(units: i64, nanos: i32) -> Result<Self, &'static str> {
        if i64::from(nanos).abs() >= NANOS_PER_UNIT {
            return Err("nanos must be -999,999,999 to 999,999,999");
        }
        if units.signum() * i64::from(nanos.signum()) < 0 {
            return Err("units and nanos must have the same sign");
        }
        let nanos = i128::from(units) * i128::from(NANOS_PER_UNIT) + i128::from(nanos);
        let decimal = Decimal::try_from_i128_with_scale(nanos, DECIMALS);
        decimal.map(Self).map_err(|_| "is out of range")
    }

    /// None where the decimal is no amount.
    pub fn from_decimal(decimal: Decimal) -> Option<Self> {
        let fits = decimal.trunc().to_i64().is_some() && decimal.normalize().scale() <= DECIMALS;
        fits.then_some(Self(decimal))
    }

    pub fn decimal(self) -> Decimal {
        self.0
    }

    pub fn times(self, quantity: i32) -> Option<Self> {
        self.0.checked_mul(Decimal::from(quantity)).and_then(Self::from_decimal)
    }

    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_decimal)
    }

    pub fn to_money(self, currency: &str) -> Money {
        let nanos = self.0.fract() * Decimal::from(NANOS_PER_UNIT);
        Money {
            currency_code: currency.to_owned(),
            units: self.0.trunc().to_i64().unwrap_or_default(),
            nanos: nanos.to_i32().unwrap_or_default(),
        }
    }
}
