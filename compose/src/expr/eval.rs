//! Runs `Code` against what is known so far: the inputs, the replies, and the names bound around it.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{AuthField, Code, Comparison, Function, MoneyPart};
use crate::inputs::Inputs;
use crate::run::Outcome;
use crate::tape::{Cell, Tape};
use crate::upstream;
use crate::write;

/// A value borrowed from where it lies.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(Cow<'a, str>),
    /// The inside of a JSON string, with its escapes.
    Escaped(&'a str),
    /// A JSON number token.
    Number(&'a str),
    /// A JSON value.
    Json(&'a str),
    Bytes(&'a [u8]),
    Time {
        seconds: i64,
        nanos: i32,
    },
    Date {
        year: i32,
        month: u8,
        day: u8,
    },
    Record(Node<'a>),
    List(List<'a>),
}

#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    pub tape: &'a Tape,
    pub at: u32,
}

#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    pub tape: &'a Tape,
    pub head: u32,
    pub len: u32,
}

/// An answer that cannot be given although every contract was kept. `call` is whose values are to blame.
#[derive(Debug)]
pub struct Fault {
    pub call: Option<usize>,
    pub code: upstream::Code,
    pub message: String,
}

impl Fault {
    pub fn new(message: impl Into<String>) -> Fault {
        Fault { call: None, code: upstream::Code::Internal, message: message.into() }
    }

    /// What was to be sent is wrong, which is the client's fault where the client said it.
    pub fn bad_request(message: impl Into<String>) -> Fault {
        Fault { code: upstream::Code::InvalidArgument, ..Fault::new(message) }
    }
}

impl<'a> Value<'a> {
    pub fn of_cell(tape: &'a Tape, cell: Cell) -> Value<'a> {
        match cell {
            Cell::Null | Cell::Link(_) => Value::Null,
            Cell::Bool(b) => Value::Bool(b),
            Cell::Int(i) => Value::Int(i),
            Cell::Uint(u) => Value::Uint(u),
            Cell::Float(f) => Value::Float(f),
            Cell::Text(span) => Value::Text(Cow::Borrowed(tape.text(span))),
            Cell::Escaped(span) => Value::Escaped(tape.text(span)),
            Cell::Number(span) => Value::Number(tape.text(span)),
            Cell::Json(span) => Value::Json(tape.text(span)),
            Cell::Bytes(span) => Value::Bytes(tape.slice(span)),
            Cell::Time { seconds, nanos } => Value::Time { seconds, nanos },
            Cell::Date { year, month, day } => Value::Date { year, month, day },
            Cell::Record(at) => Value::Record(Node { tape, at }),
            Cell::List { head, len, .. } => Value::List(List { tape, head, len }),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    fn is_true(&self) -> bool {
        matches!(self, Value::Bool(true))
    }

    /// The value as text: texts unescaped, numbers in decimal, times as RFC 3339. None of records, lists and null.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        let mut out = Vec::new();
        match self {
            Value::Text(t) => return Some(Cow::Borrowed(t)),
            Value::Escaped(t) => return Some(write::unescape(t)),
            Value::Number(t) => return Some(Cow::Borrowed(t)),
            Value::Bool(b) => return Some(Cow::Borrowed(if *b { "true" } else { "false" })),
            Value::Int(i) => write::int(&mut out, *i),
            Value::Uint(u) => write::uint(&mut out, *u),
            Value::Float(f) => write::float(&mut out, *f)?,
            Value::Time { seconds, nanos } => write::timestamp(&mut out, *seconds, *nanos)?,
            Value::Date { year, month, day } => write::date(&mut out, *year, *month, *day)?,
            Value::Bytes(b) => write::base64(&mut out, b),
            Value::Null | Value::Json(_) | Value::Record(_) | Value::List(_) => return None,
        }
        String::from_utf8(out).ok().map(Cow::Owned)
    }

    /// The same value, borrowed from this one.
    pub fn reborrow(&'a self) -> Value<'a> {
        match self {
            Value::Text(t) => Value::Text(Cow::Borrowed(t)),
            other => other.clone(),
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Uint(u) => Some(*u as f64),
            Value::Float(f) => Some(*f),
            Value::Number(t) => t.parse().ok(),
            _ => None,
        }
    }

    /// Null is equal to null alone, and in no order with anything.
    pub fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Value::Null, Value::Null) => Some(Ordering::Equal),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
            (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Value::Time { seconds: a, nanos: an }, Value::Time { seconds: b, nanos: bn }) => {
                Some((a, an).cmp(&(b, bn)))
            }
            (Value::Date { year, month, day }, Value::Date { year: y, month: m, day: d }) => {
                Some((year, month, day).cmp(&(y, m, d)))
            }
            (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
            (Value::Text(_) | Value::Escaped(_), Value::Text(_) | Value::Escaped(_)) => {
                Some(self.text()?.cmp(&other.text()?))
            }
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }
}

impl<'a> Node<'a> {
    pub fn slot(self, slot: u16) -> Value<'a> {
        let at = self.at as usize + usize::from(slot);
        self.tape.cells.get(at).map_or(Value::Null, |cell| Value::of_cell(self.tape, *cell))
    }
}

impl<'a> List<'a> {
    pub fn iter(self) -> impl Iterator<Item = Value<'a>> {
        self.tape.items(self.head, self.len).map(move |cell| Value::of_cell(self.tape, cell))
    }

    /// Of a map, whose nodes lie one behind the other, sorted by key.
    fn value_of(self, key: &Value<'_>) -> Value<'a> {
        let entry = |index: u32| match self.tape.cells.get((self.head + 2 * index + 1) as usize) {
            Some(Cell::Record(at)) => Some(Node { tape: self.tape, at: *at }),
            _ => None,
        };
        let (mut from, mut to) = (0, self.len);
        while from < to {
            let middle = from + (to - from) / 2;
            let Some(found) = entry(middle) else { return Value::Null };
            match found.slot(0).compare(key) {
                Some(Ordering::Equal) => return found.slot(1),
                Some(Ordering::Less) => from = middle + 1,
                Some(Ordering::Greater) => to = middle,
                None => return Value::Null,
            }
        }
        Value::Null
    }
}

/// What expressions can see.
pub struct Env<'a> {
    pub inputs: &'a Inputs,
    pub outcomes: &'a [Outcome],
    pub locals: Vec<Value<'a>>,
}

type Evaluated<'a> = Result<Value<'a>, Fault>;

impl<'a> Env<'a> {
    pub fn new(inputs: &'a Inputs, outcomes: &'a [Outcome], locals: usize) -> Env<'a> {
        Env { inputs, outcomes, locals: vec![Value::Null; locals] }
    }

    pub fn eval(&self, code: &'a Code) -> Evaluated<'a> {
        Ok(match code {
            Code::Null => Value::Null,
            Code::Bool(b) => Value::Bool(*b),
            Code::Int(i) => Value::Int(*i),
            Code::Float(f) => Value::Float(*f),
            Code::Text(t) => Value::Text(Cow::Borrowed(t)),
            Code::Auth(field) => self.auth(*field),
            Code::Now => Value::Time { seconds: self.inputs.now.0, nanos: self.inputs.now.1 },
            Code::Param(n) => self.inputs.params.get(*n).map_or(Value::Null, Value::reborrow),
            Code::Body => self.inputs.body.as_ref().map_or(Value::Null, root),
            Code::Reply(call) => match &self.outcomes[*call] {
                Outcome::Reply { tape, .. } => root(tape),
                _ => Value::Null,
            },
            Code::Header { call, header } => match &self.outcomes[*call] {
                Outcome::Reply { headers, .. } => headers.get(*header).map_or(Value::Null, optional_text),
                _ => Value::Null,
            },
            Code::Found { call, key } => self.found(*call, &self.eval(key)?)?,
            Code::Local(n) => self.locals[*n].clone(),
            Code::Slot { of, slot } => match self.eval(of)? {
                Value::Record(node) => node.slot(*slot),
                _ => Value::Null,
            },
            Code::Entry { of, key } => match self.eval(of)? {
                Value::List(map) => map.value_of(&self.eval(key)?),
                _ => Value::Null,
            },
            Code::MoneyPart { of, part } => money_part(&self.eval(of)?, *part)?,
            Code::Coalesce(left, right) => match self.eval(left)? {
                Value::Null => self.eval(right)?,
                value => value,
            },
            Code::If(condition, yes, no) => self.eval(if self.eval(condition)?.is_true() { yes } else { no })?,
            Code::Not(of) => Value::Bool(!self.eval(of)?.is_true()),
            Code::And(left, right) => Value::Bool(self.eval(left)?.is_true() && self.eval(right)?.is_true()),
            Code::Or(left, right) => Value::Bool(self.eval(left)?.is_true() || self.eval(right)?.is_true()),
            Code::Compare(how, left, right) => Value::Bool(holds(*how, self.eval(left)?.compare(&self.eval(right)?))),
            Code::EnumName { of, names } => match self.eval(of)? {
                Value::Int(number) => Value::Text(Cow::Borrowed(names.name_of(number as i32))),
                other => other,
            },
            Code::Seconds(of) => seconds(&self.eval(of)?)?,
            Code::Function { function, arguments } => self.function(*function, arguments)?,
        })
    }

    fn auth(&self, field: AuthField) -> Value<'a> {
        let Some(auth) = &self.inputs.auth else {
            return if field == AuthField::Authenticated { Value::Bool(false) } else { Value::Null };
        };
        let text = |t: &'a str| Value::Text(Cow::Borrowed(t));
        match field {
            AuthField::Authenticated => Value::Bool(true),
            AuthField::Sub => text(&auth.sub),
            AuthField::Role => text(&auth.role),
            AuthField::Kind => text(&auth.kind),
            AuthField::Email => auth.email.as_deref().map_or(Value::Null, text),
        }
    }

    fn found(&self, call: usize, key: &Value<'a>) -> Evaluated<'a> {
        let Outcome::Found(found) = &self.outcomes[call] else { return Ok(Value::Null) };
        if key.is_null() {
            return Ok(Value::Null);
        }
        match found.get(key) {
            Some(value) => Ok(value),
            None if found.missing_is_null => Ok(Value::Null),
            None => Err(Fault {
                call: Some(call),
                code: upstream::Code::Internal,
                message: "the batch has no result for one of its keys".into(),
            }),
        }
    }

    fn function(&self, function: Function, arguments: &'a [Code]) -> Evaluated<'a> {
        let first = |env: &Self| arguments.first().map_or(Ok(Value::Null), |a| env.eval(a));
        let mapped = |of: Value<'a>, map: fn(&str) -> String| {
            of.text().map_or(Value::Null, |t| Value::Text(Cow::Owned(map(&t))))
        };
        Ok(match function {
            Function::Concat => {
                let mut text = String::new();
                for argument in arguments {
                    if let Some(part) = self.eval(argument)?.text() {
                        text.push_str(&part);
                    }
                }
                Value::Text(Cow::Owned(text))
            }
            Function::Lower => mapped(first(self)?, str::to_lowercase),
            Function::Upper => mapped(first(self)?, str::to_uppercase),
            Function::Trim => mapped(first(self)?, |t| t.trim().to_owned()),
            Function::Text => mapped(first(self)?, str::to_owned),
            Function::Len => match first(self)? {
                Value::List(list) => Value::Int(list.len.into()),
                Value::Bytes(bytes) => Value::Int(bytes.len() as i64),
                other => other.text().map_or(Value::Null, |t| Value::Int(t.chars().count() as i64)),
            },
        })
    }
}

fn optional_text(text: &Option<String>) -> Value<'_> {
    text.as_deref().map_or(Value::Null, |text| Value::Text(Cow::Borrowed(text)))
}

fn root(tape: &Tape) -> Value<'_> {
    tape.cells.first().map_or(Value::Null, |cell| Value::of_cell(tape, *cell))
}

/// No order: only `!=` holds.
fn holds(how: Comparison, order: Option<Ordering>) -> bool {
    match how {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

/// A money's currency, units and nanos.
pub(crate) fn money(node: Node<'_>) -> Result<(Cow<'_, str>, i64, i32), Fault> {
    let wrong = || Fault::new("an amount of money is not one");
    let currency = match node.slot(0) {
        Value::Text(t) => t,
        Value::Escaped(t) => write::unescape(t),
        _ => return Err(wrong()),
    };
    match (node.slot(1), node.slot(2)) {
        (Value::Int(units), Value::Int(nanos)) => Ok((currency, units, i32::try_from(nanos).map_err(|_| wrong())?)),
        _ => Err(wrong()),
    }
}

fn seconds<'a>(of: &Value<'_>) -> Evaluated<'a> {
    let Value::Time { seconds, nanos } = of else { return Ok(Value::Null) };
    let mut out = Vec::new();
    write::duration(&mut out, *seconds, *nanos).ok_or_else(|| Fault::new("a duration is out of range"))?;
    Ok(Value::Text(Cow::Owned(String::from_utf8_lossy(&out).into_owned())))
}

fn money_part<'a>(of: &Value<'a>, part: MoneyPart) -> Evaluated<'a> {
    let Value::Record(node) = of else { return Ok(Value::Null) };
    let (currency, units, nanos) = money(*node)?;
    if part == MoneyPart::Currency {
        return Ok(Value::Text(currency));
    }
    let mut out = Vec::new();
    write::amount(&mut out, &currency, units, nanos).ok_or_else(|| Fault::new("an amount of money mixes signs"))?;
    Ok(Value::Text(Cow::Owned(String::from_utf8_lossy(&out).into_owned())))
}
