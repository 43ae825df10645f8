//! Checks of one field of a request, each giving the violation to report, if any.

use std::ops::RangeInclusive;

use tonic_types::FieldViolation;

/// One line of text of so many characters.
pub fn line(field: &str, value: &str, length: RangeInclusive<usize>) -> Option<FieldViolation> {
    if value.chars().any(char::is_control) {
        return Some(FieldViolation::new(field, "must not contain control characters"));
    }
    sized(field, value, length)
}

/// Text of so many characters, over several lines or one.
pub fn text(field: &str, value: &str, length: RangeInclusive<usize>) -> Option<FieldViolation> {
    if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Some(FieldViolation::new(field, "must not contain control characters but tabs and line ends"));
    }
    sized(field, value, length)
}

/// So many upper-case letters: a currency, a country.
pub fn code(field: &str, value: &str, letters: usize) -> Option<FieldViolation> {
    let fits = value.len() == letters && value.bytes().all(|b| b.is_ascii_uppercase());
    (!fits).then(|| FieldViolation::new(field, format!("must be {letters} upper-case letters")))
}

/// So many elements of a repeated field.
pub fn count(field: &str, elements: usize, allowed: RangeInclusive<usize>) -> Option<FieldViolation> {
    let (least, most) = (allowed.start(), allowed.end());
    (!allowed.contains(&elements))
        .then(|| FieldViolation::new(field, format!("must have {least} to {most} elements, has {elements}")))
}

fn sized(field: &str, value: &str, length: RangeInclusive<usize>) -> Option<FieldViolation> {
    let characters = value.chars().count();
    if length.contains(&characters) {
        return None;
    }
    let description = match (characters, length.end()) {
        (0, _) => "is required".to_owned(),
        (_, most) => format!("must be at most {most} characters, is {characters}"),
    };
    Some(FieldViolation::new(field, description))
}
