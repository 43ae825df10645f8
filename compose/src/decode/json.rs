//! JSON into cells.
//!
//! A reply may carry members that nobody asked for, and the last of two with one name wins; a request body may do
//! neither, and is read to its end even after a violation, so that a client learns of all of them.

mod expectation;
mod object;
mod order;
mod seen;
mod union;

use std::borrow::Cow;
use std::sync::LazyLock;

use super::scan::{Flaw, Inside, Scan};
use super::{MAX_BODY_CELLS, MAX_CELLS, MAX_VIOLATIONS, Path, Violation, literal, map};
use crate::tape::{Cell, JsonRead, Member, Object, Value};
use crate::write::unescape;
use expectation::{bounds, expectation, listed};
use order::Order;

pub fn reply(value: &Value, text: &[u8]) -> Result<Vec<Cell>, Violation> {
    let (cells, violations) = decode(value, text, false);
    violations.into_iter().next().map_or(Ok(cells), Err)
}

pub fn body(value: &Value, text: &[u8]) -> Result<Vec<Cell>, Vec<Violation>> {
    let (cells, violations) = decode(value, text, true);
    if violations.is_empty() { Ok(cells) } else { Err(violations) }
}

fn decode(value: &Value, text: &[u8], strict: bool) -> (Vec<Cell>, Vec<Violation>) {
    let cells = Vec::with_capacity((text.len() / 16).clamp(16, 1 << 12));
    let mut decoder = Decoder { scan: Scan::new(text), cells, strict, violations: Vec::new() };
    if let Err(Stop::Flaw(flaw)) = decoder.whole(value) {
        let violation = not_json(flaw, &decoder.scan);
        decoder.violations.truncate(MAX_VIOLATIONS - 1);
        decoder.violations.push(violation);
    }
    (decoder.cells, decoder.violations)
}

struct Decoder<'a> {
    scan: Scan<'a>,
    cells: Vec<Cell>,
    strict: bool,
    violations: Vec<Violation>,
}

/// Why decoding ends before the text does.
enum Stop {
    Flaw(Flaw),
    /// There are violations enough.
    Enough,
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Stop {
        Stop::Flaw(flaw)
    }
}

impl Decoder<'_> {
    fn whole(&mut self, value: &Value) -> Result<(), Stop> {
        self.cells.push(Cell::Null);
        self.cells[0] = self.value(value, &Path::Root)?;
        self.scan.end()?;
        Ok(())
    }

    fn value(&mut self, value: &Value, path: &Path<'_>) -> Result<Cell, Stop> {
        let start = self.scan.at;
        match (&value.read, self.scan.peek()?) {
            // Most values are texts.
            (JsonRead::String, b'"') => {
                let Inside { span, escaped } = self.scan.string()?;
                Ok(if escaped { Cell::Escaped(span) } else { Cell::Text(span) })
            }
            (_, b'n') => {
                self.scan.word("null")?;
                if !value.nullable {
                    self.report(path, "null", "must not be null")?;
                }
                Ok(Cell::Null)
            }
            (JsonRead::Any, _) => {
                self.scan.value()?;
                Ok(Cell::Json(self.scan.span_since(start)))
            }
            (JsonRead::Object(layout), b'{') => self.object(layout, None, None, path).map(Cell::Record),
            (JsonRead::Money, b'{') => self.money(path),
            (JsonRead::List(item), b'[') => self.list(item, path),
            (JsonRead::Map { key, value }, b'{') => self.map(key, value, path),
            (JsonRead::Union(union), b'{') => self.union(union, path),
            (JsonRead::Bool, b't') => {
                self.scan.word("true")?;
                Ok(Cell::Bool(true))
            }
            (JsonRead::Bool, b'f') => {
                self.scan.word("false")?;
                Ok(Cell::Bool(false))
            }
            (JsonRead::Number | JsonRead::Float, b'-' | b'0'..=b'9') => {
                self.scan.number()?;
                let single = value.read == JsonRead::Float;
                let fits = literal::is_finite(&self.scan.text[start..self.scan.at], single);
                let cell = if fits { Ok(Cell::Number(self.scan.span_since(start))) } else { Err("range") };
                self.accept(cell, &value.read, path)
            }
            (JsonRead::Integer { min, max }, b'-' | b'0'..=b'9') => {
                self.scan.number()?;
                let cell = integer(&self.scan.text[start..self.scan.at], *min, *max);
                self.accept(cell, &value.read, path)
            }
            (JsonRead::Bool | JsonRead::Number | JsonRead::Float, _)
            | (
                JsonRead::Object(_) | JsonRead::Money | JsonRead::List(_) | JsonRead::Map { .. } | JsonRead::Union(_),
                _,
            )
            | (_, b'{' | b'[' | b't' | b'f' | b'-' | b'0'..=b'9') => {
                self.scan.value()?;
                self.report(path, "type", expectation(&value.read))?;
                Ok(Cell::Null)
            }
            (read, b'"') => {
                let inside = self.scan.string()?;
                let cell = self.text_value(read, inside);
                self.accept(cell, read, path)
            }
            _ => Err(Flaw::Value.into()),
        }
    }

    fn list(&mut self, item: &Value, path: &Path<'_>) -> Result<Cell, Stop> {
        let (mut head, mut tail, mut len) = (0, 0, 0);
        let mut order = Order::default();
        let mut more = self.scan.open(b']')?;
        while more {
            let node = self.open(&[Cell::Link(0), Cell::Null], path)?;
            if len == 0 {
                head = node;
            } else {
                self.cells[tail as usize] = Cell::Link(node);
            }
            let path = Path::Item(path, len);
            self.cells[node as usize + 1] = match &item.read {
                JsonRead::Object(layout) if !self.strict && self.scan.peek()? == b'{' => {
                    Cell::Record(self.object(layout, None, Some(&mut order), &path)?)
                }
                _ => self.value(item, &path)?,
            };
            tail = node;
            len += 1;
            more = self.scan.more(b']')?;
        }
        Ok(Cell::List { head, tail, len })
    }

    fn map(&mut self, key: &JsonRead, value: &Value, path: &Path<'_>) -> Result<Cell, Stop> {
        let (mut first, mut last, mut len) = (0, 0, 0);
        let mut more = self.scan.open(b'}')?;
        while more {
            let name = self.scan.name()?;
            let path = Path::Member(path, shown(self.scan.text, name));
            let found = self.text_value(key, name);
            let key = self.accept(found, key, &path)?;
            let node = self.open(&[Cell::Link(0), Cell::Null, key, Cell::Null], &path)?;
            self.cells[node as usize + 1] = Cell::Record(node + 2);
            self.cells[node as usize + 3] = self.value(value, &path)?;
            if key != Cell::Null {
                if len == 0 {
                    first = node;
                } else {
                    self.cells[last as usize] = Cell::Link(node);
                }
                last = node;
                len += 1;
            }
            more = self.scan.more(b'}')?;
        }
        let read = Cell::List { head: first, tail: last, len };
        if len < 2 {
            return Ok(read);
        }
        let sorted = map::sorted(&mut self.cells, self.scan.text, read);
        if self.strict && !matches!(sorted, Cell::List { len: distinct, .. } if distinct == len) {
            self.report(path, "duplicate", "must have each name only once")?;
        }
        Ok(sorted)
    }

    /// Currency, units and nanos: read as an object of a currency and an amount, which then is split.
    fn money(&mut self, path: &Path<'_>) -> Result<Cell, Stop> {
        let record = self.object(&MONEY, None, None, path)?;
        let units = record as usize + 1;
        if let Cell::Text(span) | Cell::Escaped(span) = self.cells[units] {
            let text = &self.scan.text[span.start as usize..][..span.len as usize];
            match literal::amount(&plain(text)) {
                Some((whole, nanos)) => {
                    self.cells[units] = Cell::Int(whole);
                    self.cells[units + 1] = Cell::Int(nanos.into());
                }
                None => {
                    let message = "must be an amount with at most 9 decimals that fits 64 bits before the point";
                    self.report(&Path::Member(path, "amount"), "range", message)?;
                }
            }
        }
        Ok(Cell::Record(record))
    }

    fn open(&mut self, blank: &[Cell], path: &Path<'_>) -> Result<u32, Stop> {
        let at = self.cells.len();
        if at + blank.len() > if self.strict { MAX_BODY_CELLS } else { MAX_CELLS } {
            self.violations.push(Violation::new(path, "size", "has too many values to be decoded"));
            return Err(Stop::Enough);
        }
        self.cells.extend_from_slice(blank);
        Ok(at as u32)
    }

    fn inside(&self, inside: Inside) -> &[u8] {
        &self.scan.text[inside.span.start as usize..][..inside.span.len as usize]
    }

    /// The cell of a string, or the code of what is wrong with it.
    fn text_value(&self, read: &JsonRead, inside: Inside) -> Result<Cell, &'static str> {
        let text = if inside.escaped { Cell::Escaped(inside.span) } else { Cell::Text(inside.span) };
        let raw = self.inside(inside);
        if let JsonRead::String = read {
            return Ok(text);
        }
        let plain = if inside.escaped { plain(raw) } else { Cow::Borrowed(raw) };
        match read {
            JsonRead::Integer { min, max } if literal::is_number(&plain) => integer(&plain, *min, *max),
            JsonRead::Integer { .. } => Err("type"),
            JsonRead::Bool if *plain == *b"true" => Ok(Cell::Bool(true)),
            JsonRead::Bool if *plain == *b"false" => Ok(Cell::Bool(false)),
            JsonRead::Enum(names) => {
                let number = std::str::from_utf8(&plain).ok().and_then(|name| names.number_of(name));
                match number {
                    Some(number) => Ok(Cell::Int(number.into())),
                    None if self.strict => Err("range"),
                    None => Ok(UNRECOGNIZED),
                }
            }
            JsonRead::Timestamp => literal::timestamp(&plain).ok_or("format"),
            JsonRead::Duration => literal::duration(&plain).ok_or("format"),
            JsonRead::Date => literal::date(&plain).ok_or("format"),
            JsonRead::Decimal if !literal::is_number(&plain) => Err("format"),
            JsonRead::Decimal => literal::is_decimal(&plain).then_some(text).ok_or("range"),
            JsonRead::Bytes => literal::is_base64(&plain).then_some(text).ok_or("format"),
            _ => Err("type"),
        }
    }

    fn accept(&mut self, cell: Result<Cell, &'static str>, read: &JsonRead, path: &Path<'_>) -> Result<Cell, Stop> {
        match cell {
            Ok(cell) => Ok(cell),
            Err(code) => {
                let message = if code == "range" { bounds(read) } else { expectation(read) };
                self.report(path, code, message)?;
                Ok(Cell::Null)
            }
        }
    }

    #[cold]
    fn report(&mut self, path: &Path<'_>, code: &'static str, message: impl Into<String>) -> Result<(), Stop> {
        self.violations.push(Violation::new(path, code, message));
        let limit = if self.strict { MAX_VIOLATIONS } else { 1 };
        if self.violations.len() < limit { Ok(()) } else { Err(Stop::Enough) }
    }
}

/// What an enum's unknown name becomes; no enum in JSON has this number.
const UNRECOGNIZED: Cell = Cell::Int(-1);

static MONEY: LazyLock<Object> = LazyLock::new(|| {
    let member = |name: &str, slot, read| {
        let value = Value { nullable: false, read };
        Member { name: name.into(), slot, required: true, value }
    };
    let members = vec![member("amount", 1, JsonRead::Decimal), member("currency", 0, JsonRead::String)];
    Object { blank: vec![Cell::Null; 3], members, exclusive: Vec::new() }
});

/// A member's name as it is written, or the begin of it.
fn shown(text: &[u8], name: Inside) -> &str {
    let written = &text[name.span.start as usize..][..name.span.len as usize];
    let written = std::str::from_utf8(written).unwrap_or_default();
    written.char_indices().nth(64).map_or(written, |(end, _)| &written[..end])
}

/// The text of a JSON string's inside.
fn plain(inside: &[u8]) -> Cow<'_, [u8]> {
    match unescape(std::str::from_utf8(inside).unwrap_or_default()) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// A JSON number that is whole, even if written as `1e3` or `1.0`.
fn integer(number: &[u8], min: i64, max: u64) -> Result<Cell, &'static str> {
    let value = match small(number) {
        Some(value) => value.into(),
        None => literal::exact(number, 0).ok_or("type")?,
    };
    if value < min.into() || value > max.into() {
        return Err("range");
    }
    match i64::try_from(value) {
        Ok(value) => Ok(Cell::Int(value)),
        Err(_) => Ok(Cell::Uint(value as u64)),
    }
}

/// The common case: a few digits and nothing else.
#[inline]
fn small(number: &[u8]) -> Option<i64> {
    if number.len() > 18 {
        return None;
    }
    number.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

#[cold]
fn not_json(flaw: Flaw, scan: &Scan<'_>) -> Violation {
    if scan.text.is_empty() {
        return Violation::new(&Path::Root, "syntax", "must be JSON, but is empty");
    }
    let read = &scan.text[..scan.at.min(scan.text.len())];
    let line = 1 + read.iter().filter(|&&byte| byte == b'\n').count();
    let column = 1 + read.iter().rev().take_while(|&&byte| byte != b'\n').count();
    let message = format!("is not valid JSON: {} (line {line}, column {column})", flaw.message());
    Violation::new(&Path::Root, flaw.code(), message)
}
