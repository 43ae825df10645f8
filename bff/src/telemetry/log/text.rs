//! Fields as `name=value`, for people.

use std::fmt::{Debug, Result};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, FormattedFields};

use super::{Treatment, WITHHELD, treatment};

/// Writes fields, with a space between two.
pub struct Pairs;

impl<'writer> FormatFields<'writer> for Pairs {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> Result {
        let mut pairs = Visitor { writer, separator: "", result: Ok(()) };
        fields.record(&mut pairs);
        pairs.result
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> Result {
        let separator = if current.fields.is_empty() { "" } else { " " };
        let mut pairs = Visitor { writer: current.as_writer(), separator, result: Ok(()) };
        fields.record(&mut pairs);
        pairs.result
    }
}

struct Visitor<'writer> {
    writer: Writer<'writer>,
    separator: &'static str,
    result: Result,
}

impl Visitor<'_> {
    fn write(&mut self, field: &Field, value: &dyn Debug) -> Result {
        self.writer.write_str(std::mem::replace(&mut self.separator, " "))?;
        match field.name() {
            "message" => write!(self.writer, "{value:?}"),
            name => write!(self.writer, "{name}={value:?}"),
        }
    }
}

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let result = match treatment(field.name()) {
            Treatment::Written => self.write(field, value),
            Treatment::Withheld => self.write(field, &format_args!("{WITHHELD}")),
            Treatment::Skipped => Ok(()),
        };
        self.result = self.result.and(result);
    }
}
