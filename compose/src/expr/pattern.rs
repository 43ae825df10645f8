//! Formats of dates: read once, when a view is checked.

/// What `format_date` writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    /// With so many digits at least.
    Number(Field, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

/// What a pattern may ask of a time; of a date, its time is midnight.
#[derive(Default)]
pub(super) struct Moment {
    pub year: i32,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub millisecond: u16,
}

impl Pattern {
    pub fn read(pattern: &str) -> Result<Pattern, String> {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            if first == '\'' {
                let (text, behind) = quoted(&rest[1..]).ok_or("a quote of the pattern is not closed")?;
                parts.push(Part::Text(text));
                rest = behind;
                continue;
            }
            let (word, behind) = rest.split_at(rest.len() - rest.trim_start_matches(first).len());
            parts.push(match word {
                "yyyy" => Part::Number(Field::Year, 4),
                "MM" => Part::Number(Field::Month, 2),
                "M" => Part::Number(Field::Month, 1),
                "dd" => Part::Number(Field::Day, 2),
                "d" => Part::Number(Field::Day, 1),
                "HH" => Part::Number(Field::Hour, 2),
                "H" => Part::Number(Field::Hour, 1),
                "mm" => Part::Number(Field::Minute, 2),
                "ss" => Part::Number(Field::Second, 2),
                "SSS" => Part::Number(Field::Millisecond, 3),
                _ if first.is_ascii_alphabetic() => return Err(format!("a pattern has no `{word}`")),
                _ => Part::Text(word.to_owned()),
            });
            rest = behind;
        }
        Ok(Pattern { parts })
    }

    /// What it writes can stand in a JSON string as it is.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Text(text) => !text.chars().any(|c| c.is_ascii_control() || matches!(c, '"' | '\\')),
            Part::Number(..) => true,
        })
    }

    pub(super) fn write(&self, moment: &Moment, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => match text.as_bytes() {
                    [byte] => out.push(*byte),
                    bytes => out.extend_from_slice(bytes),
                },
                Part::Number(field, width) => digits(moment.field(*field), *width, out),
            }
        }
    }
}

impl Moment {
    fn field(&self, field: Field) -> u32 {
        match field {
            Field::Year => self.year.unsigned_abs(),
            Field::Month => self.month.into(),
            Field::Day => self.day.into(),
            Field::Hour => self.hour.into(),
            Field::Minute => self.minute.into(),
            Field::Second => self.second.into(),
            Field::Millisecond => self.millisecond.into(),
        }
    }
}

/// A number below 10 000, with zeros before it where it is shorter.
fn digits(number: u32, width: usize, out: &mut Vec<u8>) {
    let digit = |power: u32| b'0' + (number / power % 10) as u8;
    // What almost every part is.
    if width == 2 && number < 100 {
        out.extend_from_slice(&[digit(10), digit(1)]);
        return;
    }
    let all = [digit(1000), digit(100), digit(10), digit(1)];
    let needed = all.iter().position(|&digit| digit != b'0').map_or(1, |zeros| 4 - zeros);
    out.extend_from_slice(&all[4 - needed.max(width)..]);
}

/// The text up to the closing quote, and what follows; two quotes are one, also alone.
fn quoted(rest: &str) -> Option<(String, &str)> {
    let (text, behind) = rest.split_once('\'')?;
    if text.is_empty() {
        return Some(("'".to_owned(), behind));
    }
    let (mut text, mut behind) = (text.to_owned(), behind);
    while let Some(more) = behind.strip_prefix('\'') {
        let (after, rest) = more.split_once('\'')?;
        text = text + "'" + after;
        behind = rest;
    }
    Some((text, behind))
}
