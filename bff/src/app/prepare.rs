//! What can be made without asking anybody, and so be checked without starting: every problem of every part at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::causes::chain;
use crate::config::Config;
use crate::http;
use crate::identity;
use crate::meter::Meter;
use crate::notify::Ways;
use crate::upstream::Source;
use crate::views::{Cache, LoadError, Loader, Views, nearest};

pub type Sources = BTreeMap<String, Arc<Source>>;

pub struct Prepared {
    pub tls: Option<TlsAcceptor>,
    pub ways: Ways,
    pub loader: Arc<Loader>,
    /// Apart from the rest, because views can be mended while the server runs.
    pub views: Result<Views, LoadError>,
}

pub fn prepare(
    config: &Config,
    cache: Option<Arc<Cache>>,
    tasks: &TaskTracker,
    meter: &Meter,
) -> Result<Prepared, StartError> {
    let identity = identity::problems(&config.identity, !config.is_production());
    let tls = http::acceptor(&config.http);
    let ways = Ways::prepare(&config.notify);
    let loaded = sources(config, meter).map(|sources| {
        let loader = Loader { cache, ..loader(config, sources, tasks, meter) };
        let views = loader.load();
        (Arc::new(loader), views)
    });
    let limits = match &loaded {
        Ok((_, Ok(views))) => limits_of_no_view(config, views),
        _ => Vec::new(),
    };
    match (tls, ways, loaded) {
        (Ok(tls), Ok(ways), Ok((loader, views))) if identity.is_empty() && limits.is_empty() => {
            Ok(Prepared { tls, ways, loader, views })
        }
        (tls, ways, loaded) => {
            let mut problems: Vec<String> = tls.err().iter().map(|error| chain(error)).collect();
            problems.extend(identity.iter().map(|error| chain(error)));
            problems.extend(ways.err().into_iter().flatten());
            problems.extend(limits);
            match loaded {
                Ok((_, views)) => problems.extend(views.err().map(|error| error.to_string())),
                Err(more) => problems.extend(more),
            }
            Err(StartError::Several(problems))
        }
    }
}

fn loader(config: &Config, sources: Sources, tasks: &TaskTracker, meter: &Meter) -> Loader {
    Loader {
        config: config.views.clone(),
        settings: config.sources.clone(),
        sources,
        terms: http::terms(&config.http),
        cache: None,
        tasks: tasks.clone(),
        meter: meter.clone(),
    }
}

/// A client for each source, or what is wrong with every one that has none.
fn sources(config: &Config, meter: &Meter) -> Result<Sources, Vec<String>> {
    let mut sources = Sources::new();
    let mut problems = Vec::new();
    for (name, config) in &config.sources {
        match Source::connect(name, config, meter) {
            Ok(source) => drop(sources.insert(name.clone(), Arc::new(source))),
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(problems) }
}

fn limits_of_no_view(config: &Config, views: &Views) -> Vec<String> {
    let known: Vec<&str> = views.iter().map(|view| view.plan().name.as_str()).collect();
    let unknown = config.limits.views.keys().filter(|name| !known.contains(&name.as_str()));
    let problem = |name: &String| {
        let meant = nearest(name, &known).map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        format!("limits.views.{name}: there is no view `{name}`{meant}")
    };
    unknown.map(problem).collect()
}
