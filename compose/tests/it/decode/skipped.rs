//! What nobody reads is passed over in blocks, and ends where it ends byte by byte.

use bytes::Bytes;
use compose::decode;
use compose::tape::{Cell, JsonRead, Layout, Member, Object, Value};

use super::Random;

const PIECES: [&str; 20] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\"\"",
    "\\",
    "\\\\",
    "\\\"",
    ",",
    ":",
    "1",
    "null",
    " ",
    "\n",
    "é",
    "plain",
    "{}",
    "[[]]",
    "a text that is longer than a block of sixty-four bytes, [and has \\\"brackets\\\" {in it}] ",
];

#[test]
fn as_byte_by_byte() {
    let value = |read| Value { nullable: false, read };
    let kept = Member { name: "k".into(), slot: 0, required: true, value: value(JsonRead::Number) };
    let object = Object { blank: vec![Cell::Null], members: vec![kept], exclusive: Vec::new() };
    let layout = Layout::Json(value(JsonRead::Object(object)));
    let mut random = Random(7);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..60_000 {
        let around = *random.pick(&[("[", "]"), ("{", "}"), ("\"", "\""), ("[\"", "\"]")]);
        let inside: String = (0..random.below(24)).map(|_| *random.pick(&PIECES)).collect();
        let skipped = format!("{}{inside}{}", around.0, around.1);
        let text = format!("{{\"x\":{skipped},\"k\":7}}");
        let is_accepted = decode::reply(&layout, Bytes::from(text.clone())).is_ok();
        match end(skipped.as_bytes()) {
            Some(end) if end == skipped.len() => {
                assert!(is_accepted, "{text}");
                accepted += 1;
            }
            // It ended early, and what follows is no member.
            Some(_) => {}
            None if end(&text.as_bytes()[5..]).is_none() => {
                assert!(!is_accepted, "{text}");
                refused += 1;
            }
            None => {}
        }
    }
    assert!(accepted > 2_000 && refused > 2_000, "{accepted} {refused}");
}

/// Where the value that the text begins with ends.
fn end(text: &[u8]) -> Option<usize> {
    let (mut open, mut in_string, mut at) = (Vec::new(), false, 0);
    loop {
        let (byte, next) = (*text.get(at)?, text.get(at + 1));
        at += 1;
        match byte {
            b'\\' if in_string => at += 1,
            b'\\' if matches!(next, Some(b'"' | b'\\')) => at += 1,
            b'"' => in_string = !in_string,
            0..b' ' if in_string => return None,
            _ if in_string => continue,
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' if open.pop() != Some(byte) => return None,
            b'}' | b']' => {}
            _ => continue,
        }
        if open.is_empty() && !in_string {
            return Some(at);
        }
    }
}
