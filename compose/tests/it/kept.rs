//! What is kept by key gives the same answers as what is asked for, whatever the protocol and wherever the keys go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use compose::check::{Rules, check};
use compose::definition;
use compose::inputs::{Arguments, bind};
use compose::plan::{Call, Plan};
use compose::problem::File;
use compose::run::{Keyed, run};
use compose::schema::Contracts;
use compose::upstream::{CallError, Code, Part, Reading, Replies, Reply, Request, Target, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost_reflect::{DescriptorPool, DynamicMessage, prost::Message};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::cases::contracts::pool;

const PROTO: &str = r#"
syntax = "proto3";
package t;
service S {
  rpc List(Ask) returns (Many) { option idempotency_level = NO_SIDE_EFFECTS; }
}
message Ask { repeated int64 ids = 3; string lang = 7; }
message Many { string note = 1; repeated Item items = 2; }
message Item { int64 id = 1; string title = 2; Item inner = 3; }
"#;

const OPENAPI: &str = r##"
openapi: 3.0.3
info: { title: t, version: "1" }
paths:
  /things:
    get:
      operationId: list
      parameters:
        - { name: lang, in: query, schema: { type: string } }
        - { name: ids, in: query, schema: { type: array, items: { type: integer, format: int64 } } }
      responses: { "200": { $ref: "#/components/responses/list" } }
    post:
      operationId: find
      requestBody:
        content:
          application/json:
            schema:
              type: object
              properties:
                filter: { type: object, properties: { lang: { type: string } } }
                ids: { type: array, items: { type: integer, format: int64 } }
      responses: { "200": { $ref: "#/components/responses/bare" } }
components:
  schemas:
    Item: { type: object, required: [id, title], properties: { id: { type: integer, format: int64 }, title: { type: string } } }
  responses:
    list:
      description: ok
      content:
        application/json:
          schema: { type: object, required: ["the \"items\""], properties: { "the \"items\"": { type: array, items: { $ref: "#/components/schemas/Item" } } } }
    bare:
      description: ok
      content: { application/json: { schema: { type: array, items: { $ref: "#/components/schemas/Item" } } } }
"##;

fn view(call: &str) -> Plan {
    let text = format!(
        r#"
view: v
route: POST /v
access: public
params: {{ lang: {{ in: query, type: string }} }}
body: {{ like: s/t.Ask, pick: [ids] }}
calls:
  things:
    {call}
    each: $body.ids[]
    bound: 10
    missing: null
    cache: {{ scope: shared, ttl: 1m, per: key, tags: ["thing:${{$key}}", "all:${{$params.lang}}"] }}
shape:
  things:
    from: $body.ids as id
    item: {{ of: "things[id]", pick: [title] }}
"#
    );
    let file = Arc::new(File { name: "v.yaml".into(), text });
    let mut contracts = Contracts::default();
    contracts.add_proto("s", &pool(PROTO));
    let openapi = Arc::new(File { name: "h.yaml".into(), text: OPENAPI.into() });
    let mut problems = contracts.add_openapi("h", &openapi, &|_| None);
    contracts.sources.get_mut("h").unwrap().http = true;
    let (definitions, more) = definition::read(&[file]);
    problems.extend(more);
    let (mut plans, more) = check(&definitions, &contracts, Rules::default());
    problems.extend(more);
    assert!(problems.is_empty(), "{}", problems[0]);
    plans.remove(0)
}

/// A service that knows the even ids, and what is kept of its answers.
struct Keeper {
    pool: DescriptorPool,
    keeps: bool,
    kept: Mutex<HashMap<Vec<u8>, Part>>,
    asked: Mutex<Vec<String>>,
    tags: Mutex<Vec<String>>,
}

impl Keeper {
    fn new(keeps: bool) -> Keeper {
        let (kept, asked, tags) = Default::default();
        Keeper { pool: pool(PROTO), keeps, kept, asked, tags }
    }

    fn answer(&self, target: &Target, body: &Bytes) -> Bytes {
        let title = |id: &str| format!("thing \"{id}\"");
        let item = |id: &str| json!({ "more": [id], "id": id.parse::<i64>().unwrap(), "title": title(id) });
        let known = |id: &&str| id.parse::<i64>().is_ok_and(|id| id % 2 == 0);
        let Target::Http { path_and_query, .. } = target else {
            let ask = DynamicMessage::decode(self.pool.get_message_by_name("t.Ask").unwrap(), body.clone()).unwrap();
            let ask: Value = serde_json::to_value(ask).unwrap();
            self.asked.lock().unwrap().push(ask.to_string());
            let ids = ask["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap());
            let items: Vec<Value> = ids.filter(known).map(|id| json!({ "id": id, "title": title(id) })).collect();
            let many = self.pool.get_message_by_name("t.Many").unwrap();
            let many = DynamicMessage::deserialize(many, json!({ "note": "n", "items": items })).unwrap();
            return many.encode_to_vec().into();
        };
        let text = std::str::from_utf8(body).unwrap();
        self.asked.lock().unwrap().push(format!("{path_and_query} {text}"));
        if body.is_empty() {
            let ids: Vec<&str> = path_and_query.split("ids=").skip(1).map(|id| id.trim_end_matches('&')).collect();
            let items: Vec<Value> = ids.into_iter().filter(known).map(item).collect();
            return json!({ "the \"items\"": items, "count": 1 }).to_string().into();
        }
        let ask: Value = serde_json::from_str(text).unwrap();
        let ids: Vec<String> = ask["ids"].as_array().unwrap().iter().map(Value::to_string).collect();
        json!(ids.iter().map(String::as_str).filter(known).map(item).collect::<Vec<_>>()).to_string().into()
    }

    fn key(keyed: &Keyed, index: usize) -> Vec<u8> {
        [format!("{:?}", keyed.target).as_bytes(), &keyed.body, &keyed.key(index)].concat()
    }

    fn known(&self, keyed: &Keyed, index: usize) -> Option<Part> {
        self.kept.lock().unwrap().get(&Self::key(keyed, index)).cloned()
    }
}

impl Upstream for Keeper {
    fn call<'a>(&'a self, _: &'a Call, request: Request) -> BoxFuture<'a, Result<Reply, CallError>> {
        async move { Ok(Reply { body: self.answer(&request.target, &request.body), headers: Vec::new() }) }.boxed()
    }

    fn keeps(&self, _: &Call) -> bool {
        self.keeps
    }

    fn kept_keys(&self, call: &Call, keyed: &Keyed) -> Option<Vec<Option<Reading>>> {
        let read = |part: Bytes| Reading::of(call, &part).unwrap();
        (0..keyed.len()).map(|index| Some(self.known(keyed, index)?.map(read))).collect()
    }

    fn call_keys<'a>(
        &'a self,
        call: &'a Call,
        keyed: Arc<Keyed>,
        _: Instant,
    ) -> BoxFuture<'a, Result<Vec<Part>, CallError>> {
        async move {
            let wanted: Vec<usize> = (0..keyed.len()).filter(|index| self.known(&keyed, *index).is_none()).collect();
            let (target, body) = keyed.request(call, &wanted)?;
            let parts = keyed.split(call, &self.answer(&target, &body), &wanted)?;
            for (index, part) in wanted.into_iter().zip(parts) {
                self.tags.lock().unwrap().extend(keyed.tags(index).map(str::to_owned));
                self.kept.lock().unwrap().insert(Self::key(&keyed, index), part);
            }
            Ok((0..keyed.len()).map(|index| self.known(&keyed, index).unwrap()).collect())
        }
        .boxed()
    }

    fn open<'a>(&'a self, _: &'a Call, _: Request) -> BoxFuture<'a, Result<Replies, CallError>> {
        async { Err(CallError::new(Code::Unimplemented, "nothing streams here")) }.boxed()
    }
}

async fn ask(plan: &Plan, upstream: &Keeper, ids: Value) -> Value {
    let arguments = Arguments {
        path: &[],
        query: "lang=e%26n",
        header: &|_| None,
        body: json!({ "ids": ids }).to_string().into(),
        auth: None,
        now: (0, 0),
    };
    let inputs = bind(plan, arguments).unwrap();
    let answer = run(plan, &inputs, upstream, Instant::now() + Duration::from_secs(60)).await.unwrap();
    serde_json::from_slice(&answer.body.unwrap()).unwrap()
}

#[tokio::test]
async fn only_the_keys_that_are_not_kept_are_asked_for() {
    let calls = [
        (
            "grpc: s/t.S.List\n    request: { lang: $params.lang }\n    batch: { into: ids, max: 10, items: items, key: id }",
            r#"{"ids":["5","6"],"lang":"e&n"}"#,
        ),
        (
            "http: h/list\n    request: { query.lang: $params.lang }\n    batch: { into: query.ids, max: 10, items: 'the \"items\"', key: id }",
            "/things?lang=e%26n&ids=5&ids=6 ",
        ),
        (
            "http: h/find\n    safe: true\n    request: { body.filter.lang: $params.lang }\n    batch: { into: body.ids, max: 10, key: id }",
            r#"/things {"filter":{"lang":"e&n"},"ids":[5,6]}"#,
        ),
    ];
    for (call, asked) in calls {
        let plan = view(call);
        let (keeper, forgetful) = (Keeper::new(true), Keeper::new(false));
        for ids in [json!([2, 3, 4, 2]), json!([4, 5, 6, 2]), json!([6, 5, 4, 3, 2])] {
            let answer = ask(&plan, &keeper, ids.clone()).await;
            assert_eq!(answer, ask(&plan, &forgetful, ids).await, "{call}");
        }
        let sent = keeper.asked.lock().unwrap().clone();
        assert_eq!(sent[1..], [asked], "{call}");
        assert_eq!(forgetful.asked.lock().unwrap().len(), 3);
        let tags = keeper.tags.lock().unwrap().join(" ");
        assert_eq!(tags, "thing:2 all:e&n thing:3 all:e&n thing:4 all:e&n thing:5 all:e&n thing:6 all:e&n");
    }
}
