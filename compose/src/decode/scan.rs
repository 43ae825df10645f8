//! A JSON scanner (RFC 8259): finds where things begin and end, builds nothing.
//!
//! What is kept is checked in full. What is skipped is checked for its structure: brackets match, strings end.

use super::skip;
use crate::tape::Span;
use crate::write::special;

pub const MAX_DEPTH: u32 = 128;

/// A text and how far it was read; outside of the methods here, always at the first byte of a value or a name.
#[derive(Clone)]
pub struct Scan<'a> {
    pub text: &'a [u8],
    pub at: usize,
    depth: u32,
}

/// The inside of a string.
#[derive(Clone, Copy)]
pub struct Inside {
    pub span: Span,
    pub escaped: bool,
}

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy)]
pub enum Flaw {
    End,
    Value,
    Name,
    Colon,
    Comma,
    Bracket,
    Number,
    Control,
    Escape,
    Surrogate,
    Utf8,
    Depth,
    Trailing,
}

impl<'a> Scan<'a> {
    /// At the first value; a byte order mark is passed over.
    pub fn new(text: &'a [u8]) -> Scan<'a> {
        let at = if text.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let mut scan = Scan { text, at, depth: 0 };
        scan.space();
        scan
    }

    #[inline]
    pub fn peek(&self) -> Result<u8, Flaw> {
        self.text.get(self.at).copied().ok_or(Flaw::End)
    }

    /// The next sixteen bytes.
    #[inline]
    pub fn ahead(&self) -> u128 {
        sixteen(self.text, self.at)
    }

    /// On by so much, and to the first byte of a value.
    #[inline]
    pub fn pass(&mut self, len: usize) {
        self.at += len;
        self.space();
    }

    pub fn span_since(&self, start: usize) -> Span {
        Span { start: start as u32, len: (self.at - start) as u32 }
    }

    /// Into an object or an array: whether it holds anything. `close` is the bracket that ends it.
    #[inline]
    pub fn open(&mut self, close: u8) -> Result<bool, Flaw> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Flaw::Depth);
        }
        self.space();
        if self.peek()? != close {
            return Ok(true);
        }
        self.at += 1;
        self.depth -= 1;
        Ok(false)
    }

    /// Behind a member or an item: whether another one follows.
    #[inline]
    pub fn more(&mut self, close: u8) -> Result<bool, Flaw> {
        self.space();
        match self.peek()? {
            b',' => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            byte if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            _ => Err(Flaw::Comma),
        }
    }

    /// A member's name, and on to its value.
    #[inline]
    pub fn name(&mut self) -> Result<Inside, Flaw> {
        if self.peek()? != b'"' {
            return Err(Flaw::Name);
        }
        let name = self.string()?;
        self.space();
        if self.peek()? != b':' {
            return Err(Flaw::Colon);
        }
        self.at += 1;
        self.space();
        Ok(name)
    }

    #[inline]
    pub fn string(&mut self) -> Result<Inside, Flaw> {
        self.at += 1;
        let start = self.at;
        let (mut escaped, mut ascii) = (false, true);
        loop {
            let run = special(self.text, self.at);
            self.at = run.end;
            ascii &= run.ascii;
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(Flaw::Control),
            }
        }
        if !ascii && std::str::from_utf8(&self.text[start..self.at]).is_err() {
            return Err(Flaw::Utf8);
        }
        let span = self.span_since(start);
        self.at += 1;
        Ok(Inside { span, escaped })
    }

    pub fn number(&mut self) -> Result<(), Flaw> {
        self.at += number(&self.text[self.at..]).ok_or(Flaw::Number)?;
        Ok(())
    }

    /// `null`, `true` or `false`.
    pub fn word(&mut self, word: &'static str) -> Result<(), Flaw> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err(Flaw::Value);
        }
        self.at += word.len();
        Ok(())
    }

    /// Any value, checked in full.
    pub fn value(&mut self) -> Result<(), Flaw> {
        match self.peek()? {
            b'{' => {
                let mut more = self.open(b'}')?;
                while more {
                    self.name()?;
                    self.value()?;
                    more = self.more(b'}')?;
                }
                Ok(())
            }
            b'[' => {
                let mut more = self.open(b']')?;
                while more {
                    self.value()?;
                    more = self.more(b']')?;
                }
                Ok(())
            }
            _ => self.leaf(),
        }
    }

    /// Any value, checked for its structure.
    #[inline]
    pub fn skip(&mut self) -> Result<(), Flaw> {
        match self.peek()? {
            b'"' => self.skip_string(),
            b'{' | b'[' => self.skip_nested(),
            _ => self.leaf(),
        }
    }

    /// Behind the last value.
    pub fn end(&mut self) -> Result<(), Flaw> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(Flaw::Trailing) }
    }

    fn leaf(&mut self) -> Result<(), Flaw> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(Flaw::Value),
        }
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn skip_string(&mut self) -> Result<(), Flaw> {
        self.at = special(self.text, self.at + 1).end;
        match self.peek()? {
            b'"' => {
                self.at += 1;
                Ok(())
            }
            b'\\' => self.skip_to(skip::string(self.text, self.at)),
            _ => Err(Flaw::Control),
        }
    }

    fn skip_nested(&mut self) -> Result<(), Flaw> {
        self.skip_to(skip::nested(self.text, self.at, self.depth))
    }

    fn skip_to(&mut self, end: Result<usize, (usize, Flaw)>) -> Result<(), Flaw> {
        let (at, result) = end.map_or_else(|(at, flaw)| (at, Err(flaw)), |end| (end, Ok(())));
        self.at = at;
        result
    }

    /// From a backslash to behind its escape.
    fn escape(&mut self) -> Result<(), Flaw> {
        self.at += 1;
        match self.peek()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => match self.unit()? {
                0xD800..=0xDBFF => {
                    let low = self.text[self.at..].starts_with(b"\\u");
                    self.at += usize::from(low);
                    if !low || !matches!(self.unit()?, 0xDC00..=0xDFFF) {
                        return Err(Flaw::Surrogate);
                    }
                }
                0xDC00..=0xDFFF => return Err(Flaw::Surrogate),
                _ => {}
            },
            _ => return Err(Flaw::Escape),
        }
        Ok(())
    }

    /// The UTF-16 unit of `uXXXX`.
    fn unit(&mut self) -> Result<u16, Flaw> {
        let digits = self.text.get(self.at + 1..self.at + 5).ok_or(Flaw::End)?;
        let mut unit = 0;
        for &digit in digits {
            unit = unit << 4 | char::from(digit).to_digit(16).ok_or(Flaw::Escape)? as u16;
        }
        self.at += 5;
        Ok(unit)
    }
}

/// Sixteen bytes of a text, zeros behind its end.
#[inline]
pub fn sixteen(text: &[u8], at: usize) -> u128 {
    let rest = text.get(at..).unwrap_or_default();
    let bytes = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut bytes = [0; 16];
        bytes[..rest.len()].copy_from_slice(rest);
        bytes
    });
    u128::from_le_bytes(bytes)
}

/// The length of the number that a text begins with.
pub fn number(text: &[u8]) -> Option<usize> {
    let digits = |at: usize| text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || whole > 1 && text[at] == b'0' {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        at += 1 + fraction;
        if fraction == 0 {
            return None;
        }
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        at += 1 + sign + exponent;
        if exponent == 0 {
            return None;
        }
    }
    Some(at)
}

impl Flaw {
    pub fn code(self) -> &'static str {
        match self {
            Flaw::Depth => "depth",
            _ => "syntax",
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Flaw::End => "it ends too early",
            Flaw::Value => "a value is expected",
            Flaw::Name => "a member's name in double quotes is expected",
            Flaw::Colon => "`:` is expected after a member's name",
            Flaw::Comma => "`,` or the closing bracket is expected",
            Flaw::Bracket => "a closing bracket does not match the open one",
            Flaw::Number => "a number is malformed",
            Flaw::Control => "a control character in a string must be escaped",
            Flaw::Escape => "an escape in a string is unknown",
            Flaw::Surrogate => "half of a surrogate pair stands alone",
            Flaw::Utf8 => "a string is not UTF-8",
            Flaw::Depth => "it is nested deeper than 128 levels",
            Flaw::Trailing => "something follows its end",
        }
    }
}
