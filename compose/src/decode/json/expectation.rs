//! What a value should have been, in words.

use crate::tape::JsonRead;

#[cold]
pub fn expectation(read: &JsonRead) -> String {
    match read {
        JsonRead::Bool => "must be true or false".into(),
        JsonRead::Integer { min, max } => format!("must be an integer between {min} and {max}"),
        JsonRead::Number | JsonRead::Float => "must be a number".into(),
        JsonRead::String => "must be a string".into(),
        JsonRead::Bytes => "must be a string of base64".into(),
        JsonRead::Timestamp => "must be an RFC 3339 timestamp such as \"2026-11-21T09:30:00Z\"".into(),
        JsonRead::Duration => "must be a duration in seconds such as \"1.5s\"".into(),
        JsonRead::Date => "must be a date such as \"2026-11-21\"".into(),
        JsonRead::Decimal => "must be a decimal number in a string, such as \"12.50\"".into(),
        JsonRead::Enum(names) => {
            format!("must be one of {}", listed(names.values.iter().map(|(_, name)| name.as_str())))
        }
        JsonRead::Money => "must be an object such as {\"amount\": \"12.50\", \"currency\": \"EUR\"}".into(),
        JsonRead::Union(_) | JsonRead::Object(_) => "must be an object".into(),
        JsonRead::List(_) => "must be a list".into(),
        JsonRead::Map { .. } => "must be an object".into(),
        JsonRead::Any => "must be a JSON value".into(),
    }
}

/// What it should have been, where only its size is wrong.
#[cold]
pub fn bounds(read: &JsonRead) -> String {
    match read {
        JsonRead::Number => "must be a number that 64 bits of floating point can hold".into(),
        JsonRead::Float => "must be a number that 32 bits of floating point can hold".into(),
        JsonRead::Decimal => "must be a decimal number of at most 38 digits, 28 of them behind the point".into(),
        read => expectation(read),
    }
}

pub fn listed<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    const SHOWN: usize = 12;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    names.take(SHOWN).collect::<Vec<_>>().join(", ") + more
}
