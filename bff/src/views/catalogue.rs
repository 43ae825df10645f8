//! From files to plans: contracts, definitions, and every problem of both at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use compose::check::{Rules, check};
use compose::definition::{self, Definitions};
use compose::plan::{Call, Plan};
use compose::problem::File;
use compose::schema::Contracts;
use http::HeaderName;
use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, GoogleFileResolver, IncludeFileResolver};
use tokio_util::task::TaskTracker;

use super::destination::Destination;
use super::door::Shared;
use super::files::{bytes, read, view_files};
use super::load_error::{Fault, LoadError};
use super::passage::Gate;
use super::{Cache, Config, View};
use crate::meter::Meter;
use crate::upstream::{self, Source};

/// Every view of the folder.
#[derive(Default)]
pub struct Views(Vec<Arc<View>>);

/// Where views come from and what they run with.
pub struct Loader {
    pub config: Config,
    pub settings: BTreeMap<String, upstream::Config>,
    pub sources: BTreeMap<String, Arc<Source>>,
    pub terms: Terms,
    /// What is kept of replies, for all sets of views.
    pub cache: Option<Arc<Cache>>,
    /// Where what changes something runs to its end.
    pub tasks: TaskTracker,
    /// Counts what the views call.
    pub meter: Meter,
}

/// What the server allows a view.
#[derive(Clone, Copy)]
pub struct Terms {
    /// No view may have a path at or below one of these.
    pub reserved: &'static [&'static str],
    /// How long any request may take.
    pub longest: Duration,
}

impl Loader {
    /// Reads and checks the files of the folder against the contracts of the sources, as they are now.
    pub fn load(&self) -> Result<Views, LoadError> {
        let Draft { plans, mut faults, .. } = Draft::read(&self.config, &self.settings, self.terms);
        // What old and new views ask for may differ, so each set has its own.
        let shared = self.config.coalesce.then(Shared::default);
        let views: Vec<_> =
            plans.into_iter().filter_map(|plan| self.view(Arc::new(plan), shared.as_ref(), &mut faults)).collect();
        if faults.is_empty() { Ok(Views(views)) } else { Err(LoadError::new(faults, views.len())) }
    }

    fn view(&self, plan: Arc<Plan>, shared: Option<&Shared>, problems: &mut Vec<Fault>) -> Option<Arc<View>> {
        let destination = |call: &Call| {
            let source = Arc::clone(self.sources.get(&call.source)?);
            Destination::of(&plan.name, call, source, (shared, self.cache.as_ref()), &self.meter).map(Arc::new)
        };
        let Some(destinations): Option<Vec<Arc<Destination>>> =
            plan.calls.iter().chain(plan.stream_call()).map(destination).collect()
        else {
            problems.push(Fault::Other(format!("the view `{}` calls an address that HTTP cannot name", plan.name)));
            return None;
        };
        let source = |source: &String| self.sources.get(source).map(Arc::clone);
        let gate =
            plan.proxy.as_ref().and_then(|proxy| Some(Gate::new(&plan, proxy, source(&proxy.source)?, &self.meter)));
        let variants = plan.variants.iter().map(|plan| self.view(Arc::clone(plan), shared, problems));
        let variants = variants.collect::<Option<_>>()?;
        let forwards: BTreeSet<&str> = (destinations.iter().flat_map(|destination| destination.forward()))
            .chain(gate.iter().flat_map(|gate| gate.source().forward()))
            .map(HeaderName::as_str)
            .collect();
        let forwards = forwards.into_iter().filter_map(|name| name.parse().ok()).collect();
        let (cache, tasks, meter) = (self.cache.clone(), self.tasks.clone(), self.meter.clone());
        Some(Arc::new(View { plan, destinations, gate, forwards, variants, cache, tasks, meter }))
    }
}

/// What the files say, before anything of it is served.
pub struct Draft {
    pub contracts: Contracts,
    pub definitions: Definitions,
    /// Of the views without a problem.
    pub plans: Vec<Plan>,
    pub faults: Vec<Fault>,
}

impl Draft {
    pub fn read(config: &Config, settings: &BTreeMap<String, upstream::Config>, terms: Terms) -> Self {
        let mut faults = Vec::new();
        let contracts = contracts(settings, &mut faults);
        let files = view_files(Path::new(&config.dir), &mut faults);
        let (definitions, problems) = definition::read(&files);
        let Terms { reserved, longest } = terms;
        let (deadline, max_requests, int64) = (config.deadline(), config.max_requests, config.int64.into());
        let rules = Rules { deadline, longest, reserved, max_requests, int64, ..Rules::default() };
        let (plans, more) = check(&definitions, &contracts, rules);
        let mut problems: Vec<_> = problems.into_iter().chain(more).collect();
        problems.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
        faults.extend(problems.into_iter().map(Fault::Located));
        Self { contracts, definitions, plans, faults }
    }

    /// For whoever needs every view to be right.
    pub fn into_error(self) -> LoadError {
        LoadError::new(self.faults, self.plans.len())
    }

    /// The view of this name and its plan.
    pub fn view(&self, name: &str) -> Option<(&definition::View, &Plan)> {
        let definition = self.definitions.views.iter().find(|view| view.name.value == name)?;
        Some((definition, self.plans.iter().find(|plan| plan.name == name)?))
    }
}

impl Views {
    pub fn iter(&self) -> impl Iterator<Item = &Arc<View>> {
        self.0.iter()
    }

    /// The names of the views that are new, gone or other than they were.
    pub fn changed_since(&self, before: &Self) -> Vec<String> {
        let plans = |views: &Self| -> BTreeMap<String, String> {
            views.iter().map(|view| (view.plan.name.clone(), format!("{:?}", view.plan))).collect()
        };
        let (before, now) = (plans(before), plans(self));
        let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        names.into_iter().filter(|name| before.get(*name) != now.get(*name)).cloned().collect()
    }
}

fn contracts(settings: &BTreeMap<String, upstream::Config>, problems: &mut Vec<Fault>) -> Contracts {
    let mut contracts = Contracts::default();
    let mut folders: BTreeMap<&str, Option<DescriptorPool>> = BTreeMap::new();
    for (name, source) in settings {
        contracts.sources.entry(name.clone()).or_default();
        let pool = match (&source.descriptors, &source.protos) {
            (Some(file), _) => descriptors(Path::new(file)).map_err(|e| problems.push(Fault::Other(e))).ok(),
            (None, Some(folder)) => folders
                .entry(folder)
                .or_insert_with(|| compile(Path::new(folder)).map_err(|e| problems.push(Fault::Other(e))).ok())
                .clone(),
            (None, None) => None,
        };
        if let Some(pool) = pool {
            contracts.add_proto(name, &pool);
            if let Some(packages) = &source.packages {
                problems.extend(restrict(&mut contracts, name, packages).into_iter().map(Fault::Other));
            }
        }
        if let Some(path) = &source.openapi
            && let Some(file) = read(Path::new(path), problems)
        {
            let found = contracts.add_openapi(name, &file, &|beside| beside_of(path, beside));
            problems.extend(found.into_iter().map(Fault::Located));
        }
        if let Some(source_contracts) = contracts.sources.get_mut(name) {
            source_contracts.http = source.http.is_some();
            source_contracts.nats = source.nats.is_some();
            source_contracts.identity = source.tells_who_asks();
            source_contracts.timeout = Some(Duration::from_millis(source.timeout_ms));
        }
    }
    contracts
}

/// Leaves a source the services of these packages alone, and says which of them the contract does not have.
fn restrict(contracts: &mut Contracts, name: &str, packages: &[String]) -> Vec<String> {
    let Some(source) = contracts.sources.get_mut(name) else { return Vec::new() };
    let names: BTreeSet<String> = source.operations.keys().chain(source.streams.keys()).cloned().collect();
    let known: BTreeSet<&str> = names.iter().map(|name| package(name)).collect();
    let known: Vec<&str> = known.into_iter().collect();
    let is_offered = |operation: &str| packages.iter().any(|offered| offered == package(operation));
    source.operations.retain(|operation, _| is_offered(operation));
    source.streams.retain(|operation, _| is_offered(operation));
    let unknown = packages.iter().filter(|package| !known.contains(&package.as_str()));
    let told =
        |package| format!("sources.{name}.packages: no service is in `{package}`; there are {}", known.join(", "));
    unknown.map(told).collect()
}

/// `orders.v1` of `orders.v1.OrderService.GetOrder`.
fn package(operation: &str) -> &str {
    operation.rsplitn(3, '.').nth(2).unwrap_or_default()
}

/// A file that a document refers to: in the document's folder, or below it.
fn beside_of(document: &str, name: &str) -> Option<Arc<File>> {
    let folder = Path::new(document).parent()?.canonicalize().ok()?;
    let path = Path::new(name).canonicalize().ok().filter(|path| path.starts_with(folder))?;
    let text = String::from_utf8(bytes(&path).ok()?).ok()?;
    Some(Arc::new(File { name: name.to_owned(), text }))
}

/// A compiled descriptor set, as `protoc --descriptor_set_out --include_imports` writes it.
fn descriptors(path: &Path) -> Result<DescriptorPool, String> {
    let wrong = |why: String| format!("cannot read the descriptors {}: {why}", path.display());
    let bytes = bytes(path).map_err(|e| wrong(e.to_string()))?;
    // A damaged set can make the library panic; it must not take the server with it.
    let decoded = std::panic::catch_unwind(|| compose::schema::descriptors(&bytes));
    decoded.map_err(|_| wrong("it is damaged".to_owned()))?.map_err(wrong)
}

/// Compiles every .proto file of the folder and of the folders in it.
fn compile(folder: &Path) -> Result<DescriptorPool, String> {
    let wrong = |why: String| format!("cannot compile the .proto files of {}: {why}", folder.display());
    let mut names = Vec::new();
    proto_files(folder, folder, 0, &mut names).map_err(|e| wrong(e.to_string()))?;
    if names.is_empty() {
        return Err(wrong("there are none".to_owned()));
    }
    names.sort();
    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(folder.to_owned()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_files(names).map_err(|e| match format!("{e:?}") {
        why if why.ends_with("found 'edition'") => wrong(format!("{why}; {EDITION}")),
        why => wrong(why),
    })?;
    Ok(compiler.descriptor_pool())
}

/// The compiler in this process knows proto2 and proto3.
const EDITION: &str = "compile files of an edition with `protoc --include_imports --descriptor_set_out=FILE` or \
    `buf build -o FILE`, and write `descriptors = FILE` instead of `protos`";

const MAX_DEPTH: usize = 16;

fn proto_files(root: &Path, folder: &Path, depth: usize, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth < MAX_DEPTH {
            proto_files(root, &path, depth + 1, names)?;
        } else if path.extension().is_some_and(|e| e == "proto")
            && let Ok(relative) = path.strip_prefix(root)
        {
            if !path.is_file() {
                return Err(std::io::Error::other(format!("{} is no regular file", path.display())));
            }
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            names.push(parts.join("/"));
        }
    }
    Ok(())
}
