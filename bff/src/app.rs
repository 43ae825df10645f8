//! Builds each part from its configuration, hands over what it needs, and runs the whole.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::Config;
use crate::http::health::{Check, Checks};
use crate::http::{self, Limits, Parts, Router};
use crate::identity::{self, Deployment, Identity};
use crate::store::{self, Accounts};
use crate::upstream::{self, Source};
use crate::views::{self, Views};

/// Everything that runs, not yet listening.
pub struct App {
    public: Router,
    admin: Router,
    limits: Limits,
    accounts: Accounts,
    identity: Arc<Identity>,
    draining: CancellationToken,
    tasks: TaskTracker,
}

/// The two open addresses.
pub struct Listeners {
    pub public: TcpListener,
    pub admin: TcpListener,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{setting}: cannot listen on {address}")]
    Listen { setting: &'static str, address: SocketAddr, source: std::io::Error },
    #[error("{}", lines(.0))]
    Sources(Vec<upstream::ConfigError>),
    #[error(transparent)]
    Views(#[from] views::LoadError),
    #[error("cannot listen for stop signals")]
    Signals(#[source] std::io::Error),
    #[error(transparent)]
    Identity(#[from] identity::OpenError),
    #[error(transparent)]
    Store(#[from] store::OpenError),
}

/// Chooses the process's one TLS library; idempotent.
pub fn install_crypto() {
    // The error says only that a provider is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Start-up and service, until `stop` resolves.
pub async fn run(
    config: Config,
    clock: Clock,
    stop: impl Future<Output = std::io::Result<()>>,
) -> Result<(), StartError> {
    let (config, listeners) = bind(config).await?;
    tracing::info!(public = %config.http.public_url(), admin = %config.admin.listen, "starting");
    let app = build(config, clock).await?;
    tracing::info!("ready");
    let shutdown = CancellationToken::new();
    let stopping = async {
        let stopped = stop.await;
        shutdown.cancel();
        stopped.map_err(StartError::Signals)
    };
    let ((), stopped) = tokio::join!(app.serve(listeners, shutdown.clone()), stopping);
    tracing::info!("stopped");
    stopped
}

type Sources = BTreeMap<String, Arc<Source>>;

/// Opens both addresses, and writes the ports that port 0 became into the configuration, because
/// the public address is derived from them.
pub async fn bind(config: Config) -> Result<(Config, Listeners), StartError> {
    let mut config = config;
    let public = listen("http.listen", config.http.listen).await?;
    let admin = listen("admin.listen", config.admin.listen).await?;
    config.http.listen = public.local_addr().unwrap_or(config.http.listen);
    config.admin.listen = admin.local_addr().unwrap_or(config.admin.listen);
    Ok((config, Listeners { public, admin }))
}

/// Start-up without listening: what the views will do, or every problem that would stop it.
pub fn check(config: &Config) -> Result<String, StartError> {
    let sources = sources(config)?;
    let views = load(config, &sources, &TaskTracker::new())?;
    let plans: Vec<String> = views.iter().map(|view| view.plan().to_string()).collect();
    Ok(format!("{}\n{} views, no problems\n", plans.join("\n"), plans.len()))
}

pub async fn build(config: Config, clock: Clock) -> Result<App, StartError> {
    let sources = sources(&config)?;
    let tasks = TaskTracker::new();
    let views = load(&config, &sources, &tasks)?;
    let accounts = Accounts::open(&config.store).await?;
    let deployment = Deployment { public_url: config.http.public_url(), development: !config.is_production() };
    let identity = Arc::new(Identity::open(&config.identity, deployment, accounts.clone(), clock.clone()).await?);
    let draining = CancellationToken::new();
    let checks = Checks { parts: checks(&accounts, &sources), draining: draining.clone() };
    Ok(App {
        public: http::router(&config.http, Parts { identity: Arc::clone(&identity) }, &views, &clock, &draining),
        admin: http::admin_router(&config.admin, checks),
        limits: Limits::from(&config.http),
        accounts,
        identity,
        draining,
        tasks,
    })
}

impl App {
    /// For whoever fills the server before it runs, as the demo and the tests do.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Serves until `shutdown`; the operators' address answers until the last request is done.
    pub async fn serve(self, listeners: Listeners, shutdown: CancellationToken) {
        let drained = CancellationToken::new();
        let public = async {
            http::serve(listeners.public, self.public, self.limits, shutdown.clone()).await;
            drained.cancel();
        };
        let admin = http::serve(listeners.admin, self.admin, self.limits, drained.clone());
        let drain = async {
            shutdown.cancelled().await;
            self.draining.cancel();
        };
        tokio::join!(public, admin, drain);
        // What changes something goes on without its client, but is bounded by its view's deadline.
        self.tasks.close();
        self.tasks.wait().await;
        self.accounts.close().await;
    }
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { setting, address, source })
}

fn load(config: &Config, sources: &Sources, tasks: &TaskTracker) -> Result<Views, views::LoadError> {
    Views::load(&config.views, &config.sources, sources, &http::RESERVED, tasks)
}

/// A client for each source, or what is wrong with every one that has none.
fn sources(config: &Config) -> Result<Sources, StartError> {
    let mut sources = Sources::new();
    let mut problems = Vec::new();
    for (name, config) in &config.sources {
        match Source::connect(name, config) {
            Ok(source) => drop(sources.insert(name.clone(), Arc::new(source))),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(StartError::Sources(problems)) }
}

fn lines(problems: &[upstream::ConfigError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What must work for this replica to be ready.
fn checks(accounts: &Accounts, sources: &Sources) -> Arc<[Check]> {
    let accounts = accounts.clone();
    let store = Check::new("store", move || {
        let accounts = accounts.clone();
        async move { accounts.check().await.map_err(|error| error.to_string()) }
    });
    let sources = sources.iter().map(|(name, source)| {
        let source = Arc::clone(source);
        Check::new(name, move || {
            let source = Arc::clone(&source);
            async move { source.check().await }
        })
    });
    [store].into_iter().chain(sources).collect()
}
