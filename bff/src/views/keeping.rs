//! What is kept of a call's replies, as its view says: for how long, for whom, and what takes the place of a failure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use compose::definition::{Fallback, Scope};
use compose::plan::{Call, Request};
use compose::run::Reading;
use compose::upstream::{Code, Tags};

use super::Cache;
use super::fetching::read;
use crate::cache::{Asked, CallMeters, Grade, How, KeyText, Policy, Served, TagId, Usable};
use crate::meter::Meter;
use crate::upstream::Error;

pub(super) struct Keeping {
    pub cache: Arc<Cache>,
    pub policy: Policy,
    /// A reply is its caller's alone.
    pub private: bool,
    meters: CallMeters,
    /// With which the key of every request of the call begins.
    start: KeyText,
}

impl Keeping {
    /// None where no reply is kept. `name` is `VIEW.CALL`.
    pub fn of(name: &str, call: &Call, cache: Option<&Arc<Cache>>, meter: &Meter) -> Option<Self> {
        let cache = cache.filter(|_| call.is_kept())?;
        let declared = call.cache.as_ref();
        let ttl = declared.map(|cache| cache.ttl).unwrap_or_default();
        let swr = declared.and_then(|cache| cache.swr).unwrap_or_default();
        let on_error = declared.and_then(|cache| cache.stale_if_error).unwrap_or_default();
        let on_fail = call.on_fail.fallbacks().filter_map(|fallback| fallback.stale).max().unwrap_or_default();
        let keep = (ttl + swr.max(on_error)).max(on_fail);
        Some(Self {
            cache: Arc::clone(cache),
            policy: Policy { ttl, swr, keep, reader: reader(call) },
            private: declared.is_none_or(|cache| cache.scope == Scope::Private),
            meters: CallMeters::new(meter, name),
            start: start(call),
        })
    }

    pub fn key(&self) -> KeyText {
        KeyText::after(self.start.as_bytes())
    }

    /// What is fresh and in memory.
    pub fn fresh(&self, call: &Call, key: &KeyText, now: i64) -> Option<Usable<Option<Reading>>> {
        let found = self.cache.peek(key.as_bytes(), &self.policy, now, |body| read(call, body));
        found.filter(|found| found.grade == Grade::Fresh)
    }

    pub fn count(&self, how: How, times: usize) {
        self.meters.count(how, times);
    }

    /// How long the reply may still be kept: nothing of a stale one.
    pub fn left(&self, served: &Served<Option<Reading>>, now: i64) -> Duration {
        if served.how == How::Stale { Duration::ZERO } else { self.policy.ttl.saturating_sub(served.entry.age(now)) }
    }
}

/// How old a copy may be that is better than this failure.
pub(super) fn instead(call: &Call, error: &Error) -> Option<Duration> {
    let code = Code::from_number(error.code as i32);
    let named = call.on_fail.codes.iter().any(|(name, _)| *name == code);
    let unwell = !is_an_answer(code);
    let by_view =
        Some(call.on_fail.of(code)).filter(|_| named || unwell).and_then(|fallback: &Fallback<_>| fallback.stale);
    let by_cache = call.cache.as_ref().filter(|_| unwell).and_then(|cache| Some(cache.ttl + cache.stale_if_error?));
    by_view.max(by_cache)
}

/// It says something of what was asked for, and not of who answers: an old copy would hide it.
fn is_an_answer(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::AlreadyExists
            | Code::Aborted
            | Code::Unimplemented
    )
}

/// Behind the key of a request stand the tags of its reply: whoever names others must not find it.
pub(super) fn with_tags<'t>(key: &mut KeyText, tags: impl Iterator<Item = &'t str>) {
    tags.for_each(|tag| key.part(tag));
}

pub(super) fn asked(key: &KeyText, tags: &Tags) -> Arc<[Asked]> {
    [Asked { key: key.key(), tags: tags.iter().map(TagId::of).collect() }].into()
}

/// The same for calls that read the same of a reply, and hardly for others.
fn reader(call: &Call) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?} {:?}", call.layout, call.each.as_ref().map(|each| &each.batch)).hash(&mut hasher);
    hasher.finish()
}

fn start(call: &Call) -> KeyText {
    let mut start = KeyText::default();
    start.part(&call.source);
    start.part(&call.operation);
    start.part(match &call.request {
        Request::Grpc { path, .. } => path,
        Request::Http { method, .. } => method,
        // Of a stream, which is not kept.
        Request::Nats { .. } => "",
    });
    start.part(call.headers.join(","));
    start
}
