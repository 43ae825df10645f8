//! A planned view with its services, ready to run.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use compose::check::{Rules, check};
use compose::inputs::{Arguments, bind};
use compose::plan::Plan;
use compose::problem::{File, Problem};
use compose::run::{Answer, run};
use compose::schema::Contracts;
use compose::tape::Layout;
use compose::{decode, definition};
use prost_reflect::DescriptorPool;
use tokio::time::Instant;

use crate::Services;

/// The workload's view, as the server serves it.
const HOME: &str = include_str!("../views/home.yaml");
const OPENAPI: [(&str, &str); 3] = [
    ("products", include_str!("../contracts/products.yaml")),
    ("users", include_str!("../contracts/users.yaml")),
    ("rewards", include_str!("../contracts/rewards.yaml")),
];

pub struct View {
    plan: Plan,
    pub services: Services,
}

impl View {
    /// What `fakes --save` has written of the workload.
    pub fn home() -> anyhow::Result<Self> {
        let services = Services::new([
            ("recent", Bytes::from_static(include_bytes!("../fixtures/orders.binpb"))),
            ("products", Bytes::from_static(include_bytes!("../fixtures/products.json"))),
            ("profile", Bytes::from_static(include_bytes!("../fixtures/profile.json"))),
            ("rewards", Bytes::from_static(include_bytes!("../fixtures/rewards.json"))),
        ]);
        Self::new(HOME, services)
    }

    pub fn new(text: &str, services: Services) -> anyhow::Result<Self> {
        let mut plans = check_and_plan(&[file("view.yaml", text)], &contracts()?)?;
        Ok(Self { plan: plans.pop().context("a view")?, services })
    }

    /// One request, from its arguments to the answer.
    pub async fn run(&self) -> anyhow::Result<Answer> {
        let arguments = Arguments {
            path: &[("id", "u1")],
            query: "",
            header: &|_| None,
            body: Bytes::new(),
            auth: None,
            now: (1_790_000_000, 0),
        };
        let Ok(inputs) = bind(&self.plan, arguments) else { bail!("the arguments do not fit") };
        let deadline = Instant::now() + self.plan.deadline;
        match run(&self.plan, &inputs, &self.services, deadline).await {
            Ok(answer) => {
                ensure!(answer.notes.is_empty(), "a part is missing: {:?}", answer.notes);
                Ok(answer)
            }
            Err(failure) => bail!("{}", failure.error.message),
        }
    }

    /// The reply of a call, and what is decoded of it.
    pub fn reply(&self, call: &str) -> anyhow::Result<(&Layout, &Bytes)> {
        let planned = self.plan.calls.iter().find(|planned| planned.name == call);
        let layout = planned.and_then(|planned| planned.layout.as_ref()).context("a call that is read")?;
        let reply = self.services.reply(call).context("its reply")?;
        decode::reply(layout, reply.clone()).map_err(|violation| anyhow::anyhow!("{}", violation.message))?;
        Ok((layout, reply))
    }
}

/// Variations of the workload's view, each in a file of its own.
pub fn files(count: usize) -> Vec<Arc<File>> {
    let variation = |n: usize| {
        let text = HOME.replace("view: home", &format!("view: home-{n}"));
        file(&format!("home-{n}.yaml"), &text.replace("GET /home/", &format!("GET /home-{n}/")))
    };
    (0..count).map(variation).collect()
}

fn file(name: &str, text: &str) -> Arc<File> {
    Arc::new(File { name: name.to_owned(), text: text.into() })
}

pub fn contracts() -> anyhow::Result<Contracts> {
    let mut contracts = Contracts::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
    let descriptors = protox::compile(["orders/v1/orders.proto"], [folder]).map_err(|error| anyhow::anyhow!(error))?;
    contracts.add_proto("orders", &DescriptorPool::from_file_descriptor_set(descriptors)?);
    for (source, text) in OPENAPI {
        none(&contracts.add_openapi(source, &file(source, text), &|_| None))?;
    }
    Ok(contracts)
}

/// A plan for every view.
pub fn check_and_plan(files: &[Arc<File>], contracts: &Contracts) -> anyhow::Result<Vec<Plan>> {
    let (definitions, problems) = definition::read(files);
    none(&problems)?;
    let (plans, problems) = check(&definitions, contracts, Rules::default());
    none(&problems)?;
    Ok(plans)
}

fn none(problems: &[Problem]) -> anyhow::Result<()> {
    problems.first().map_or(Ok(()), |problem| bail!("{problem}"))
}
