//! One flat JSON object a line: the time, the level, where in the code, the line's fields, its request's fields.

use std::fmt::{Debug, Display, Formatter, Result, Write};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::{Treatment, WITHHELD, treatment};

/// Writes a line.
pub struct Lines;

/// Writes the members of an object, each with a comma before it.
pub struct Members;

/// Longer texts are cut: a line must stay a line.
const MAX_CHARS: usize = 2_000;

impl<S> FormatEvent<S, Members> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(&self, context: &FmtContext<'_, S, Members>, mut writer: Writer<'_>, event: &Event<'_>) -> Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\",\"target\":\"{}\"", metadata.level(), metadata.target())?;
        write_members(&mut writer, event)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(members) = span.extensions().get::<FormattedFields<Members>>() {
                writer.write_str(members)?;
            }
        }
        writer.write_str("}\n")
    }
}

impl<'writer> FormatFields<'writer> for Members {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> Result {
        write_members(&mut writer, fields)
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> Result {
        self.format_fields(current.as_writer(), fields)
    }
}

fn write_members(writer: &mut Writer<'_>, fields: impl RecordFields) -> Result {
    let mut members = Visitor { writer, result: Ok(()) };
    fields.record(&mut members);
    members.result
}

struct Visitor<'a, 'writer> {
    writer: &'a mut Writer<'writer>,
    result: Result,
}

impl Visitor<'_, '_> {
    fn member(&mut self, field: &Field, value: impl Display) {
        let name = field.name();
        let result = match treatment(name) {
            Treatment::Written => write!(self.writer, ",\"{name}\":{value}"),
            Treatment::Withheld => write!(self.writer, ",\"{}\":\"{WITHHELD}\"", name.escape_default()),
            Treatment::Skipped => Ok(()),
        };
        self.result = self.result.and(result);
    }
}

impl Visit for Visitor<'_, '_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, Quoted(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if treatment(field.name()) == Treatment::Skipped {
            return;
        }
        self.record_str(field, &format!("{value:?}"));
    }
}

/// A JSON string.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_char('"')?;
        for char in self.0.chars().take(MAX_CHARS) {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                char if char.is_control() => write!(f, "\\u{:04x}", u32::from(char))?,
                char => f.write_char(char)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::Quoted;

    #[test]
    fn a_text_survives_its_quotes() {
        let text = "a \"quote\", a \\ and a line\nof \u{1b}[31mcolour\u{85} \u{2028} \u{1f980}";
        assert_eq!(serde_json::from_str::<String>(&Quoted(text).to_string()).unwrap(), text);
        assert_eq!(Quoted(text).to_string().lines().count(), 1);
    }
}
