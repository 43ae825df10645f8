//! Lists that are shown page by page: how long a page is, and where the next one begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{FieldError, Location, Problem};
use crate::identity::Position;

/// Which page is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    #[serde(default = "usual")]
    limit: u32,
    /// `next` of the page before.
    pub before: Option<Cursor>,
}

/// A place in a list, newest first; a text of no meaning to clients.
#[derive(Clone, Copy)]
pub struct Cursor(pub Position);

const MAX_LIMIT: u32 = 100;

fn usual() -> u32 {
    20
}

impl Page {
    /// For a route whose query asks for more than a page.
    pub fn new(before: Option<Cursor>, limit: Option<u32>) -> Self {
        Self { limit: limit.unwrap_or_else(usual), before }
    }

    pub fn limit(&self) -> Result<u32, Problem> {
        let fits = (1..=MAX_LIMIT).contains(&self.limit);
        let wrong = || FieldError {
            location: Location::Parameter("limit".to_owned()),
            code: "out-of-range".to_owned(),
            message: format!("expected 1 to {MAX_LIMIT}"),
        };
        if fits { Ok(self.limit) } else { Err(Problem::invalid(vec![wrong()])) }
    }
}

impl Cursor {
    /// Of the page after this one, unless this one is not full, and so the last.
    pub fn after<T>(items: &[T], limit: u32, position: impl Fn(&T) -> Position) -> Option<Self> {
        let last = items.last().filter(|_| u32::try_from(items.len()).is_ok_and(|length| length == limit));
        last.map(|last| Self(position(last)))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Position { at, id } = self.0;
        let bytes = [&at.unix_timestamp_nanos().to_be_bytes()[..], id.as_bytes()].concat();
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| D::Error::custom("expected `next` of the page before"))
    }
}

fn parse(text: &str) -> Option<Cursor> {
    // 32 bytes are 43 characters.
    let bytes = Some(text).filter(|text| text.len() == 43).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())?;
    let (at, id) = bytes.split_at_checked(16)?;
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from_be_bytes(at.try_into().ok()?)).ok()?;
    Some(Cursor(Position { at, id: Uuid::from_slice(id).ok()? }))
}
