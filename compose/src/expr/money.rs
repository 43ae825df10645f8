//! Amounts of money: exact, and of one currency.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::eval::Evaluated;
use super::value::{Node, unescaped};
use super::{Fault, MoneyPart, Operator, Value};
use crate::tape::Cell;
use crate::write;

const NANOS: i128 = 1_000_000_000;

#[derive(Debug, Clone)]
pub struct Money<'a> {
    /// UTF-8 text.
    pub currency: Cow<'a, [u8]>,
    pub units: i64,
    /// Billionths of a unit, with the units' sign.
    pub nanos: i32,
}

impl<'a> Money<'a> {
    pub fn of(value: &Value<'a>) -> Result<Money<'a>, Fault> {
        match value {
            Value::Money(money) => Ok((**money).clone()),
            Value::Record(node) => Money::read(*node),
            _ => Err(Fault::misfit()),
        }
    }

    fn read(node: Node<'a>) -> Result<Money<'a>, Fault> {
        let currency = match node.cell(0) {
            Cell::Text(span) => Cow::Borrowed(node.tape.slice(span)),
            Cell::Escaped(span) => unescaped(node.tape.slice(span)),
            _ => return Err(Fault::misfit()),
        };
        match (node.cell(1), node.cell(2)) {
            (Cell::Int(units), Cell::Int(nanos)) => {
                Ok(Money { currency, units, nanos: i32::try_from(nanos).map_err(|_| Fault::misfit())? })
            }
            _ => Err(Fault::misfit()),
        }
    }

    /// Appends the amount as decimal text.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let written = write::amount(out, &self.currency, self.units, self.nanos);
        written.ok_or_else(|| Fault::new("an amount of money mixes signs, or its nanos are a whole unit"))
    }

    fn total(&self) -> i128 {
        i128::from(self.units) * NANOS + i128::from(self.nanos)
    }

    /// None of two currencies, which have no order.
    pub fn compare(&self, other: &Money<'_>) -> Option<Ordering> {
        (self.currency == other.currency).then(|| self.total().cmp(&other.total()))
    }

    fn of_total(currency: Cow<'a, [u8]>, total: i128) -> Result<Money<'a>, Fault> {
        let units = i64::try_from(total / NANOS).map_err(|_| Fault::new("an amount of money is out of range"))?;
        Ok(Money { currency, units, nanos: (total % NANOS) as i32 })
    }
}

/// Sums and differences of money, and its multiples.
pub(super) fn arithmetic<'a>(operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Evaluated<'a> {
    let (money, total) = match (operator, left.integer(), right.integer()) {
        (Operator::Multiply, None, Some(times)) | (Operator::Multiply, Some(times), None) => {
            let money = Money::of(if left.integer().is_none() { left } else { right })?;
            let total = money.total().checked_mul(times);
            (money, total.ok_or_else(|| Fault::new("an amount of money is out of range"))?)
        }
        (Operator::Add | Operator::Subtract, None, None) => {
            let (left, right) = (Money::of(left)?, Money::of(right)?);
            if left.currency != right.currency {
                return Err(Fault::new("amounts of two currencies cannot be added"));
            }
            let sign = if operator == Operator::Add { 1 } else { -1 };
            let total = left.total() + sign * right.total();
            (left, total)
        }
        _ => return Err(Fault::misfit()),
    };
    Money::of_total(money.currency, total).map(|money| Value::Money(Box::new(money)))
}

pub(super) fn part<'a>(of: &Value<'a>, part: MoneyPart) -> Evaluated<'a> {
    if of.is_null() {
        return Ok(Value::Null);
    }
    let money = Money::of(of)?;
    if part == MoneyPart::Currency {
        return Ok(Value::Text(money.currency));
    }
    let mut out = Vec::with_capacity(24);
    money.write(&mut out)?;
    Ok(Value::Text(out.into()))
}

/// In the minor unit of its currency, exactly.
pub(super) fn minor<'a>(values: &[Value<'a>]) -> Evaluated<'a> {
    let [value] = values else { return Err(Fault::misfit()) };
    let money = Money::of(value)?;
    if money.currency.len() != 3 || !money.currency.iter().all(u8::is_ascii_uppercase) {
        return Err(Fault::new("an amount of money has no currency of ISO 4217"));
    }
    // At most four digits, so that this divides.
    let one = NANOS / 10i128.pow(write::minor_digits(&money.currency) as u32);
    let total = money.total();
    if total % one != 0 {
        return Err(Fault::new("an amount of money is not a whole number of its currency's minor unit"));
    }
    let minor = i64::try_from(total / one).map_err(|_| Fault::new("an amount of money is out of range"))?;
    Ok(Value::Int(minor))
}
