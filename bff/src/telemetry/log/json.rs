//! One flat JSON object a line: the time, the level, where in the code, the line's fields, its request's fields.

use std::fmt::{Debug, Result, Write};

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::{Treatment, WITHHELD, treatment};
use crate::clock::Clock;

/// Writes a line.
pub struct Lines;

/// Writes the members of an object, each with a comma before it.
pub struct Members;

/// Longer texts are cut: a line must stay a line.
const MAX_CHARS: usize = 2_000;
/// Of a usual line.
const LINE_BYTES: usize = 512;

impl<S> FormatEvent<S, Members> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(&self, context: &FmtContext<'_, S, Members>, mut writer: Writer<'_>, event: &Event<'_>) -> Result {
        let metadata = event.metadata();
        let mut line = String::with_capacity(LINE_BYTES);
        line.push_str("{\"timestamp\":\"");
        push_time(&mut line, Clock::system().now());
        for text in ["\",\"level\":\"", metadata.level().as_str(), "\",\"target\":\"", metadata.target(), "\""] {
            line.push_str(text);
        }
        event.record(&mut Visitor(&mut line));
        for span in context.event_scope().into_iter().flatten() {
            if let Some(members) = span.extensions().get::<FormattedFields<Members>>() {
                line.push_str(members);
            }
        }
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

impl<'writer> FormatFields<'writer> for Members {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> Result {
        let mut members = String::with_capacity(LINE_BYTES);
        fields.record(&mut Visitor(&mut members));
        writer.write_str(&members)
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> Result {
        fields.record(&mut Visitor(&mut current.fields));
        Ok(())
    }
}

/// Writes members behind what is there; a `String` takes everything.
struct Visitor<'a>(&'a mut String);

impl Visitor<'_> {
    fn member(&mut self, field: &Field, write: impl FnOnce(&mut String)) {
        let name = field.name();
        let treatment = treatment(name);
        if treatment == Treatment::Skipped {
            return;
        }
        self.0.push_str(",\"");
        match treatment {
            Treatment::Written => self.0.push_str(name),
            Treatment::Withheld | Treatment::Skipped => self.0.extend(name.escape_default()),
        }
        self.0.push_str("\":");
        match treatment {
            Treatment::Written => write(self.0),
            Treatment::Withheld | Treatment::Skipped => push_quoted(self.0, |text| text.write_str(WITHHELD)),
        }
    }
}

impl Visit for Visitor<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |line| line.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |line| line.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |line| line.push_str(if value { "true" } else { "false" }));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |line| push_quoted(line, |text| text.write_str(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |line| push_quoted(line, |text| write!(text, "{value:?}")));
    }
}

/// A JSON string.
fn push_quoted(line: &mut String, write: impl FnOnce(&mut Escaped) -> Result) {
    line.push('"');
    // A value that cannot be formatted ends there.
    let _ = write(&mut Escaped { line, left: MAX_CHARS });
    line.push('"');
}

/// As in 2026-01-01T12:00:00.000000Z.
fn push_time(line: &mut String, time: OffsetDateTime) {
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second, micro) = time.to_hms_micro();
    let year = u32::try_from(year).unwrap_or_default();
    let two_digits = |number: u32| [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8].map(char::from);
    let pairs = [
        (year / 100, None),
        (year % 100, Some('-')),
        (u32::from(u8::from(month)), Some('-')),
        (u32::from(day), Some('T')),
        (u32::from(hour), Some(':')),
        (u32::from(minute), Some(':')),
        (u32::from(second), Some('.')),
        (micro / 10_000, None),
        (micro / 100, None),
        (micro % 100, Some('Z')),
    ];
    for (number, behind) in pairs {
        line.extend(two_digits(number % 100));
        line.extend(behind);
    }
}

/// Text on its way into a JSON string.
struct Escaped<'a> {
    line: &'a mut String,
    left: usize,
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> Result {
        // Looking at all bytes, whatever the first ones are, takes many at a time.
        if text.len() <= self.left && text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
            self.left -= text.len();
            self.line.push_str(text);
            return Ok(());
        }
        for char in text.chars().take(self.left) {
            self.left -= 1;
            match char {
                '"' | '\\' => self.line.extend(['\\', char]),
                char if char.is_control() => write!(self.line, "\\u{:04x}", u32::from(char))?,
                char => self.line.push(char),
            }
        }
        Ok(())
    }
}

fn is_plain(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\')
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use time::macros::datetime;

    use super::{push_quoted, push_time};

    #[test]
    fn a_text_survives_its_quotes() {
        let text = "a \"quote\", a \\ and a line\nof \u{1b}[31mcolour\u{85} \u{2028} \u{1f980}";
        let mut line = String::new();
        push_quoted(&mut line, |escaped| escaped.write_str(text));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_time_has_all_its_digits() {
        let mut line = String::new();
        push_time(&mut line, datetime!(2026-01-02 03:04:05.000678 UTC));
        assert_eq!(line, "2026-01-02T03:04:05.000678Z");
    }
}
