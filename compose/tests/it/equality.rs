//! What a view writes of protobuf replies is protobuf's canonical JSON, of random contracts, views and replies.
//!
//! The reference is prost-reflect. Where the specification says otherwise, the expected JSON does too: enum names lose
//! their type's prefix, unknown numbers are "UNRECOGNIZED", what is absent is written (null or its default), maps are
//! sorted lists of entries where they are walked through, and a value that JSON has no text for fails the call.
//! `EQUALITY_ROUNDS` says how many contracts (default 60), `EQUALITY_SEED` which come first.

mod contract;
mod view;
pub mod wire;

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use compose::check::{Rules, check};
use compose::definition;
use compose::inputs::{Arguments, Inputs, bind};
use compose::plan::{Call, Plan};
use compose::problem::File;
use compose::run::{Failure, run};
use compose::schema::Contracts;
use compose::upstream::{CallError, Replies, Reply, Request, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value;
use tokio::time::{Duration, Instant};

use super::cases::contracts::pool;
use super::decode::Random;
use view::Part;

/// Answers every call with these bytes.
struct Answers(Bytes);

impl Upstream for Answers {
    fn call<'a>(&'a self, _: &'a Call, _: Request) -> BoxFuture<'a, Result<Reply, CallError>> {
        async { Ok(Reply { body: self.0.clone(), headers: Vec::new() }) }.boxed()
    }

    fn open<'a>(&'a self, _: &'a Call, _: Request) -> BoxFuture<'a, Result<Replies, CallError>> {
        unreachable!("no view here is a stream")
    }
}

/// A random contract and view, and what the view reads of the contract's message.
struct World {
    contract: String,
    view: String,
    message: MessageDescriptor,
    plan: Plan,
    inputs: Inputs,
    parts: Vec<Part>,
}

impl World {
    fn new(random: &mut Random) -> World {
        let contract = contract::random(random);
        let pool = pool(&contract);
        let message = pool.get_message_by_name("t.M0").unwrap();
        let parts = view::parts(random, &message, 0);
        let shape = serde_json::to_string_pretty(&view::shape(&parts, "reply")).unwrap();
        let view = format!(
            "view: v\nroute: GET /v\naccess: public\ncalls:\n  reply:\n    grpc: s/t.S.Get\nshape:\n  {}\n",
            shape.replace('\n', "\n  ")
        );
        let mut contracts = Contracts::default();
        contracts.add_proto("s", &pool);
        let file = Arc::new(File { name: "view.yaml".into(), text: view.clone() });
        let (definitions, mut problems) = definition::read(&[file]);
        let (mut plans, more) = check(&definitions, &contracts, Rules::default());
        problems.extend(more);
        assert!(problems.is_empty(), "{contract}\n{view}\n{}", problems[0]);
        let plan = plans.remove(0);
        let arguments =
            Arguments { path: &[], query: "", header: &|_| None, body: Bytes::new(), auth: None, now: (0, 0) };
        let inputs = bind(&plan, arguments).unwrap();
        World { contract, view, message, plan, inputs, parts }
    }

    async fn answer(&self, wire: Vec<u8>) -> Result<Value, Failure> {
        let upstream = Answers(wire.into());
        let deadline = Instant::now() + Duration::from_secs(60);
        let answer = run(&self.plan, &self.inputs, &upstream, deadline).await?;
        Ok(serde_json::from_slice(&answer.body.unwrap()).expect("the answer is JSON"))
    }

    fn describe(&self, wire: &[u8]) -> String {
        let mut hex = String::new();
        wire.iter().for_each(|byte| write!(hex, "{byte:02x}").unwrap());
        format!("{}\n{}\n{hex}", self.contract, self.view)
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var_os(name).and_then(|value| value.to_str()?.parse().ok()).unwrap_or(default)
}

#[tokio::test(start_paused = true)]
async fn answers_are_canonical_json() {
    let first = setting("EQUALITY_SEED", 1);
    let (mut equal, mut refused) = (0, 0);
    for seed in first..first + setting("EQUALITY_ROUNDS", 60) {
        let mut random = Random(seed);
        let world = World::new(&mut random);
        for _ in 0..20 {
            let odd = random.below(8) == 0;
            let wire = wire::message(&mut random, &world.message, 12, odd);
            let reference = DynamicMessage::decode(world.message.clone(), &wire[..]).expect("a valid message");
            match world.answer(wire.clone()).await {
                Ok(answer) => {
                    let expected = view::expected(&world.parts, &reference);
                    let (answer, expected) = (view::whole_numbers(answer), view::whole_numbers(expected));
                    assert_eq!(answer, expected, "seed {seed}\n{}", world.describe(&wire));
                    equal += 1;
                }
                Err(failure) => {
                    let said = format!("seed {seed}: {failure:?}\n{}", world.describe(&wire));
                    assert!(odd && failure.error.malformed, "{said}");
                    refused += 1;
                }
            }
        }
    }
    assert!(equal > refused, "{equal} equal, {refused} refused");
}

#[tokio::test(start_paused = true)]
async fn damaged_replies_are_answered_or_refused() {
    let first = setting("EQUALITY_SEED", 1);
    let (mut answered, mut refused) = (0, 0);
    for seed in first..first + setting("EQUALITY_ROUNDS", 60) / 2 {
        let mut random = Random(seed);
        let world = World::new(&mut random);
        for _ in 0..40 {
            let mut wire = wire::message(&mut random, &world.message, 12, true);
            match random.below(3) {
                0 => wire.truncate(random.below(wire.len() + 1)),
                1 => (0..3).for_each(|_| {
                    let at = random.below(wire.len() + 1);
                    wire.insert(at, random.next() as u8);
                }),
                _ if wire.is_empty() => {}
                _ => (0..3).for_each(|_| {
                    let at = random.below(wire.len());
                    wire[at] ^= 1 << random.below(8);
                }),
            }
            match world.answer(wire.clone()).await {
                Ok(_) => answered += 1,
                Err(failure) => {
                    assert!(failure.error.malformed, "seed {seed}: {failure:?}\n{}", world.describe(&wire));
                    refused += 1;
                }
            }
        }
    }
    assert!(answered > 100 && refused > 100, "{answered} answered, {refused} refused");
}
