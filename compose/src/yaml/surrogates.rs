//! JSON escapes characters beyond 16 bits as two halves, `\ud83d\ude00`; YAML knows them as one, `\U0001F600`.

use std::borrow::Cow;

/// By how many characters the escape becomes shorter.
const SHORTER: usize = 2;

/// A JSON text with its pairs in YAML's form, and where they end.
pub struct Rewritten<'a> {
    pub text: Cow<'a, str>,
    /// Line and column behind each pair, as they are in the new text; both count from 1.
    ends: Vec<(usize, usize)>,
}

impl<'a> Rewritten<'a> {
    pub fn unchanged(text: &'a str) -> Rewritten<'a> {
        Rewritten { text: Cow::Borrowed(text), ends: Vec::new() }
    }

    pub fn of_json(json: &'a str) -> Rewritten<'a> {
        if !json.contains("\\u") {
            return Rewritten::unchanged(json);
        }
        let (mut text, mut ends) = (String::with_capacity(json.len()), Vec::new());
        let (mut line, mut column) = (1, 1);
        let mut rest = json;
        while let Some(first) = rest.chars().next() {
            let (written, taken) = match pair(rest) {
                Some(character) => (format!("\\U{:08X}", u32::from(character)), 12),
                // Whatever an escape escapes begins no escape itself.
                None if first == '\\' => {
                    let taken = rest.chars().take(2).map(char::len_utf8).sum();
                    (rest[..taken].to_owned(), taken)
                }
                None => (first.to_string(), first.len_utf8()),
            };
            (line, column) = if first == '\n' { (line + 1, 1) } else { (line, column + written.chars().count()) };
            if taken == 12 {
                ends.push((line, column));
            }
            text.push_str(&written);
            rest = &rest[taken..];
        }
        Rewritten { text: Cow::Owned(text), ends }
    }

    /// The column that a place of the new text has in the old one.
    pub fn column(&self, line: usize, column: usize) -> usize {
        let first = self.ends.partition_point(|end| end.0 < line);
        let before = self.ends[first..].iter().take_while(|end| end.0 == line && end.1 <= column).count();
        column + SHORTER * before
    }
}

/// The character of the pair that a text begins with.
fn pair(text: &str) -> Option<char> {
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let units = [unit(text)?, unit(text.get(6..)?)?];
    let character = char::decode_utf16(units).next()?.ok()?;
    (character.len_utf16() == 2).then_some(character)
}
