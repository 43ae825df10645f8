//! `bff-partial`: what is missing of an answer, as a structured field of RFC 9651: a list of JSON pointers, each with the
//! call that has no reply and the reason.

#[cfg(test)]
mod tests;

use http::HeaderValue;

use crate::views::Note;

const MAX_ENTRIES: usize = 32;

/// None where nothing is missing. What goes beyond the bound is counted: `;more=3`.
pub(super) fn header(notes: &[Note]) -> Option<HeaderValue> {
    let entry = |note: &Note| format!("{};call={};reason={}", text(&note.path), token_or_text(&note.call), note.reason);
    let mut field = notes.iter().take(MAX_ENTRIES).map(entry).collect::<Vec<_>>().join(", ");
    if let more @ 1.. = notes.len().saturating_sub(MAX_ENTRIES) {
        field.push_str(&format!(";more={more}"));
    }
    HeaderValue::try_from(field).ok().filter(|field| !field.is_empty())
}

fn token_or_text(name: &str) -> String {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_token = starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_token { name.to_owned() } else { text(name) }
}

/// A String, or a Display String where the text is not printable ASCII.
fn text(text: &str) -> String {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    let encoded = text.bytes().map(|byte| match byte {
        b'%' | b'"' | ..0x20 | 0x7f.. => format!("%{byte:02x}"),
        byte => char::from(byte).to_string(),
    });
    format!("%\"{}\"", encoded.collect::<String>())
}
