//! Random expressions: what is printed parses to the same, and what is accepted gives what the checker promised.

mod random;

use std::sync::Arc;

use bytes::Bytes;
use compose::check::{Rules, check};
use compose::definition;
use compose::expr::{Expr, Kind as Ast, parse};
use compose::inputs::{Arguments, Auth, bind};
use compose::plan::{Call, Plan, Shape};
use compose::problem::{ErrorCode, File, Place};
use compose::run::run;
use compose::schema::{Contracts, Kind, Type};
use compose::upstream::{CallError, Replies, Reply, Request, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use random::Random;
use tokio::time::{Duration, Instant};

use crate::cases::contracts::pool;

const PROTO: &str = r#"
syntax = "proto3";
package t.v1;
import "google/protobuf/duration.proto";
import "google/protobuf/timestamp.proto";
import "google/type/date.proto";
import "google/type/decimal.proto";
import "google/type/money.proto";
service T { rpc Get(Request) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; } }
message Request {}
message Thing {
  int32 i = 1; int32 z = 2; int32 m = 3; int64 l = 4; uint32 u = 5; uint64 w = 6; double d = 7; float f = 8; string s = 9;
  optional string o = 10; bool b = 11; Color e = 12; repeated int32 ints = 13; repeated string texts = 14; repeated Thing kids = 15;
  google.type.Decimal c = 16; google.type.Money p = 17; google.protobuf.Timestamp at = 18; google.protobuf.Duration took = 19;
  google.type.Date day = 20; google.type.Money none = 21; bytes raw = 22;
}
enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; }
"#;

const REPLY: &str = r#"{"i": 7, "m": 2147483647, "l": "9007199254740993", "u": 3, "w": "18446744073709551615", "d": 2.5, "f": 0.1,
  "s": "Éclair \" 12", "b": true, "e": "COLOR_RED", "ints": [3, -1, 2], "texts": ["b", "", "é"], "kids": [{"i": 1, "o": "x"}, {"p": {"currencyCode": "EUR", "units": "2"}}],
  "c": {"value": "-0.19"}, "p": {"currencyCode": "USD", "units": "12", "nanos": 500000000}, "at": "2026-01-31T23:59:59.500Z", "took": "1.5s",
  "day": {"year": 2026, "month": 2, "day": 28}, "raw": "AQI="}"#;

/// Answers every call with one reply.
struct Same(Bytes);

impl Upstream for Same {
    fn call<'a>(&'a self, _: &'a Call, _: Request) -> BoxFuture<'a, Result<Reply, CallError>> {
        let body = self.0.clone();
        async move { Ok(Reply { body, headers: Vec::new() }) }.boxed()
    }

    fn open<'a>(&'a self, _: &'a Call, _: Request) -> BoxFuture<'a, Result<Replies, CallError>> {
        unreachable!("no view streams")
    }
}

struct World {
    contracts: Contracts,
    upstream: Same,
}

impl World {
    fn new() -> World {
        let pool: DescriptorPool = pool(PROTO);
        let mut contracts = Contracts::default();
        contracts.add_proto("t", &pool);
        let thing = pool.get_message_by_name("t.v1.Thing").unwrap();
        let reply = DynamicMessage::deserialize(thing, &mut serde_json::Deserializer::from_str(REPLY)).unwrap();
        World { contracts, upstream: Same(reply.encode_to_vec().into()) }
    }

    /// The plan of a view that writes the expression, or the codes of its problems.
    fn checked(&self, expression: &str) -> Result<Plan, Vec<ErrorCode>> {
        let head = "view: v\nroute: GET /v/{n}\naccess: user\nparams:\n  n: { in: path, type: int32 }\ncalls:\n  t: { grpc: t/t.v1.T.Get }\n";
        let text = format!("{head}shape:\n  x: '{}'\n  read: t.i\n", expression.replace('\'', "''"));
        let file = Arc::new(File { name: "v.yaml".into(), text });
        let (definitions, mut problems) = definition::read(&[file]);
        let (plans, more) = check(&definitions, &self.contracts, Rules::default());
        problems.extend(more);
        plans.into_iter().next().ok_or_else(|| problems.iter().map(|problem| problem.code).collect())
    }

    /// What the view writes, or the message of its failure.
    async fn ran(&self, plan: &Plan) -> Result<serde_json::Value, String> {
        let auth = Auth {
            sub: "u".into(),
            role: "user".into(),
            email: None,
            kind: "user".into(),
            scopes: vec!["read".into()],
        };
        let inputs = bind(
            plan,
            Arguments {
                path: &[("n", "5")],
                query: "",
                header: &|_| None,
                body: Bytes::new(),
                auth: Some(auth),
                now: (1_790_000_000, 0),
            },
        );
        let answer = run(plan, &inputs.unwrap(), &self.upstream, Instant::now() + Duration::from_secs(9)).await;
        let body = answer.map_err(|failure| failure.error.message)?.body.unwrap();
        let value: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        Ok(value["x"].clone())
    }
}

fn parsed(text: &str) -> Option<Expr> {
    let file = Arc::new(File { name: "e".into(), text: text.into() });
    parse(text, &Place::start_of(&file)).ok()
}

/// Without positions.
fn bare(expr: &Expr) -> Expr {
    let all = |exprs: &[Expr]| exprs.iter().map(bare).collect();
    let one = |expr: &Expr| Box::new(bare(expr));
    let kind = match &expr.kind {
        Ast::Member { of, name, safe } => Ast::Member { of: one(of), name: name.clone(), safe: *safe },
        Ast::Index { of, index } => Ast::Index { of: one(of), index: one(index) },
        Ast::Each(of) => Ast::Each(one(of)),
        Ast::Call { function, arguments } => Ast::Call { function: function.clone(), arguments: all(arguments) },
        Ast::Not(of) => Ast::Not(one(of)),
        Ast::Negate(of) => Ast::Negate(one(of)),
        Ast::And(a, b) => Ast::And(one(a), one(b)),
        Ast::Or(a, b) => Ast::Or(one(a), one(b)),
        Ast::Compare(how, a, b) => Ast::Compare(*how, one(a), one(b)),
        Ast::Arithmetic(how, a, b) => Ast::Arithmetic(*how, one(a), one(b)),
        Ast::Coalesce(a, b) => Ast::Coalesce(one(a), one(b)),
        leaf => leaf.clone(),
    };
    Expr { at: 0, width: 0, kind }
}

#[test]
fn what_is_printed_parses_to_the_same() {
    let mut random = Random(1);
    for _ in 0..5000 {
        let expr = random.tree(4);
        let text = expr.to_string();
        let again = parsed(&text).unwrap_or_else(|| panic!("{text} does not parse: {expr:?}"));
        assert_eq!(bare(&again), expr, "{text}");
    }
}

#[test]
fn no_text_makes_the_parser_or_the_checker_panic() {
    let (world, mut random) = (World::new(), Random(2));
    for _ in 0..1500 {
        let _ = world.checked(&random.soup());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_gives_what_was_promised() {
    let (world, mut random) = (World::new(), Random(3));
    let (mut accepted, mut answered) = (0, 0);
    for _ in 0..2500 {
        let text = random.expression(3);
        let Ok(plan) = world.checked(&text) else { continue };
        accepted += 1;
        let Some(Shape::Object(members)) = &plan.shape else { panic!("an object was written") };
        let ty = match &members[0].shape {
            Shape::Value { ty, .. } => ty,
            other => panic!("{text} is {other:?}"),
        };
        match world.ran(&plan).await {
            Ok(value) => {
                answered += 1;
                assert!(keeps(&value, ty), "{text} is promised to be {ty:?}, and is {value}");
            }
            Err(message) => {
                let documented = !message.contains("not of the type") && !message.contains("has no text");
                assert!(documented, "{text}: {message}");
            }
        }
    }
    assert!(accepted > 800 && answered > 600, "too few are accepted ({accepted}) or answered ({answered})");
}

/// Whether JSON is of the type.
fn keeps(value: &serde_json::Value, ty: &Type) -> bool {
    if value.is_null() {
        return ty.nullable;
    }
    let integer = |range: std::ops::RangeInclusive<i64>| value.as_i64().is_some_and(|i| range.contains(&i));
    let text = |parses: fn(&str) -> bool| value.as_str().is_some_and(parses);
    match &ty.kind {
        Kind::Bool => value.is_boolean(),
        Kind::Int32 => integer(i32::MIN.into()..=i32::MAX.into()),
        Kind::Uint32 => integer(0..=u32::MAX.into()),
        Kind::Int64 => text(|t| t.parse::<i64>().is_ok()),
        Kind::Uint64 => text(|t| t.parse::<u64>().is_ok()),
        Kind::Float | Kind::Double => value.is_number(),
        Kind::Decimal => text(|t| t.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit() || b == b'.')),
        Kind::Money => value["amount"].is_string() && value["currency"].is_string(),
        Kind::Timestamp => text(|t| t.ends_with('Z')),
        Kind::Duration => text(|t| t.ends_with('s')),
        Kind::Date => text(|t| t.len() == 10),
        Kind::List(item) => value.as_array().is_some_and(|items| items.iter().all(|value| keeps(value, item))),
        Kind::String | Kind::Bytes | Kind::Enum(_) => value.is_string(),
        _ => true,
    }
}

#[tokio::test(start_paused = true)]
async fn integers_are_computed_as_a_wider_type_would() {
    let (world, mut random) = (World::new(), Random(4));
    for _ in 0..1500 {
        let (text, expected) = random.integer(4);
        match (world.checked(&text), expected) {
            (Ok(plan), Some(number)) => assert_eq!(world.ran(&plan).await, Ok(number.into()), "{text}"),
            (Ok(plan), None) => assert!(world.ran(&plan).await.is_err(), "{text}"),
            (Err(codes), Some(number)) => panic!("{text} is {number}, but refused: {codes:?}"),
            (Err(_), None) => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_and_the_deepest_expression_run() {
    let world = World::new();
    let long = ["t.z"; 64].join(" + ");
    let deep = format!("{}t.i{}", "-(".repeat(15), ")".repeat(15));
    for (text, expected) in [(long, 0), (deep, -7)] {
        let plan = world.checked(&text).unwrap_or_else(|codes| panic!("{text}: {codes:?}"));
        assert_eq!(world.ran(&plan).await, Ok(expected.into()), "{text}");
    }
    assert!(parsed(&"(".repeat(100_000)).is_none());
    assert!(parsed(&"!".repeat(100_000)).is_none());
    assert!(parsed(&format!("a{}", "[0]".repeat(100_000))).is_none());
}
