//! Lists that are shown page by page, newest first: how long a page is, and where the next one begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, Serializer};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::identity::Position;

/// Behind what a page begins; a text of no meaning to clients.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct PageToken(pub Position);

/// How many items a page has at the most.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u32")]
pub struct PageSize(u32);

const MAX_SIZE: u32 = 100;

impl Default for PageSize {
    fn default() -> Self {
        Self(20)
    }
}

impl PageSize {
    /// How many to look for: whether there is one more says whether this page is the last.
    pub fn and_one(self) -> u32 {
        self.0 + 1
    }

    /// What was found as a page, and where the next one begins if there is one.
    pub fn cut<T>(self, found: Vec<T>, position: impl Fn(&T) -> Position) -> (Vec<T>, Option<PageToken>) {
        let (size, mut items) = (self.0 as usize, found);
        let is_last = items.len() <= size;
        items.truncate(size);
        let next = items.last().filter(|_| !is_last).map(|last| PageToken(position(last)));
        (items, next)
    }
}

impl TryFrom<u32> for PageSize {
    type Error = String;

    fn try_from(size: u32) -> Result<Self, String> {
        if (1..=MAX_SIZE).contains(&size) { Ok(Self(size)) } else { Err(format!("expected 1 to {MAX_SIZE}")) }
    }
}

impl Serialize for PageToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Position { at, id } = self.0;
        let bytes = [&at.unix_timestamp_nanos().to_be_bytes()[..], id.as_bytes()].concat();
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl TryFrom<String> for PageToken {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        parse(&text).map(Self).ok_or("expected `nextPageToken` of the page before")
    }
}

fn parse(text: &str) -> Option<Position> {
    // 32 bytes are 43 characters.
    let bytes = Some(text).filter(|text| text.len() == 43).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())?;
    let (at, id) = bytes.split_at_checked(16)?;
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from_be_bytes(at.try_into().ok()?)).ok()?;
    Some(Position { at, id: Uuid::from_slice(id).ok()? })
}
