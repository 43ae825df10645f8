//! Builds each part from its configuration, hands over what it needs, and runs the whole.

mod audience;
mod author;
mod prepare;
mod signing_keys;

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::Config;
use crate::contracts::{self, PullError, Pulled};
use crate::events::{LoginHistory, Publisher, Recorder};
use crate::http::dev_messages;
use crate::http::health::{Check, Checks};
use crate::http::metrics::Page;
use crate::http::{self, AddressLimit, AdminParts, CallerLimit, Current, Router, Site, StreamLimit};
use crate::idempotency::Idempotency;
pub use crate::identity::SigningAlgorithm;
use crate::identity::{self, Deployment, Ground, Identity, MasterKey, Seeded};
use crate::limits::Limits;
use crate::meter::Meter;
use crate::notify::{Delivery, Mail, Mailbox, Notify};
use crate::seal::{SealingKey, SealingKeys};
use crate::store::{self, Part, Stores};
use crate::telemetry::{self, Exposition};
use crate::views::{self, Cache, Outcome, Reloader, Reloads, Views, Watched};
pub use audience::Audience;
pub use author::{explain, new_view, schema};
use prepare::{Prepared, Sources, prepare};
pub use signing_keys::{list_keys, revoke_key, rotate_keys};

/// Everything that runs, not yet listening.
pub struct App {
    public: Current,
    admin: Router,
    tls: Option<TlsAcceptor>,
    limits: http::Limits,
    address_limit: Option<AddressLimit>,
    /// What the public routes are made of again when the views change.
    site: Site,
    audience: Audience,
    reloader: Reloader,
    reloads: Reloads,
    watched: Vec<Watched>,
    stores: Stores,
    sources: Sources,
    identity: Arc<Identity>,
    cache: Option<Arc<Cache>>,
    delivery: Delivery,
    publisher: Publisher,
    history: LoginHistory,
    measures: Exposition,
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
    #[error(transparent)]
    Views(#[from] views::LoadError),
    /// What is wrong with other files and settings, and with the views if those are wrong too.
    #[error("{}", .0.join("\n"))]
    Several(Vec<String>),
    #[error("cannot listen for stop signals")]
    Signals(#[source] std::io::Error),
    #[error(transparent)]
    Identity(#[from] identity::OpenError),
    #[error(transparent)]
    MasterKey(#[from] identity::MasterKeyError),
    #[error(transparent)]
    Keys(#[from] identity::KeyError),
    #[error(transparent)]
    Store(#[from] store::OpenError),
    #[error(transparent)]
    Call(#[from] store::Error),
    #[error(transparent)]
    Seed(#[from] identity::SeedError),
}

/// Chooses the process's one TLS library; idempotent.
pub fn install_crypto() {
    // The error says only that a provider is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Start-up and service, until `stop` resolves. Every one of `hangups` reads the views again.
pub async fn run(
    config: Config,
    clock: Clock,
    audience: Audience,
    stop: impl Future<Output = std::io::Result<()>>,
    hangups: Signal,
) -> Result<(), StartError> {
    let (config, listeners) = bind(config).await?;
    tracing::info!(public = %config.http.public_url(), admin = %config.admin.listen, "starting");
    audience.greet(&config);
    let app = build(config, clock, audience).await?;
    tracing::info!("ready");
    let reload = app.reload_at(hangups);
    let shutdown = CancellationToken::new();
    let stopping = async {
        let stopped = stop.await;
        shutdown.cancel();
        stopped.map_err(StartError::Signals)
    };
    let ((), stopped, _) =
        tokio::join!(app.serve(listeners, shutdown.clone()), stopping, shutdown.run_until_cancelled(reload));
    tracing::info!("stopped");
    stopped
}

/// Opens both addresses, and writes the ports that port 0 became into the configuration, because
/// the public address is derived from them.
pub async fn bind(config: Config) -> Result<(Config, Listeners), StartError> {
    let mut config = config;
    let public = listen("http.listen", config.http.listen)?;
    let admin = listen("admin.listen", config.admin.listen)?;
    config.http.listen = public.local_addr().unwrap_or(config.http.listen);
    config.admin.listen = admin.local_addr().unwrap_or(config.admin.listen);
    Ok((config, Listeners { public, admin }))
}

/// Start-up without listening: what the views will do, or every problem that would stop it.
pub fn check(config: &Config) -> Result<String, StartError> {
    let views = prepare(config, None, &TaskTracker::new(), &Meter::none())?.views?;
    let plans: Vec<String> = views.iter().map(|view| view.plan().to_string()).collect();
    Ok(format!("{}\n{}, no problems\n", plans.join("\n"), views::counted(plans.len())))
}

/// What the server would say of itself.
pub fn openapi(config: &Config) -> Result<String, StartError> {
    let views = prepare(config, None, &TaskTracker::new(), &Meter::none())?.views?;
    let issuers = config.identity.issuers.values().map(|issuer| issuer.issuer.clone()).collect();
    let callers = http::openapi::Callers::new(&deployment(config), config.identity.accounts, issuers);
    let document = http::openapi::document(&views, &callers);
    Ok(format!("{document:#}\n"))
}

/// What the service behind a source promises now.
pub async fn pull(config: &Config, source: &str, from: Option<&str>) -> Result<Pulled, PullError> {
    let Some(settings) = config.sources.get(source) else {
        let known: Vec<&str> = config.sources.keys().map(String::as_str).collect();
        return Err(PullError::unknown(source, &known));
    };
    contracts::pull(source, settings, from).await
}

/// Accounts and sessions over these stores, as the server has them.
pub async fn identity(
    config: &Config,
    stores: &Stores,
    limits: &Limits,
    clock: &Clock,
    meter: &Meter,
) -> Result<Identity, StartError> {
    let limits = limits.clone();
    let (deployment, clock, meter) = (deployment(config), clock.clone(), meter.clone());
    let master = &master_key(config, stores)?;
    let key = SealingKey::new(master.derive("messages").as_bytes());
    let notify = Notify::new(stores.queue.clone(), key, clock.clone(), config.notify.reach(config.is_production()));
    let events = Recorder::new(&meter);
    let ground = Ground { deployment, master, stores, notify, events, limits, clock, meter };
    Ok(Identity::open(&config.identity, ground).await?)
}

fn master_key(config: &Config, stores: &Stores) -> Result<MasterKey, StartError> {
    Ok(identity::master_key(&config.identity, &deployment(config), &stores.accounts)?)
}

/// Adds the accounts that a new installation starts with; done twice it changes nothing.
pub async fn seed(config: &Config, clock: Clock) -> Result<Seeded, StartError> {
    let stores = Stores::open(&config.store, clock.clone()).await?;
    let meter = Meter::none();
    let limits = Limits::new(stores.hot_key_value.clone(), clock.clone(), &meter);
    let identity = identity(config, &stores, &limits, &clock, &meter).await?;
    let seeded = identity.seed(&config.seed).await?;
    stores.close().await;
    Ok(seeded)
}

/// Brings the tables up to date.
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    Ok(store::migrate(&config.store).await?)
}

/// Asks the server that runs with this configuration on this machine whether it lives.
pub async fn probe(config: &Config) -> Result<(), http::ProbeError> {
    let token = config.admin.token.as_ref().map(ExposeSecret::expose_secret);
    http::probe(config.admin.listen, "/healthz", token).await
}

/// Makes every part; what is wrong with the files and settings of all of them is said at once.
pub async fn build(config: Config, clock: Clock, audience: Audience) -> Result<App, StartError> {
    let tasks = TaskTracker::new();
    let (recorder, measures) = telemetry::recorder();
    let meter = Meter::new(recorder);
    let cache = Cache::open(&config.cache, &config.store, clock.clone(), &tasks, &meter);
    let Prepared { tls, loader, views, ways } = prepare(&config, cache.clone(), &tasks, &meter)?;
    let views = audience.first(&config, views)?;
    let watched = if config.views.watches(config.is_production()) { loader.watched() } else { Vec::new() };
    let (reloader, reloads) = views::reloads(Arc::clone(&loader), views);
    let stores = Stores::open(&config.store, clock.clone()).await?;
    let limits = Limits::new(stores.hot_key_value.clone(), clock.clone(), &meter);
    if let Some(cache) = &cache {
        let keys = SealingKeys::new(master_key(&config, &stores)?.derive("cache").as_bytes());
        cache.share(&config.cache, &config.store, keys, &meter)?;
    }
    let identity = Arc::new(identity(&config, &stores, &limits, &clock, &meter).await?);
    let mailbox = (!config.is_production()).then(Mailbox::default);
    let (tries, events) = (stores.key_value.clone(), stores.events.clone());
    let delivery = Delivery::new(ways, identity.notify().clone(), tries, mailbox.clone(), meter.clone());
    let history = LoginHistory::new(stores.accounts.clone(), events.clone());
    let publisher =
        Publisher::new(stores.accounts.clone(), events, identity.events().clone(), clock.clone(), meter.clone());
    let draining = CancellationToken::new();
    let checks =
        Checks::new(checks(stores.parts(), &loader.sources).chain(issuers(&identity)), &meter, draining.clone());
    let address_limit = AddressLimit::new(&config.http.rate_limit, config.is_production(), &meter);
    let site = Site {
        config: config.http.clone(),
        identity: Arc::clone(&identity),
        idempotency: Idempotency::new(stores.key_value.clone(), clock.clone()),
        clock,
        address_limit: address_limit.clone(),
        caller_limit: CallerLimit::new(&config.limits, config.is_production(), &limits),
        streams: StreamLimit::new(&config.http, &meter),
        meter,
        closing: draining.clone(),
        tasks: tasks.clone(),
    };
    let mailbox = mailbox.map(mails);
    let (reload, purger) = (reloader.clone(), cache.clone());
    let admin = AdminParts { checks, measures: page(&measures), reloader: reload, purger, mailbox };
    Ok(App {
        public: site.router(reloads.current()).into(),
        admin: http::admin_router(&config.admin, admin),
        tls,
        address_limit,
        limits: http::Limits::from(&config.http),
        site,
        audience,
        watched,
        reloader,
        reloads,
        stores,
        sources: loader.sources.clone(),
        identity,
        cache,
        delivery,
        publisher,
        history,
        measures,
        draining,
        tasks,
    })
}

impl App {
    /// For whoever fills the server before it runs, as the demo and the tests do.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Reads the views again at every hangup, while the server serves.
    pub fn reload_at(&self, mut hangups: Signal) -> impl Future<Output = ()> + use<> {
        let reloader = self.reloader.clone();
        async move {
            while hangups.recv().await.is_some() {
                reloader.reload("SIGHUP").await;
            }
        }
    }

    /// Serves until `shutdown`; the operators' address answers until the last request is done.
    pub async fn serve(self, listeners: Listeners, shutdown: CancellationToken) {
        let drained = CancellationToken::new();
        let public = async {
            http::serve(listeners.public, self.tls, self.public.clone(), self.limits, shutdown.clone()).await;
            drained.cancel();
        };
        let admin = http::serve(listeners.admin, None, self.admin, self.limits, drained.clone());
        let drain = async {
            shutdown.cancelled().await;
            self.draining.cancel();
        };
        let sweep = async {
            if let Some(limit) = &self.address_limit {
                limit.sweep(shutdown.clone()).await;
            }
        };
        let swap = |views: &Views| self.public.replace(self.site.router(views));
        let tell = |reason: &str, outcome: &Outcome| self.audience.tell(reason, outcome);
        let reloads = drained.run_until_cancelled(self.reloads.follow(swap, tell));
        let watch = shutdown.run_until_cancelled(views::watch(self.watched, self.reloader));
        let upkeep = drained.run_until_cancelled(self.measures.keep_up());
        let follow = drained.run_until_cancelled(self.identity.follow());
        let connect = drained.run_until_cancelled(join_all(self.sources.values().map(|source| source.keep_up())));
        let cache = async {
            if let Some(cache) = &self.cache {
                cache.follow(&self.stores.bus).await;
            }
        };
        let cache = drained.run_until_cancelled(cache);
        let work = async {
            let errands = self.identity.run_errands(&drained);
            tokio::join!(errands, self.delivery.run(&drained), self.publisher.run(&drained), self.history.run(&drained))
        };
        tokio::join!(public, admin, drain, sweep, upkeep, follow, connect, cache, work, reloads, watch);
        // What changes something goes on without its client, but is bounded by its view's deadline.
        self.tasks.close();
        self.tasks.wait().await;
        self.stores.close().await;
    }
}

fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    http::listen(address).map_err(|source| StartError::Listen { setting, address, source })
}

fn deployment(config: &Config) -> Deployment {
    Deployment {
        public_url: config.http.public_url(),
        allowed_origins: config.http.cors_origins.clone(),
        development: !config.is_production(),
    }
}

/// What was sent in development, for the operators' address.
fn mails(mailbox: Mailbox) -> dev_messages::Mailbox {
    let shown = |mail: Mail| dev_messages::Mail {
        to: mail.to,
        channel: mail.channel.as_str(),
        purpose: mail.purpose,
        code: mail.code,
        sent_at: mail.sent_at,
    };
    dev_messages::Mailbox::new(move |to| mailbox.mails(to).into_iter().map(shown).collect())
}

fn page(measures: &Exposition) -> Page {
    let measures = measures.clone();
    Page::new(move || measures.text())
}

/// Whose keys this replica reads.
fn issuers(identity: &Arc<Identity>) -> Vec<Check> {
    let check = |(name, required, _): (&str, bool, _)| {
        let (identity, name) = (Arc::clone(identity), name.to_owned());
        Check::new(&format!("issuer {name}"), required, move || {
            let found = identity.check_issuers().find(|(it, ..)| *it == name).map_or(Ok(()), |(.., check)| check);
            async move { found }
        })
    };
    identity.check_issuers().map(check).collect()
}

/// What this replica relies on.
fn checks(parts: &[Part], sources: &Sources) -> impl Iterator<Item = Check> {
    let parts = parts.iter().map(|part| {
        let part = part.clone();
        Check::new(part.name(), part.is_required(), move || {
            let part = part.clone();
            async move { part.check().await.map_err(|error| format!("{error}: {}", error.cause())) }
        })
    });
    let sources = sources.iter().map(|(name, source)| {
        let source = Arc::clone(source);
        Check::new(name, source.is_required(), move || {
            let source = Arc::clone(&source);
            async move { source.check().await }
        })
    });
    parts.chain(sources)
}
