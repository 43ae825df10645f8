//! One call of a plan: when it is made, what it sends, and what becomes of its reply.

use std::time::Duration;

use super::{Cache, ClientField, Request};
use crate::definition::{Fallback, Missing, Then};
use crate::expr::Code;
use crate::tape::{Layout, Tape};
use crate::upstream;

#[derive(Debug)]
pub struct Call {
    /// Its place in the plan.
    pub index: usize,
    pub name: String,
    pub source: String,
    pub operation: String,
    /// The calls whose outcome it waits for.
    pub after: CallSet,
    pub when: Option<Code>,
    pub request: Request,
    pub each: Option<Each>,
    /// Of all its requests together.
    pub timeout: Duration,
    /// A second try starts when the first has not answered after this long.
    pub hedge: Option<Duration>,
    pub on_fail: OnFail<Tape>,
    /// It is skipped where one of these is not met.
    pub needs: Vec<Need>,
    /// It is skipped, not unwanted, where `when` is false and one of these has failed.
    pub when_needs: CallSet,
    /// None where nothing of the reply is read.
    pub layout: Option<Layout>,
    pub coverage: Coverage,
    /// The headers of the reply that are read, by lower-case name.
    pub headers: Vec<String>,
    pub cache: Option<Cache>,
    /// Why the reply is the caller's alone: what of the request says who asks.
    pub identity: Option<String>,
    /// It changes nothing.
    pub safe: bool,
    pub idempotent: bool,
    /// Its request derives from what the client sent.
    pub from_client: bool,
    /// Which fields of a protobuf request hold what the client sent.
    pub client_fields: Vec<ClientField>,
    /// JSON pointers of what is missing where it has no reply; `*` stands for any item.
    pub paths: Vec<String>,
}

/// How many fields of a reply's records are read, and how many those records have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coverage {
    pub read: usize,
    pub of: usize,
}

impl Call {
    /// One that waits for nothing, must succeed, and whose reply nobody reads.
    pub(crate) fn bare(name: &str, request: Request, timeout: Duration) -> Call {
        Call {
            index: 0,
            name: name.to_owned(),
            source: String::new(),
            operation: String::new(),
            after: CallSet::default(),
            when: None,
            request,
            each: None,
            timeout,
            hedge: None,
            on_fail: OnFail::fail(),
            needs: Vec::new(),
            when_needs: CallSet::default(),
            layout: None,
            coverage: Coverage::default(),
            headers: Vec::new(),
            cache: None,
            identity: None,
            safe: false,
            idempotent: false,
            from_client: false,
            client_fields: Vec::new(),
            paths: Vec::new(),
        }
    }

    pub fn most_requests(&self) -> usize {
        let tries = if self.hedge.is_some() { 2 } else { 1 };
        self.each.as_ref().map_or(1, Each::most_requests).saturating_mul(tries)
    }

    /// Replies are kept, be it only for when it fails.
    pub fn is_kept(&self) -> bool {
        self.safe && (self.cache.is_some() || self.on_fail.fallbacks().any(|fallback| fallback.stale.is_some()))
    }

    /// One of its failures is the view's.
    pub fn is_required(&self) -> bool {
        self.on_fail.fallbacks().any(Fallback::fails)
    }

    /// One of its failures makes its value null.
    pub fn may_fail_to_null(&self) -> bool {
        self.on_fail.fallbacks().any(|fallback| matches!(fallback.then, Then::Null | Then::Omit))
    }

    /// The view waits for it to the last, and fails where it does not answer in time.
    pub fn must_answer(&self) -> bool {
        self.on_fail.of(upstream::Code::DeadlineExceeded).fails()
    }
}

/// What takes the place of a reply that does not come, by the failure's code.
#[derive(Debug)]
pub struct OnFail<L> {
    pub codes: Vec<(upstream::Code, Fallback<L>)>,
    pub otherwise: Fallback<L>,
}

impl<L> OnFail<L> {
    /// Every failure is the view's.
    pub fn fail() -> OnFail<L> {
        OnFail { codes: Vec::new(), otherwise: Fallback::new(Then::Fail(None)) }
    }

    pub fn of(&self, code: upstream::Code) -> &Fallback<L> {
        self.codes.iter().find(|(named, _)| *named == code).map_or(&self.otherwise, |(_, fallback)| fallback)
    }

    pub fn fallbacks(&self) -> impl Iterator<Item = &Fallback<L>> {
        self.codes.iter().map(|(_, fallback)| fallback).chain([&self.otherwise])
    }
}

/// A value of a request that is null where one of the calls has failed.
#[derive(Debug)]
pub struct Need {
    pub value: Code,
    pub calls: CallSet,
}

/// At most 64 calls, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallSet(u64);

pub const MAX_CALLS: usize = 64;

impl CallSet {
    pub fn one(call: usize) -> CallSet {
        CallSet(1 << call)
    }

    pub fn with(self, other: CallSet) -> CallSet {
        CallSet(self.0 | other.0)
    }

    pub fn only(self, other: CallSet) -> CallSet {
        CallSet(self.0 & other.0)
    }

    pub fn within(self, other: CallSet) -> bool {
        self.0 & !other.0 == 0
    }

    pub fn without(self, other: CallSet) -> CallSet {
        CallSet(self.0 & !other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_CALLS).filter(move |call| self.0 & (1 << call) != 0)
    }
}

/// The call is made for every key of a list.
#[derive(Debug)]
pub struct Each {
    pub keys: Keys,
    /// Keys altogether; more are a failure of the call.
    pub bound: usize,
    pub missing: Missing,
    /// The local that `$key` is, while the request of one key is written.
    pub local: usize,
    /// Without one, every key has a request of its own.
    pub batch: Option<Batch>,
}

impl Each {
    pub fn most_requests(&self) -> usize {
        self.batch.as_ref().map_or(self.bound, |batch| self.bound.div_ceil(batch.max))
    }
}

/// One request takes many keys.
#[derive(Debug)]
pub struct Batch {
    /// Keys per request.
    pub max: usize,
    /// The slot of the reply that lists the results; none where the reply is the list.
    pub items: Option<u16>,
    /// The slot of a result that holds its key.
    pub key: u16,
}

/// Where the keys come from: lists within lists, then the key itself.
#[derive(Debug)]
pub struct Keys {
    /// Each list and the local that holds its current item.
    pub lists: Vec<(Code, usize)>,
    pub key: Code,
}
