//! Keyset pagination, newest first: a page token names the last row given, and only fits the list it came from.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::Status;
use uuid::Uuid;

use crate::fault;

const DEFAULT_SIZE: i32 = 20;
const MAX_SIZE: i32 = 100;
const VERSION: u8 = 1;
const FILTER_BYTES: usize = 8;
const TOKEN_BYTES: usize = 1 + 8 + 16 + FILTER_BYTES;
/// The length of a token's text.
const TOKEN_CHARS: usize = TOKEN_BYTES.div_ceil(3) * 4;

/// A place in a list that is sorted by time and id, newest first: just behind this row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub created_at: i64,
    pub id: Uuid,
}

/// The part of a list that a request asks for.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub after: Cursor,
    pub size: usize,
}

impl Cursor {
    pub const START: Self = Self { created_at: i64::MAX, id: Uuid::max() };

    fn token(self, filter: &str) -> String {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.push(VERSION);
        bytes.extend(self.created_at.to_be_bytes());
        bytes.extend(self.id.as_bytes());
        bytes.extend(fingerprint(filter));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn parse(token: &str, filter: &str) -> Option<Self> {
        if token.len() > TOKEN_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let (created_at, rest) = rest.split_first_chunk::<8>()?;
        let (id, filtered) = rest.split_first_chunk::<16>()?;
        let fits = version == VERSION && filtered == fingerprint(filter);
        fits.then(|| Self { created_at: i64::from_be_bytes(*created_at), id: Uuid::from_bytes(*id) })
    }
}

impl Page {
    /// Reads `page_size` and `page_token` of a request whose other fields are `filter`.
    pub fn requested(size: i32, token: &str, filter: &str) -> Result<Self, Status> {
        let size = match size {
            0 => DEFAULT_SIZE,
            1..=MAX_SIZE => size,
            _ => return Err(fault::invalid("page_size", "must be 1 to 100, or 0 for 20")),
        };
        let after = match token {
            "" => Cursor::START,
            token => Cursor::parse(token, filter).ok_or_else(|| {
                fault::invalid("page_token", "is not a next_page_token of this list: start again without it")
            })?,
        };
        Ok(Self { after, size: usize::try_from(size).unwrap_or_default() })
    }

    /// How many rows to read: one more than the page has tells whether another page follows.
    pub fn limit(self) -> i64 {
        i64::try_from(self.size).unwrap_or_default() + 1
    }

    /// Cuts the rows read to the page; its `next_page_token` is empty on the last.
    pub fn cut<T>(self, rows: Vec<T>, cursor: impl Fn(&T) -> Cursor, filter: &str) -> (Vec<T>, String) {
        let more = rows.len() > self.size;
        let rows: Vec<T> = rows.into_iter().take(self.size).collect();
        let next = rows.last().filter(|_| more).map(|last| cursor(last).token(filter));
        (rows, next.unwrap_or_default())
    }
}

fn fingerprint(filter: &str) -> [u8; FILTER_BYTES] {
    let digest = digest(&SHA256, filter.as_bytes());
    std::array::from_fn(|i| digest.as_ref()[i])
}
