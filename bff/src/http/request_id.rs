//! The id that ties an answer to its log lines, and where new ids of any kind come from.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::{Builder, NoContext, Timestamp};

#[derive(Debug, Clone)]
pub struct RequestId(pub(super) HeaderValue);

/// Numbers that do not repeat: a keyed hash of a count, because to ask the system for each would be a call to it. They
/// are no secrets.
#[derive(Default)]
pub struct Ids {
    key: RandomState,
    count: AtomicU64,
}

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl RequestId {
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The caller's own id if it is a short token, else a new one.
    pub(super) fn choose(headers: &HeaderMap, ids: &Ids) -> Self {
        let given = headers.get(X_REQUEST_ID).filter(|id| is_token(id.as_bytes())).cloned();
        given.map_or_else(|| Self::new(ids), Self)
    }

    /// A UUID of version 7: ids sort by their time.
    fn new(ids: &Ids) -> Self {
        let (seconds, nanos) = Timestamp::now(NoContext).to_unix();
        let millis = seconds * 1_000 + u64::from(nanos) / 1_000_000;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&ids.next().to_be_bytes());
        random[8..].copy_from_slice(&ids.next().to_be_bytes()[..2]);
        let id = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let id = HeaderValue::from_str(id.hyphenated().encode_lower(&mut text));
        Self(id.unwrap_or(HeaderValue::from_static("none")))
    }
}

impl Ids {
    pub fn next(&self) -> u64 {
        self.key.hash_one(self.count.fetch_add(1, Ordering::Relaxed))
    }
}

fn is_token(id: &[u8]) -> bool {
    (8..=64).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}
