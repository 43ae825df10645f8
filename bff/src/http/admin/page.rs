//! Pages of a list that is ordered by time: a cursor names the last one seen, so that what is new moves nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::http::Problem;
use crate::identity::Position;

/// What of a list was asked for.
pub struct Page {
    pub before: Option<Position>,
    limit: u32,
}

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

impl Page {
    pub fn new(after: Option<&str>, limit: Option<u32>) -> Result<Self, Problem> {
        let before = after.map(|after| decode(after).ok_or_else(unknown)).transpose()?;
        match limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MAX_LIMIT => Ok(Self { before, limit }),
            _ => Err(Problem::bad_request(format!("`limit` must be 1 to {MAX_LIMIT}"))),
        }
    }

    /// One more than is shown tells whether there is a next page.
    pub fn to_read(&self) -> u32 {
        self.limit + 1
    }

    /// What is shown, and the cursor of the next page if there is one.
    pub fn cut<T>(&self, items: Vec<T>, position: impl Fn(&T) -> Position) -> (Vec<T>, Option<String>) {
        let mut items = items;
        let shown = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if items.len() <= shown {
            return (items, None);
        }
        items.truncate(shown);
        let next = items.last().map(|last| encode(position(last)));
        (items, next)
    }
}

const PREFIX: &str = "p1.";

fn encode(position: Position) -> String {
    let at = position.at.unix_timestamp_nanos().to_be_bytes();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&at[..], position.id.as_bytes()].concat()))
}

fn decode(text: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    let (at, id) = bytes.split_at_checked(16)?;
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from_be_bytes(at.try_into().ok()?)).ok()?;
    Some(Position { at, id: Uuid::from_slice(id).ok()? })
}

fn unknown() -> Problem {
    Problem::bad_request("`after` must be the `next` of a page before")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_left() {
        let position = Position { at: time::macros::datetime!(2026-01-01 12:00:00.123456 UTC), id: Uuid::from_u128(7) };
        assert_eq!(decode(&encode(position)), Some(position));
        for text in ["", "p1.", "p1.AAAA", "p2.x", &encode(position)[3..], &format!("{}A", encode(position))] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_page_says_that_it_is_the_last() {
        let page = Page::new(None, Some(2)).unwrap_or_else(|_| panic!());
        let at = |number: &u128| Position { at: OffsetDateTime::UNIX_EPOCH, id: Uuid::from_u128(*number) };
        let (items, next) = page.cut(vec![3, 2, 1], at);
        assert_eq!((items, next.as_deref().and_then(decode)), (vec![3, 2], Some(at(&2))));
        assert_eq!(page.cut(vec![3, 2], at), (vec![3, 2], None));
    }
}
