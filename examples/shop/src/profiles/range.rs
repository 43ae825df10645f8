//! What of a body a client asks for (RFC 9110, section 14).

use std::ops::Range;

use axum::http::{HeaderMap, HeaderValue, Method, header};

#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Whole,
    Part(Range<usize>),
    /// There is nothing where it asks.
    Beyond,
}

/// What cannot be understood, and several ranges at once, count as no `Range`: the client gets the whole.
pub fn asked(method: &Method, headers: &HeaderMap, etag: &str, length: usize) -> Asked {
    let text = |name| headers.get(name).map(HeaderValue::to_str).and_then(Result::ok);
    let is_for_this = headers.get(header::IF_RANGE).is_none_or(|version| version == etag);
    let range = text(header::RANGE).filter(|_| is_for_this && method == Method::GET);
    range.and_then(|range| read(range.strip_prefix("bytes=")?, length)).unwrap_or(Asked::Whole)
}

fn read(range: &str, length: usize) -> Option<Asked> {
    let (first, last) = range.split_once('-')?;
    let part = match (first, last) {
        ("", last) => length.saturating_sub(number(last)?)..length,
        (first, "") => number(first)?..length,
        (first, last) if number(first)? <= number(last)? => number(first)?..number(last)?.saturating_add(1).min(length),
        _ => return None,
    };
    Some(if part.is_empty() { Asked::Beyond } else { Asked::Part(part) })
}

/// A number of any length is one, however large.
fn number(digits: &str) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_defined() {
        let of_ten = |range: &str| {
            let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
            asked(&Method::GET, &headers, "\"1\"", 10)
        };
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("bytes=2-", 2..10),
            ("bytes=2-99999999999999999999999", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-30", 0..10),
        ] {
            assert_eq!(of_ten(range), Asked::Part(part), "{range}");
        }
        for range in ["bytes=10-", "bytes=99999999999999999999999-", "bytes=-0", "bytes=10-12"] {
            assert_eq!(of_ten(range), Asked::Beyond, "{range}");
        }
        for range in ["bytes=4-2", "bytes=0-1,3-4", "bytes=", "bytes=-", "bytes=a-b", "bytes=+1-2", "lines=1-2", "1-2"]
        {
            assert_eq!(of_ten(range), Asked::Whole, "{range}");
        }
    }
}
