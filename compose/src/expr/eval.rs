//! Runs `Code` against what is known so far: the inputs, the replies, and the names bound around it.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::decimal::Decimal;
use super::list::{List, sum};
use super::number::{self, Number, arithmetic};
use super::value::{Node, utf8};
use super::{AuthField, Code, Comparison, Fault, FormatDate, Money, Signature, Value, money, text, time};
use crate::definition::Missing;
use crate::inputs::Inputs;
use crate::plan::CallSet;
use crate::run::{Instead, Key, Outcome};

/// A key without a result.
#[cold]
fn absent(call: usize, missing: Missing) -> Fault {
    if missing == Missing::Drop {
        let mut fault = Fault::new("");
        fault.drops_item = true;
        return fault;
    }
    let mut fault = Fault::new("the batch has no result for one of its keys");
    fault.call = Some(call);
    fault
}

/// The work of one request at the most: each item of a list that is looked at is a step, and so are 16 bytes of a text.
/// Replies are bounded; what a view does with each item of one for each item of another is bounded here.
const MAX_STEPS: usize = 10_000_000;

/// What expressions can see.
pub struct Env<'a> {
    pub inputs: &'a Inputs,
    pub outcomes: &'a [Outcome],
    /// Empty until one is bound.
    locals: Vec<Value<'a>>,
    most_locals: usize,
    steps: usize,
    looked_up: LookedUp<'a>,
}

/// The last look-up among the results of a call: mostly the next is of the same key, or of the one behind it.
struct LookedUp<'a> {
    call: usize,
    /// Empty of a key that is no text.
    key: &'a [u8],
    place: usize,
}

pub(super) type Evaluated<'a> = Result<Value<'a>, Fault>;

impl<'a> Env<'a> {
    pub fn new(inputs: &'a Inputs, outcomes: &'a [Outcome], locals: usize) -> Env<'a> {
        let looked_up = LookedUp { call: usize::MAX, key: &[], place: 0 };
        Env { inputs, outcomes, locals: Vec::new(), most_locals: locals, steps: MAX_STEPS, looked_up }
    }

    /// Takes from what is left of the request's work.
    pub fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        self.steps = self.steps.checked_sub(steps).ok_or_else(|| Fault::new("an answer would take too many steps"))?;
        Ok(())
    }

    #[inline]
    pub fn eval(&mut self, code: &'a Code) -> Evaluated<'a> {
        match code {
            // What most values are.
            Code::Slot { of, slot } => Ok(self.record(of)?.map_or(Value::Null, |node| node.slot(*slot))),
            code => self.computed(code),
        }
    }

    fn computed(&mut self, code: &'a Code) -> Evaluated<'a> {
        Ok(match code {
            Code::Null => Value::Null,
            Code::Bool(b) => Value::Bool(*b),
            Code::Int(i) => Value::Int(*i),
            Code::Float(f) => Value::Float(*f),
            Code::Text(t) => Value::text_of(t),
            Code::Auth(field) => self.auth(*field),
            Code::Now => Value::Time { seconds: self.inputs.now.0, nanos: self.inputs.now.1 },
            Code::Param(n) => self.inputs.params.get(*n).map_or(Value::Null, Value::reborrow),
            Code::Body => self.inputs.body.as_ref().map_or(Value::Null, Value::of_tape),
            Code::Reply(call) => self.reply(*call),
            Code::Header { call, header } => match &self.outcomes[*call] {
                Outcome::Reply { headers, .. } => headers.get(*header).map_or(Value::Null, optional_text),
                _ => Value::Null,
            },
            Code::Found { call, key } => {
                let key = self.eval(key)?;
                self.found(*call, &key)?
            }
            Code::Results(call) => self.results(*call)?,
            Code::Local(n) => self.locals.get(*n).map_or(Value::Null, Value::clone),
            Code::Slot { of, slot } => self.record(of)?.map_or(Value::Null, |node| node.slot(*slot)),
            Code::Entry { of, key } => match self.eval(of)? {
                Value::List(map) => map.value_of(&self.eval(key)?),
                _ => Value::Null,
            },
            Code::Item { of, index } => match self.eval(of)? {
                Value::List(list) => self.item(&list, index)?,
                _ => Value::Null,
            },
            Code::Each { lists, item } => self.list(lists, item)?,
            Code::MoneyPart { of, part } => money::part(&self.eval(of)?, *part)?,
            Code::Decimal(of) => match self.eval(of)? {
                Value::Null => Value::Null,
                value => Decimal::of(&value)?.into(),
            },
            Code::Arithmetic { operator, number, left, right } => {
                arithmetic(*operator, *number, &self.eval(left)?, &self.eval(right)?)?
            }
            Code::Blame { whose, of } => self.eval(of).map_err(|fault| fault.blamed_on(*whose))?,
            Code::Coalesce(left, right) => match self.eval(left)? {
                Value::Null => self.eval(right)?,
                value => value,
            },
            Code::If(condition, yes, no) => {
                let chosen = if self.eval(condition)?.is_true() { yes } else { no };
                self.eval(chosen)?
            }
            Code::Not(of) => Value::Bool(!self.eval(of)?.is_true()),
            Code::And(left, right) => Value::Bool(self.eval(left)?.is_true() && self.eval(right)?.is_true()),
            Code::Or(left, right) => Value::Bool(self.eval(left)?.is_true() || self.eval(right)?.is_true()),
            Code::Compare(how, left, right) => Value::Bool(compared(*how, &self.eval(left)?, &self.eval(right)?)?),
            Code::EnumName { of, names } => match self.eval(of)? {
                Value::Int(number) => Value::text_of(names.name_of(number as i32)),
                other => other,
            },
            Code::Narrowed(of) => number::nearest_float(self.eval(of)?),
            Code::Single(of) => number::single(self.eval(of)?)?,
            Code::Seconds(of) => time::seconds(&self.eval(of)?)?,
            Code::Concat(parts) => self.concat(parts)?,
            Code::Sum { number, list } => self.sum(*number, list)?,
            Code::FormatDate(formatted) => {
                let mut text = Vec::with_capacity(32);
                self.format_date(formatted, &mut text)?.map_or(Value::Null, |()| Value::Text(text.into()))
            }
            Code::Function { function, arguments } => self.function(function, arguments)?,
        })
    }

    /// The record that the code gives; none of null.
    #[inline]
    pub fn record(&mut self, code: &'a Code) -> Result<Option<Node<'a>>, Fault> {
        match code {
            // What most fields are of.
            Code::Local(n) => match self.locals.get(*n) {
                Some(Value::Record(node)) => Ok(Some(*node)),
                _ => Ok(None),
            },
            code => self.inner_record(code),
        }
    }

    fn inner_record(&mut self, code: &'a Code) -> Result<Option<Node<'a>>, Fault> {
        let value = match code {
            Code::Slot { of, slot } => return Ok(self.record(of)?.and_then(|node| node.record(*slot))),
            Code::Found { call, key } => {
                let key = self.eval(key)?;
                self.found(*call, &key)?
            }
            code => self.computed(code)?,
        };
        Ok(if let Value::Record(node) = value { Some(node) } else { None })
    }

    /// Appends the text; none of null.
    pub fn format_date(&mut self, formatted: &'a FormatDate, out: &mut Vec<u8>) -> Result<Option<()>, Fault> {
        let FormatDate { of, pattern, offset } = formatted;
        let value = self.eval(of)?;
        let offset = offset.as_ref().map(|offset| self.eval(offset)).transpose()?;
        if value.is_null() || offset.as_ref().is_some_and(Value::is_null) {
            return Ok(None);
        }
        let before = out.len();
        time::format(&value, pattern, offset.as_ref(), out)?;
        self.spend((out.len() - before) / 16)?;
        Ok(Some(()))
    }

    /// The amount of money that the code gives; none of null.
    pub fn money(&mut self, of: &'a Code) -> Result<Option<Money<'a>>, Fault> {
        match self.eval(of)? {
            Value::Null => Ok(None),
            money => Money::of(&money).map(Some),
        }
    }

    /// Gives a local its value.
    pub fn bind(&mut self, local: usize, value: Value<'a>) {
        if local >= self.locals.len() {
            self.locals.resize(self.most_locals.max(local + 1), Value::Null);
        }
        self.locals[local] = value;
    }

    fn item(&mut self, list: &List<'a>, index: &'a Code) -> Evaluated<'a> {
        let index = self.eval(index)?;
        let before = index.integer().and_then(|i| usize::try_from(i).ok()).unwrap_or(0);
        self.spend(before.min(list.len()))?;
        Ok(list.get(&index))
    }

    fn sum(&mut self, number: Number, list: &'a Code) -> Evaluated<'a> {
        let list = self.eval(list)?;
        self.spend(list.extent())?;
        sum(&list, number)
    }

    fn list(&mut self, lists: &'a [(Code, usize)], item: &'a Code) -> Evaluated<'a> {
        let Some(((outermost, local), within)) = lists.split_first() else { return Ok(Value::Null) };
        let Value::List(list) = self.eval(outermost)? else { return Ok(Value::Null) };
        let mut values = Vec::new();
        for entry in list.iter() {
            self.spend(1)?;
            self.bind(*local, entry);
            self.each(within, item, &mut |value| values.push(value))?;
        }
        Ok(Value::List(List::Values(values.into())))
    }

    /// Visits what every item of lists within lists gives.
    pub fn each(
        &mut self,
        lists: &'a [(Code, usize)],
        item: &'a Code,
        visit: &mut dyn FnMut(Value<'a>),
    ) -> Result<(), Fault> {
        let Some(((list, local), within)) = lists.split_first() else {
            visit(self.eval(item)?);
            return Ok(());
        };
        if let Value::List(list) = self.eval(list)? {
            for entry in list.iter() {
                self.spend(1)?;
                self.bind(*local, entry);
                self.each(within, item, visit)?;
            }
        }
        Ok(())
    }

    /// Whether one of the calls has failed and leaves members out.
    pub fn omits(&self, calls: CallSet) -> bool {
        calls.iter().any(|call| matches!(self.outcomes[call], Outcome::Failed { instead: Instead::Omit, .. }))
    }

    /// What a call answered, or its default.
    fn reply(&self, call: usize) -> Value<'a> {
        match &self.outcomes[call] {
            Outcome::Reply { tape, .. } => Value::of_tape(tape),
            Outcome::Failed { instead: Instead::Default(tape), .. } => Value::of_tape(tape),
            _ => Value::Null,
        }
    }

    fn auth(&self, field: AuthField) -> Value<'a> {
        let Some(auth) = &self.inputs.auth else {
            return if field == AuthField::Authenticated { Value::Bool(false) } else { Value::Null };
        };
        match field {
            AuthField::Authenticated => Value::Bool(true),
            AuthField::Sub => Value::text_of(&auth.sub),
            AuthField::Role => Value::text_of(&auth.role),
            AuthField::Kind => Value::text_of(&auth.kind),
            AuthField::Scopes => Value::List(List::Texts(&auth.scopes)),
            AuthField::Email => auth.email.as_deref().map_or(Value::Null, Value::text_of),
        }
    }

    fn results(&mut self, call: usize) -> Evaluated<'a> {
        let outcomes = self.outcomes;
        let Outcome::Found(found) = &outcomes[call] else { return Ok(Value::Null) };
        let results = found.all();
        self.spend(results.len())?;
        Ok(Value::List(List::Values(results.into())))
    }

    fn found(&mut self, call: usize, key: &Value<'a>) -> Evaluated<'a> {
        let outcomes = self.outcomes;
        let Outcome::Found(found) = &outcomes[call] else { return Ok(Value::Null) };
        let before = &self.looked_up;
        let text: &'a [u8] = if let Value::Text(Cow::Borrowed(text)) = key { text } else { &[] };
        // The very same bytes, so that nobody need compare them.
        if before.call == call && !text.is_empty() && std::ptr::eq(before.key, text) {
            return Ok(found.at(before.place));
        }
        let Some(key) = Key::of(key) else { return Ok(Value::Null) };
        let next = if before.call == call { before.place + 1 } else { 0 };
        match found.place(&key, next) {
            Some(place) => {
                self.looked_up = LookedUp { call, key: text, place };
                Ok(found.at(place))
            }
            None if found.missing == Missing::Null => Ok(Value::Null),
            None => Err(absent(call, found.missing)),
        }
    }

    /// Null of null.
    fn function(&mut self, function: &Signature, arguments: &'a [Code]) -> Evaluated<'a> {
        let mut few = [Value::Null, Value::Null, Value::Null];
        let many: Vec<Value<'a>>;
        let values = if arguments.len() <= few.len() {
            for (value, code) in few.iter_mut().zip(arguments) {
                *value = self.eval(code)?;
            }
            &few[..arguments.len()]
        } else {
            many = arguments.iter().map(|code| self.eval(code)).collect::<Result<_, Fault>>()?;
            &many
        };
        if values.iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        self.spend(values.iter().map(Value::extent).sum())?;
        let value = function.call(values)?;
        self.spend(value.extent())?;
        Ok(value)
    }

    fn concat(&mut self, parts: &'a [Code]) -> Evaluated<'a> {
        let mut text = String::new();
        for part in parts {
            text::append(&mut text, &self.eval(part)?)?;
        }
        let text = Value::of_string(text);
        self.spend(text.extent())?;
        Ok(text)
    }
}

fn optional_text(text: &Option<String>) -> Value<'_> {
    text.as_deref().map_or(Value::Null, Value::text_of)
}

fn compared(how: Comparison, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
    let ordered = !matches!(how, Comparison::Equal | Comparison::NotEqual);
    let order = match ordered && !left.is_null() && !right.is_null() {
        true => Some(left.order(right)?),
        false => left.compare(right),
    };
    Ok(holds(how, order))
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

impl Code {
    /// What the code gives whatever is asked and answered, as a literal where one can say it; None where that depends.
    pub(crate) fn constant(&self, nothing: &Inputs) -> Option<Result<Option<Code>, Fault>> {
        let value = self.is_constant().then(|| Env::new(nothing, &[], 0).eval(self))?;
        Some(value.map(|value| match value {
            Value::Bool(b) => Some(Code::Bool(b)),
            Value::Int(i) => Some(Code::Int(i)),
            Value::Float(f) => Some(Code::Float(f)),
            Value::Text(t) => Some(Code::Text(utf8(&t).into())),
            _ => None,
        }))
    }

    fn is_constant(&self) -> bool {
        match self {
            Code::Null | Code::Bool(_) | Code::Int(_) | Code::Float(_) | Code::Text(_) => true,
            Code::Decimal(of) => of.is_constant(),
            Code::Arithmetic { left, right, .. } => left.is_constant() && right.is_constant(),
            Code::Sum { list, .. } => list.is_constant(),
            Code::Concat(_) | Code::FormatDate(_) | Code::Function { .. } => {
                self.inner().into_iter().all(Code::is_constant)
            }
            _ => false,
        }
    }
}
