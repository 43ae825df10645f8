//! What is kept: replies on this side, answers on the client's.

use std::fmt;
use std::time::Duration;

use super::{Piece, Plan};
use crate::definition::Scope;

#[derive(Debug)]
pub struct Cache {
    pub scope: Scope,
    pub ttl: Duration,
    pub swr: Option<Duration>,
    pub stale_if_error: Option<Duration>,
    /// An entry for every key, not for the whole request: the local that holds it while its tags are written.
    pub per_key: Option<usize>,
    pub tags: Vec<Vec<Piece>>,
    /// The author's reason to share what says who asked.
    pub unsafe_shared: Option<String>,
}

/// How long and for whom.
impl fmt::Display for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whom = match self.scope {
            Scope::Private => "its caller",
            Scope::Shared => "everybody",
        };
        write!(f, "{} for {whom}", span(self.ttl))?;
        if self.per_key.is_some() {
            write!(f, ", each key by itself")?;
        }
        if let Some(swr) = self.swr {
            write!(f, ", {} more while it is fetched again", span(swr))?;
        }
        if let Some(stale) = self.stale_if_error {
            write!(f, ", {} more where that fails", span(stale))?;
        }
        if let Some(reason) = &self.unsafe_shared {
            write!(f, "; shared although its request says who asks: {reason}")?;
        }
        Ok(())
    }
}

/// As an author writes it: `250ms`, `30s`, `10m`, `1h`.
pub(super) fn span(span: Duration) -> String {
    let millis = span.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let (size, unit) = units.into_iter().find(|(size, _)| millis.is_multiple_of(*size)).unwrap_or((1, "ms"));
    format!("{}{unit}", millis / size)
}

impl Plan {
    /// What clients and proxies may do with the answer: keep it as long as every call allows by its `cache`. Where one
    /// has none, they ask again before they use it, which an `etag` makes worth it; without one, and of what is not
    /// got by GET in one piece, they keep nothing. It is public only where the view is open to everybody, every call
    /// is shared, and nothing in it says who asks.
    pub fn cache_control(&self) -> String {
        self.cache_control_of(Duration::MAX)
    }

    /// Its answers have an entity-tag, by which clients ask whether there is another one.
    pub fn is_tagged(&self) -> bool {
        let declared = self.headers.iter().any(|(name, _)| name == "etag");
        let kept = self.status == 200 && self.shape.is_some() && self.cache_control() != "no-store";
        self.method == "GET" && (declared || kept)
    }

    /// The same of an answer whose parts may be kept this long yet: nothing, where one of them is stale already.
    pub fn cache_control_of(&self, left: Duration) -> String {
        if self.method != "GET" || self.stream.is_some() || self.proxy.is_some() {
            return "no-store".to_owned();
        }
        let caches: Option<Vec<&Cache>> = self.calls.iter().map(|call| call.cache.as_ref()).collect();
        let caches = caches.filter(|caches| !caches.is_empty());
        let is_open = self.access.iter().any(|role| role == "public") && !self.personal;
        let is_shared = self.calls.iter().all(|call| match &call.cache {
            Some(cache) => cache.scope == Scope::Shared,
            None => call.identity.is_none(),
        });
        let whose = if is_open && is_shared { "public" } else { "private" };
        let Some(caches) = caches else {
            let has_etag = self.headers.iter().any(|(name, _)| name == "etag");
            return if has_etag { format!("{whose}, no-cache") } else { "no-store".to_owned() };
        };
        let least = |span: fn(&Cache) -> Option<Duration>| {
            let spans: Option<Vec<Duration>> = caches.iter().map(|cache| span(cache)).collect();
            spans.and_then(|spans| spans.into_iter().min()).map(|span| span.as_secs())
        };
        let whole = least(|cache| Some(cache.ttl)).unwrap_or_default();
        let mut text = format!("{whose}, max-age={}", whole.min(left.as_secs()));
        if left.is_zero() {
            return text;
        }
        for (name, span) in [
            ("stale-while-revalidate", least(|cache| cache.swr)),
            ("stale-if-error", least(|cache| cache.stale_if_error)),
        ] {
            text.extend(span.map(|seconds| format!(", {name}={seconds}")));
        }
        text
    }
}
