//! What a call's reply may be kept for, and for whom.

use super::request::Sent;
use super::{Checker, Typed};
use crate::definition::{self, Scope, Template};
use crate::plan::{Cache, Piece};
use crate::problem::ErrorCode;

/// Tags of one entry at the most.
const MAX_TAGS: usize = 16;

impl Checker<'_> {
    /// `identity` says why the reply is the caller's alone, if it is. Tags are known before the call: they are read
    /// with its request, and count as a part of it.
    pub(super) fn cache(
        &mut self,
        call: &definition::Call,
        safe: bool,
        identity: Option<&str>,
        key: Option<&Typed>,
        sent: &mut Sent,
    ) -> Option<Cache> {
        let cache = call.cache.as_ref()?;
        let name = &call.name.value;
        let scope = &cache.scope;
        if !safe {
            let message = format!("`{name}` may change something, so that its reply cannot stand for the next one");
            let help = "remove `cache`, or write `safe: true` at the call if it changes nothing";
            self.problem(ErrorCode::Effects, &scope.place, message, help);
        }
        if let Some(place) = cache.per_key.as_ref().filter(|_| key.is_none()) {
            self.problem(ErrorCode::Unused, place, "`per: key` belongs to a call with `each`", "remove it");
        }
        if let Some((stale, _)) =
            cache.stale_if_error.as_ref().zip(cache.swr).filter(|(stale, swr)| stale.value <= *swr)
        {
            let message = "`stale_if_error` ends before `swr` does, so that it adds nothing";
            self.problem(ErrorCode::Unused, &stale.place, message, "make it longer, or remove it");
        }
        match (scope.value, identity, &cache.unsafe_shared) {
            (Scope::Shared, Some(why), None) => {
                let message = format!("the reply of `{name}` cannot be shared: {why}");
                let help = "write `scope: private`; if the reply is the same for everybody, say why: \
                            `unsafe_shared: \"reason\"`";
                self.problem(ErrorCode::Privacy, &scope.place, message, help);
            }
            (Scope::Shared, Some(_), Some(_)) | (_, _, None) => {}
            (_, _, Some(reason)) => {
                let message = "nothing unsafe is shared here";
                self.problem(ErrorCode::Unused, &reason.place, message, "remove `unsafe_shared`");
            }
        }
        if let Some(more) = cache.tags.get(MAX_TAGS) {
            let message = format!("an entry has at most {MAX_TAGS} tags");
            self.problem(ErrorCode::TooMuch, &more.place, message, "name what makes it stale, no more");
            return None;
        }
        let (per_key, tags) = match key.filter(|_| cache.per_key.is_some()) {
            None => (None, self.tags(cache, sent)),
            Some(key) => {
                let (local, tags) = self.bind(None, key.clone(), |checker, key| {
                    checker.key = Some(key.clone());
                    let tags = checker.tags(cache, sent);
                    checker.key = None;
                    tags
                });
                (Some(local), tags)
            }
        };
        Some(Cache {
            scope: scope.value,
            ttl: cache.ttl,
            swr: cache.swr,
            stale_if_error: cache.stale_if_error.as_ref().map(|span| span.value),
            per_key,
            tags,
            unsafe_shared: cache.unsafe_shared.as_ref().map(|reason| reason.value.clone()),
        })
    }

    fn tags(&mut self, cache: &definition::Cache, sent: &mut Sent) -> Vec<Vec<Piece>> {
        cache.tags.iter().filter_map(|tag| self.tag(tag, cache, sent)).collect()
    }

    fn tag(&mut self, tag: &Template, cache: &definition::Cache, sent: &mut Sent) -> Option<Vec<Piece>> {
        let (pieces, read) = self.template(tag)?;
        if cache.scope.value == Scope::Shared && read.identity.is_some() {
            let message = "a shared entry cannot have a tag of whoever asked first";
            self.problem(ErrorCode::Privacy, &tag.place, message, "name what the reply is about");
        }
        sent.reads = sent.reads.with(read.reads);
        Some(pieces)
    }
}
