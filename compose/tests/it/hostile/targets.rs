//! What hostile input goes into: each target takes bytes, and ends with an answer or a typed refusal.
//!
//! The fuzz targets of `fuzz/` and the bounded tests beside this file call the same functions.

use std::fmt::Write;
use std::panic::catch_unwind;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use compose::check::{Rules, check};
use compose::definition;
use compose::explain::{Explanation, Value};
use compose::inputs::{Arguments, Auth, Inputs, bind};
use compose::plan::{Call, Plan};
use compose::problem::{File, Problem};
use compose::run::{Answer, Failure, run};
use compose::scaffold::scaffold;
use compose::schema::Contracts;
use compose::upstream::{CallError, Replies, Reply, Request, Target, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, FileResolver, GoogleFileResolver};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Duration, Instant};

pub const PROTO: &str = include_str!("rich.proto");
pub const OPENAPI: &str = include_str!("rich.yaml");
pub const VIEWS: &str = include_str!("rich.views.yaml");

/// Operations of one contract that views are made for.
const MAX_OPERATIONS: usize = 8;
/// Parts of the message types that `google.type` has.
const GOOGLE: [(&str, &str); 3] = [
    ("google/type/date.proto", "message Date { int32 year = 1; int32 month = 2; int32 day = 3; }"),
    ("google/type/decimal.proto", "message Decimal { string value = 1; }"),
    ("google/type/money.proto", "message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }"),
];

/// A name, and what runs an input.
type Named = (&'static str, fn(&[u8]));

pub const TARGETS: [Named; 7] = [
    ("view", view),
    ("expression", expression),
    ("protobuf", protobuf),
    ("json", json),
    ("request", request),
    ("openapi", openapi),
    ("descriptors", descriptors),
];

pub struct Rich {
    pub pool: DescriptorPool,
    pub contracts: Contracts,
    plans: Vec<Plan>,
}

pub static RICH: LazyLock<Rich> = LazyLock::new(|| {
    let pool = pool();
    let mut contracts = Contracts::default();
    contracts.add_proto("s", &pool);
    let problems = contracts.add_openapi("h", &file("rich.yaml", OPENAPI), &|_| None);
    assert!(problems.is_empty(), "{}", told(&problems));
    let (plans, problems) = planned(&contracts, VIEWS);
    assert!(problems.is_empty(), "{}", told(&problems));
    Rich { pool, contracts, plans }
});

impl Rich {
    pub fn plan(&self, name: &str) -> &Plan {
        self.plans.iter().find(|plan| plan.name == name).expect("a view of rich.views.yaml")
    }
}

struct Files;

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        let google = GOOGLE.iter().find(|(file, _)| *file == name);
        match google {
            Some((_, message)) => {
                protox::file::File::from_source(name, &format!("syntax = \"proto3\"; package google.type; {message}"))
            }
            None if name == "rich.proto" => protox::file::File::from_source(name, PROTO),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn pool() -> DescriptorPool {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Files);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_file("rich.proto").expect("it compiles");
    DescriptorPool::decode(&*compiler.encode_file_descriptor_set()).expect("it is complete")
}

pub fn file(name: &str, text: &str) -> Arc<File> {
    Arc::new(File { name: name.into(), text: text.into() })
}

/// Every problem as its author reads it.
pub fn told(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |mut all, problem| {
        assert!(problem.help.is_some(), "this does not say what to write instead:\n{problem}");
        write!(all, "{problem}").expect("a text takes all");
        all
    })
}

pub fn planned(contracts: &Contracts, text: &str) -> (Vec<Plan>, Vec<Problem>) {
    let (definitions, mut problems) = definition::read(&[file("view.yaml", text)]);
    let (plans, more) = check(&definitions, contracts, Rules::default());
    problems.extend(more);
    let identity = |source: &str| source.to_owned();
    for plan in &plans {
        let view = definitions.views.iter().find(|view| view.name.value == plan.name).expect("the view of a plan");
        let drawn = format!("{plan}{}", Explanation { view, plan, identity: &identity });
        assert!(drawn.contains(&plan.name), "{drawn}");
        for pointer in ["", "/", "/items/*/id", "/leaves/*/id/~1", "/either"] {
            let _ = Value::find(plan, pointer).map(|value| value.to_string());
        }
    }
    (plans, problems)
}

fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

pub fn view(data: &[u8]) {
    views(&RICH.contracts, &text(data));
}

/// Reads and checks the views, explains their plans, and answers each of them when nothing comes from the services.
pub fn views(contracts: &Contracts, text: &str) {
    let (plans, problems) = planned(contracts, text);
    told(&problems);
    for plan in &plans {
        for reply in ["", "{}"] {
            if let Ok(inputs) = bind(plan, arguments(&[("id", "1")], "", &|_| None, Bytes::new())) {
                let _ = answer(plan, &inputs, Bytes::from_static(reply.as_bytes()));
            }
        }
    }
}

pub fn expression(data: &[u8]) {
    // A reply that has something of everything.
    const REPLY: &[u8] = b"\x18\x05\x72\x03abc\xca\x02\x05\x0a\x01a\x10\x07\xca\x02\x00\xd2\x02\x02\x08\x01\xe2\x03\x06\x0a\x01a\x12\x01b\xb0\x04\x07";
    let text = text(data);
    let place = compose::problem::Place::start_of(&file("expression", &text));
    if let Err(problem) = compose::expr::parse(&text, &place) {
        told(&[problem]);
        return;
    }
    let quoted = serde_json::to_string(&text).expect("a text");
    let view = format!(
        "view: e\nroute: GET /e\naccess: public\ncalls: {{ m: {{ grpc: s/t.S.Get }} }}\nshape:\n  one: {quoted}\n  many:\n    from: m.leaves as l\n    item: {{ value: {quoted} }}\n"
    );
    let (plans, problems) = planned(&RICH.contracts, &view);
    told(&problems);
    for plan in &plans {
        let inputs = bind(plan, arguments(&[], "", &|_| None, Bytes::new())).expect("it takes nothing");
        let _ = answer(plan, &inputs, Bytes::from_static(REPLY));
    }
}

pub fn protobuf(data: &[u8]) {
    let _ = reply("protobuf", data);
}

pub fn json(data: &[u8]) {
    let _ = reply("json", data);
}

/// A reply is answered, or is a call that failed because its reply is malformed, or cannot be computed with.
pub fn reply(view: &str, data: &[u8]) -> Result<Answer, Failure> {
    let plan = RICH.plan(view);
    let inputs = bind(plan, arguments(&[], "", &|_| None, Bytes::new())).expect("it takes nothing");
    let answer = answer(plan, &inputs, Bytes::copy_from_slice(data));
    if let Err(failure) = &answer {
        assert!(failure.call.is_some(), "nobody is to blame: {failure:?}");
    }
    answer
}

/// The path's parameter, the query and a header, a line each, then the body.
pub fn request(data: &[u8]) {
    let plan = RICH.plan("request");
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (path, query, header, body) = (text(line()), text(line()), text(line()), line());
    let given = |name: &str| (name == "x-trace" && !header.is_empty()).then(|| header.to_string());
    match bind(plan, arguments(&[("id", &path)], &query, &given, Bytes::copy_from_slice(body))) {
        Ok(inputs) => drop(answer(plan, &inputs, Bytes::new())),
        Err(errors) => assert!(!errors.is_empty() && errors.len() <= 64, "{} errors", errors.len()),
    }
}

pub fn openapi(data: &[u8]) {
    let mut contracts = Contracts::default();
    let problems = contracts.add_openapi("h", &file("contract.yaml", &text(data)), &|_| None);
    told(&problems);
    scaffolded(&contracts);
}

pub fn descriptors(data: &[u8]) {
    // Its errors may panic, which the server takes for an error too.
    let Ok(Ok(pool)) = catch_unwind(|| DescriptorPool::decode(data)) else { return };
    let mut contracts = Contracts::default();
    contracts.add_proto("s", &pool);
    scaffolded(&contracts);
}

/// Makes views of the contract's operations, and checks them.
fn scaffolded(contracts: &Contracts) {
    for (name, source) in &contracts.sources {
        for operation in source.operations.keys().chain(source.streams.keys()).take(MAX_OPERATIONS) {
            if let Ok(text) = scaffold(contracts, "made", &[format!("{name}/{operation}")]) {
                views(contracts, &text);
            }
        }
    }
}

pub fn arguments<'a>(
    path: &'a [(&'a str, &'a str)],
    query: &'a str,
    header: &'a (dyn Fn(&str) -> Option<String> + Sync),
    body: Bytes,
) -> Arguments<'a> {
    let auth = Auth {
        sub: "u1".into(),
        role: "user".into(),
        email: None,
        kind: "user".into(),
        scopes: vec!["read".into(), "write".into()],
    };
    Arguments { path, query, header, body, auth: Some(auth), now: (1_790_000_000, 0) }
}

/// Answers every call with the same bytes, once it has seen that what was sent can travel.
struct Service(Bytes);

impl Upstream for Service {
    fn call<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Reply, CallError>> {
        if let Target::Http { path_and_query, headers } = &request.target {
            let travels = path_and_query.starts_with('/') && path_and_query.bytes().all(|byte| byte.is_ascii_graphic());
            assert!(travels, "{path_and_query:?}");
            let broken = |byte: u8| byte < 0x20 && byte != b'\t' || byte == 0x7f;
            assert!(!headers.iter().any(|(_, value)| value.bytes().any(broken)), "{headers:?}");
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&request.body).is_ok();
            assert!(request.body.is_empty() || is_json, "{:?}", request.body);
        }
        let headers = call.headers.iter().map(|_| Some("W/\"1\"".to_owned())).collect();
        let reply = Reply { body: self.0.clone(), headers };
        async { Ok(reply) }.boxed()
    }

    fn open<'a>(&'a self, _: &'a Call, _: Request) -> BoxFuture<'a, Result<Replies, CallError>> {
        unreachable!("streams are not opened here")
    }
}

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime needs nothing");
}

/// Whatever the services answer: JSON, or a failure that says whose fault it is.
pub fn answer(plan: &Plan, inputs: &Inputs, reply: Bytes) -> Result<Answer, Failure> {
    let answer = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let deadline = Instant::now() + Duration::from_secs(60);
            run(plan, inputs, &Service(reply), deadline).await
        })
    });
    if let Ok(Answer { body: Some(body), .. }) = &answer {
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(body);
        assert!(json.is_ok(), "{json:?}: {}", String::from_utf8_lossy(body));
    }
    answer
}
