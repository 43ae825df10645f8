//! Every file of tests/cases: contracts, a view, upstream answers and a request, and what must come of them.
//!
//! A case is Markdown whose fenced blocks count, by the words behind the fence:
//! `proto SOURCE`, `openapi SOURCE` (and `identity`, of one that is told who asks), `file NAME` (which an OpenAPI document
//! refers to), `view`, `fragment`, `int64-as-number` (a setting), `nats SOURCE`, `reply CALL` (JSON; or `error CODE` and lines `FIELD: WRONG` of the fields that are refused, `delay
//! 500ms` in its first line, or `raw` bytes as text; before it lines `header NAME: VALUE`; further words in the fence stand in the request that is answered),
//! `request` (`name: value` lines: path parameters, `query`, `sub`, `role`, `body`), and what is expected: `problems`,
//! `plan`, `explain [POINTER]`, `sent` (each call's request), `answer`, `parts` (of the same request's answer, told as
//! they come; whoever applies the patches must have the answer in the end, in every case). `UPDATE_CASES=1` writes
//! what came into the expected blocks that a file has.

pub mod contracts;
mod parts;
mod scaffold;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use compose::check::{Rules, check};
use compose::definition::{self, View};
use compose::explain::{Explanation, Value};
use compose::inputs::{Arguments, Auth, InputPlace, Inputs, bind, variant};
use compose::plan::Plan;
use compose::problem::File;
use compose::run::{Answer, Event, Failure, forward, open, run};
use compose::schema::Int64;
use futures_util::StreamExt;
use tokio::time::{Duration, Instant};

use contracts::contracts;
use world::World;

/// A fenced block: the words behind the fence, and its text.
pub struct Block {
    pub words: Vec<String>,
    pub text: String,
    lines: std::ops::Range<usize>,
}

pub struct Case {
    path: PathBuf,
    text: String,
    blocks: Vec<Block>,
}

impl Case {
    pub fn read(path: &Path) -> Case {
        let text = std::fs::read_to_string(path).unwrap();
        let mut blocks = Vec::new();
        let mut open: Option<(Vec<String>, usize, Vec<&str>)> = None;
        for (n, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(words)) => {
                    open = Some((words.split_whitespace().map(str::to_owned).collect(), n + 1, Vec::new()))
                }
                (Some((words, start, lines)), Some(_)) => {
                    blocks.push(Block { words: std::mem::take(words), text: lines.join("\n"), lines: *start..n });
                    open = None;
                }
                (Some((_, _, lines)), None) => lines.push(line),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block is not closed", path.display());
        Case { path: path.to_owned(), text, blocks }
    }

    pub fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |b| b.words.first().is_some_and(|w| w == kind))
    }

    fn one(&self, kind: &str) -> Option<&Block> {
        self.blocks.iter().find(|b| b.words.first().is_some_and(|w| w == kind))
    }
}

/// In the order of their names.
pub fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "the cases have gone");
    paths
}

#[tokio::test(start_paused = true)]
async fn every_case() {
    let paths = cases();
    let mut wrong = Vec::new();
    for path in &paths {
        let case = Case::read(path);
        let came = outcome(&case).await;
        wrong.extend(compare(&case, &came));
    }
    assert!(
        wrong.is_empty(),
        "{}\n{} of {} cases differ; UPDATE_CASES=1 accepts what came",
        wrong.join("\n"),
        wrong.len(),
        paths.len()
    );
}

/// What came of a case, by the name of the block that expects it.
async fn outcome(case: &Case) -> Vec<(String, String)> {
    let (contracts, pools, mut problems) = contracts(case);
    let view = Arc::new(File { name: "view.yaml".into(), text: case.one("view").expect("a view").text.clone() + "\n" });
    let fragment = |block: &Block| Arc::new(File { name: "fragment.yaml".into(), text: block.text.clone() + "\n" });
    let files: Vec<_> = [view].into_iter().chain(case.all("fragment").map(fragment)).collect();
    let (definitions, found) = definition::read(&files);
    problems.extend(found);
    let int64 = if case.one("int64-as-number").is_some() { Int64::Number } else { Int64::String };
    let (plans, more) = check(&definitions, &contracts, Rules { int64, ..Rules::default() });
    problems.extend(more);
    if let Some(helpless) = problems.iter().find(|problem| problem.help.is_none()) {
        panic!("{}: this does not say what to write instead:\n{helpless}", case.path.display());
    }
    if !problems.is_empty() {
        let text: Vec<String> = problems.iter().map(|p| p.to_string().trim_end().to_owned()).collect();
        return vec![("problems".into(), text.join("\n\n"))];
    }
    let plan = &Arc::new(plans.into_iter().next().expect("a view without problems has a plan"));
    let mut came: Vec<(String, String)> =
        vec![("problems".into(), String::new()), ("plan".into(), plan.to_string().trim_end().to_owned())];
    for block in case.blocks.iter().filter(|block| block.words.first().is_some_and(|word| word == "explain")) {
        came.push((block.words.join(" "), explained(&definitions.views[0], plan, block.words.get(1))));
    }
    if let Some(request) = case.one("request") {
        let world = World::new(case, &pools);
        let answer = answer(plan, &request.text, &world).await;
        came.push(("sent".into(), world.sent()));
        if plan.method == "GET" && plan.stream.is_none() && plan.proxy.is_none() && !answer.starts_with("refused:") {
            let parts = parts::told(plan, &request.text, &World::new(case, &pools)).await;
            assert_eq!(parts.in_the_end, answer, "{}: the parts make another answer", case.path.display());
            came.push(("parts".into(), parts.text));
        }
        came.push(("answer".into(), answer));
    }
    came
}

fn explained(view: &View, plan: &Plan, pointer: Option<&String>) -> String {
    let identity = |source: &str| format!("whatever {source} wants to know of the caller");
    let text = match pointer {
        Some(pointer) => Value::find(plan, pointer).map_or_else(|unknown| unknown, |value| value.to_string()),
        None => Explanation { view, plan, identity: &identity }.to_string(),
    };
    text.trim_end().to_owned()
}

/// The plan of the variant that the request asks for, and what it gives it; or what is wrong with it.
fn bound<'p>(plan: &'p Arc<Plan>, request: &str) -> Result<(&'p Arc<Plan>, Inputs), String> {
    let lines: Vec<(&str, &str)> = request.lines().filter_map(|l| l.split_once(": ")).collect();
    let given = |name: &str| lines.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
    let auth = given("sub").map(|sub| Auth {
        sub: sub.into(),
        role: given("role").unwrap_or("user").into(),
        email: given("email").map(str::to_owned),
        kind: "user".into(),
        scopes: given("scopes").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    });
    let arguments = Arguments {
        path: &lines,
        query: given("query").unwrap_or_default(),
        header: &|name| given(name).map(str::to_owned),
        body: Bytes::from(given("body").unwrap_or_default().to_owned()),
        auth,
        now: (1_790_000_000, 0),
    };
    let chosen = variant(plan, arguments.query, arguments.header);
    let bound = chosen.map_err(|error| vec![error]).and_then(|plan| Ok((plan, bind(plan, arguments)?)));
    bound.map_err(|errors| {
        let line = |e: &compose::inputs::InputError| match &e.at {
            InputPlace::Parameter(name) => format!("refused: parameter {name} ({}) {}", e.code, e.message),
            InputPlace::Pointer(pointer) => format!("refused: body {pointer:?} ({}) {}", e.code, e.message),
        };
        errors.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

async fn answer(plan: &Arc<Plan>, request: &str, world: &World<'_>) -> String {
    let (plan, inputs) = match bound(plan, request) {
        Ok(bound) => bound,
        Err(refused) => return refused,
    };
    if let Some(proxy) = &plan.proxy {
        return forward(plan, proxy, &inputs)
            .map_or_else(|failure| failed(&failure), |path| format!("handed on to {path}"));
    }
    if plan.stream.is_some() {
        let last = request.lines().find_map(|line| line.strip_prefix("last-event-id: "));
        return events(plan, inputs, world, last.map(str::to_owned)).await;
    }
    shown(plan, run(plan, &inputs, world, deadline(plan)).await)
}

fn deadline(plan: &Plan) -> Instant {
    Instant::now() + plan.deadline.min(Duration::from_secs(60))
}

fn shown(plan: &Plan, result: Result<Answer, Failure>) -> String {
    match result {
        Ok(answer) => {
            let mut text = plan.status.to_string();
            let headers = answer.headers.iter().map(|(name, value)| format!("\n{name}: {value}"));
            text.extend(headers);
            if let Some(body) = &answer.body {
                let value: serde_json::Value = serde_json::from_slice(body).expect("the answer is JSON");
                text += &format!("\n{}", serde_json::to_string_pretty(&value).unwrap());
            }
            text.extend(answer.invalidates.iter().map(|tag| format!("\ninvalidates: {tag}")));
            text.extend(answer.lost.iter().map(|lost| format!("\nlost: {lost}")));
            for note in &answer.notes {
                text += &format!("\npartial: {:?};call={};reason={}", note.path, note.call, note.reason);
            }
            text
        }
        Err(failure) => failed(&failure),
    }
}

async fn events(plan: &Arc<Plan>, inputs: Inputs, world: &World<'_>, after: Option<String>) -> String {
    let mut events = match open(Arc::clone(plan), inputs, world, after).await {
        Ok(events) => events,
        Err(failure) => return failed(&failure),
    };
    let mut text = Vec::new();
    while let Some(event) = events.next().await {
        text.push(event.map_or_else(|failure| failed(&failure), event_text));
    }
    text.join("\n")
}

fn event_text(event: Event) -> String {
    let id = event.id.map_or_else(String::new, |id| format!("{id}: "));
    id + std::str::from_utf8(&event.json).unwrap()
}

fn failed(failure: &Failure) -> String {
    let call = failure.call.as_deref().unwrap_or("none");
    let whose = if failure.from_client { " from the client" } else { "" };
    let status = failure.status.map(|status| format!(" as {status}")).unwrap_or_default();
    let mut text =
        format!("failed: call {call}, {}{whose}{status}: {}", failure.error.code.name(), failure.error.message);
    for mistake in &failure.mistakes {
        let (InputPlace::Parameter(place) | InputPlace::Pointer(place)) = &mistake.at;
        text += &format!("\n{place}: {}", mistake.message);
    }
    text
}

/// The blocks of the case that expect something else than came.
fn compare(case: &Case, came: &[(String, String)]) -> Vec<String> {
    let mut lines: Vec<String> = case.text.lines().map(str::to_owned).collect();
    let mut wrong = Vec::new();
    let mut expects = false;
    for block in case.blocks.iter().rev() {
        let Some(kind) = block
            .words
            .first()
            .filter(|w| ["problems", "plan", "explain", "sent", "parts", "answer"].contains(&w.as_str()))
        else {
            continue;
        };
        expects = true;
        let came = came
            .iter()
            .find(|(name, _)| *name == block.words.join(" "))
            .map(|(_, text)| text.as_str())
            .unwrap_or_default();
        if came != block.text {
            wrong.push(format!("--- {} `{kind}`, expected:\n{}\n--- came:\n{came}\n", case.path.display(), block.text));
            lines.splice(block.lines.clone(), came.lines().map(str::to_owned));
        }
    }
    let unexpected =
        came.first().filter(|(name, text)| *name == "problems" && !text.is_empty() && case.one("problems").is_none());
    if let Some((_, problems)) = unexpected {
        wrong.push(format!("--- {} has problems:\n{problems}\n", case.path.display()));
    }
    assert!(expects, "{} expects nothing", case.path.display());
    if !wrong.is_empty() && std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&case.path, lines.join("\n") + "\n").unwrap();
    }
    wrong
}
