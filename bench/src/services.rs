//! Services that take no time.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use compose::plan::Call;
use compose::upstream::{CallError, Code, Replies, Reply, Request, Upstream};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

/// One reply for each call, by the call's name.
pub struct Services {
    replies: Vec<(&'static str, Bytes)>,
    asked: AtomicUsize,
}

impl Services {
    pub fn new(replies: impl IntoIterator<Item = (&'static str, Bytes)>) -> Self {
        Self { replies: replies.into_iter().collect(), asked: AtomicUsize::new(0) }
    }

    /// How many requests there have been.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub fn reply(&self, call: &str) -> Option<&Bytes> {
        self.replies.iter().find(|(name, _)| *name == call).map(|(_, reply)| reply)
    }
}

impl Upstream for Services {
    fn call<'a>(&'a self, call: &'a Call, _request: Request) -> BoxFuture<'a, Result<Reply, CallError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let reply = self.reply(&call.name).map(|body| Reply { body: body.clone(), headers: Vec::new() });
        ready(reply.ok_or_else(|| CallError::new(Code::Unimplemented, "there is no reply for this call"))).boxed()
    }

    fn open<'a>(&'a self, _call: &'a Call, _request: Request) -> BoxFuture<'a, Result<Replies, CallError>> {
        ready(Err(CallError::new(Code::Unimplemented, "nothing streams here"))).boxed()
    }
}
