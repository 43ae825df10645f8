//! The upstreams of a case: they answer what its `reply` blocks say, and remember what they were asked.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use compose::plan::{Call, Request as Plan};
use compose::upstream::{CallError, Code, Replies, Reply, Request, Streamed, Target, Upstream};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::{Block, Case};

pub struct World<'a> {
    case: &'a Case,
    pools: &'a HashMap<String, DescriptorPool>,
    sent: Mutex<Vec<String>>,
    start: Instant,
}

impl<'a> World<'a> {
    pub fn new(case: &'a Case, pools: &'a HashMap<String, DescriptorPool>) -> World<'a> {
        World { case, pools, sent: Mutex::new(Vec::new()), start: Instant::now() }
    }

    pub fn sent(&self) -> String {
        self.sent.lock().unwrap().join("\n")
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn method(&self, call: &Call) -> MethodDescriptor {
        let pool = &self.pools[&call.source];
        let method =
            pool.services().flat_map(|s| s.methods().collect::<Vec<_>>()).find(|m| m.full_name() == call.operation);
        method.expect("the method is in the contract")
    }

    /// What was sent, in words.
    fn describe(&self, call: &Call, request: &Request) -> String {
        match &request.target {
            Target::Grpc => {
                let message =
                    DynamicMessage::decode(self.method(call).input(), request.body.clone()).expect("a valid message");
                format!("{} {}", call.name, serde_json::to_string(&message).unwrap())
            }
            Target::Nats { subject, after } => {
                let after = after.as_ref().map_or_else(String::new, |id| format!(" behind {id}"));
                format!("{} {subject}{after}", call.name)
            }
            Target::Http { path_and_query, headers } => {
                let Plan::Http { method, .. } = &call.request else { panic!("an HTTP target of a gRPC call") };
                let headers: Vec<String> = headers.iter().map(|(n, v)| format!(" {n}={v}")).collect();
                let body = String::from_utf8_lossy(&request.body);
                let body = if body.is_empty() { String::new() } else { format!(" {body}") };
                format!("{} {method} {path_and_query}{}{body}", call.name, headers.join(""))
            }
        }
    }

    /// The block of the call whose further words all stand in the request.
    fn block(&self, call: &Call, request: &str) -> Option<&Block> {
        let of_call = |block: &&Block| block.words[1] == call.name;
        self.case.all("reply").filter(of_call).find(|block| block.words[2..].iter().all(|word| request.contains(word)))
    }

    /// Writes down what is sent, and when.
    fn note(&self, call: &Call, request: &Request) -> String {
        let described = self.describe(call, request);
        let second = if request.second { " (second try)" } else { "" };
        let late = match self.start.elapsed().as_millis() {
            0 => String::new(),
            millis => format!(" after {millis} ms"),
        };
        let line = format!("{described}{second}{late}");
        self.sent.lock().unwrap().push(line.clone());
        line
    }

    /// How long the call takes, and what it answers.
    fn reply(&self, call: &Call, request: &str) -> (Duration, Result<Reply, CallError>) {
        let Some(block) = self.block(call, request) else {
            return (Duration::ZERO, Err(CallError::new(Code::Unimplemented, "the case has no reply for this call")));
        };
        let Some(rest) = block.text.strip_prefix("delay ") else {
            return (Duration::ZERO, self.with_headers(call, &block.text));
        };
        let (millis, rest) = rest.split_once('\n').unwrap_or((rest, ""));
        (Duration::from_millis(millis.trim_end_matches("ms").parse().unwrap()), self.with_headers(call, rest))
    }

    /// Lines `header NAME: VALUE`, then the reply.
    fn with_headers(&self, call: &Call, text: &str) -> Result<Reply, CallError> {
        let mut given = Vec::new();
        let mut rest = text;
        while let Some((line, tail)) = rest.strip_prefix("header ").and_then(|rest| rest.split_once('\n')) {
            given.push(line.split_once(": ").expect("`header NAME: VALUE`"));
            rest = tail;
        }
        let value = |name: &String| given.iter().find(|(n, _)| n == name).map(|(_, v)| (*v).to_owned());
        Ok(Reply { body: self.said(call, rest)?, headers: call.headers.iter().map(value).collect() })
    }

    /// `id 7: ` may stand before what is said.
    fn streamed(&self, call: &Call, line: &str) -> Result<Streamed, CallError> {
        let given = line.strip_prefix("id ").and_then(|rest| rest.split_once(": "));
        let (id, text) = given.map_or((None, line), |(id, text)| (Some(id.to_owned()), text));
        Ok(Streamed { body: self.said(call, text)?, id })
    }

    /// The reply that a text stands for.
    fn said(&self, call: &Call, text: &str) -> Result<Bytes, CallError> {
        if let Some(code) = text.strip_prefix("error ") {
            let (code, fields) = code.split_once('\n').unwrap_or((code, ""));
            let error = CallError::new(Code::from_name(code.trim()).expect("a code"), "as the case says");
            let field = |line: &str| line.split_once(": ").map(|(field, wrong)| (field.to_owned(), wrong.to_owned()));
            return Err(CallError { fields: fields.lines().filter_map(field).collect(), ..error });
        }
        if let Some(raw) = text.strip_prefix("raw ") {
            return Ok(Bytes::from(raw.to_owned()));
        }
        match &call.request {
            Plan::Http { .. } => Ok(Bytes::from(text.to_owned())),
            Plan::Nats { message, .. } => {
                let mut json = serde_json::Deserializer::from_str(text);
                let known = self.pools.values().find_map(|pool| pool.get_message_by_name(message));
                let message = DynamicMessage::deserialize(known.expect("a message of a contract"), &mut json);
                Ok(message.expect("JSON of the message").encode_to_vec().into())
            }
            Plan::Grpc { .. } => {
                let mut json = serde_json::Deserializer::from_str(text);
                let message = DynamicMessage::deserialize(self.method(call).output(), &mut json);
                Ok(message.expect("JSON of the reply's message").encode_to_vec().into())
            }
        }
    }
}

impl Upstream for World<'_> {
    fn call<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Reply, CallError>> {
        let (delay, reply) = self.reply(call, &self.note(call, &request));
        async move {
            if Instant::now() + delay > request.deadline {
                sleep_until(request.deadline).await;
                return Err(CallError::new(Code::DeadlineExceeded, "no reply in time"));
            }
            sleep(delay).await;
            reply
        }
        .boxed()
    }

    fn broke_contract(&self, call: &Call) {
        self.sent.lock().unwrap().push(format!("{} broke its contract", call.name));
    }

    /// The block's lines are the replies.
    fn open<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Replies, CallError>> {
        let request = self.note(call, &request);
        let replies: Vec<_> = self
            .block(call, &request)
            .map(|b| b.text.lines().map(|line| self.streamed(call, line)).collect())
            .unwrap_or_default();
        async move { Ok(futures_util::stream::iter(replies).boxed()) }.boxed()
    }
}
