//! A whole server on free ports with its own folder, the callers that use it, and services behind it.

mod backend;
mod browser;
mod caller;
mod mail_server;
mod process;
mod stack;
mod traces;

pub use backend::{Backend, grpc_frame, grpc_reply, settled};
pub use browser::Browser;
pub use caller::{Anonymous, Answer, Caller, CookieUser, TokenUser};
pub use mail_server::MailServer;
pub use process::Process;
pub use stack::{Connection, Stack};
pub use traces::{Traces, Wiretap};

use std::net::{Ipv4Addr, SocketAddr};

use bff::app::{self, App, Audience, Listeners};
use bff::clock::Clock;
use bff::config::Config;
use bff::identity::SigningAlgorithm;
use bff::notify::Notify;
use bff::views::Watch;
use tempfile::TempDir;
use time::macros::datetime;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A running server; dropping it stops it.
pub struct Server {
    pub url: String,
    pub admin_url: String,
    /// The server's clock: stands still until a test advances it.
    pub clock: Clock,
    pub client: reqwest::Client,
    /// Where messages to people are left.
    pub notify: Notify,
    /// Holds the server's files.
    pub folder: TempDir,
    running: TaskTracker,
    shutdown: DropGuard,
}

/// A loopback address with a port that the system picks.
pub const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Server {
    pub async fn start() -> Self {
        Self::start_with(|config| config).await
    }

    /// Starts with the given changes to a bare configuration.
    pub async fn start_with(change: impl FnOnce(Config) -> Config) -> Self {
        let clock = Clock::manual(datetime!(2026-01-01 12:00 UTC));
        Self::start_in(tempfile::tempdir().unwrap(), clock, change).await
    }

    /// Starts with these views, and changes to a bare configuration.
    pub async fn start_with_views(views: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::start_with(|mut config| {
            std::fs::write(format!("{}/views.yaml", config.views.dir), views).unwrap();
            change(&mut config);
            config
        })
        .await
    }

    /// Starts with another clock: the world's, where others have to agree on the time.
    pub async fn start_at(clock: Clock, change: impl FnOnce(Config) -> Config) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), clock, change).await
    }

    /// Stops the server and starts another at the same address, with the same files.
    pub async fn restart(self) -> Self {
        self.restart_with(|config| config).await
    }

    /// The same, with these changes to a bare configuration.
    pub async fn restart_with(self, change: impl FnOnce(Config) -> Config) -> Self {
        let (url, clock) = (self.url.clone(), self.clock.clone());
        let folder = self.stop().await;
        let listen = url.trim_start_matches("http://").parse().unwrap();
        let change = |config: Config| {
            let mut config = change(config);
            config.http.listen = listen;
            config
        };
        Self::start_in(folder, clock, change).await
    }

    /// Returns once it has stopped, with its files.
    pub async fn stop(self) -> TempDir {
        drop(self.shutdown);
        self.running.wait().await;
        self.folder
    }

    async fn start_in(folder: TempDir, clock: Clock, change: impl FnOnce(Config) -> Config) -> Self {
        app::install_crypto();
        let (config, listeners) = app::bind(change(bare_config(&folder))).await.unwrap();
        let scheme = if config.http.tls_cert.is_some() { "https" } else { "http" };
        let urls = (format!("{scheme}://{}", config.http.listen), format!("http://{}", config.admin.listen));
        let app = app::build(config, clock.clone(), Audience::Log).await.unwrap();
        app.identity().ensure_demo_accounts().await.unwrap();
        Self::run(app, listeners, urls, clock, folder)
    }

    pub fn anonymous(&self) -> Anonymous<'_> {
        Anonymous { server: self }
    }

    /// Serves what a test has built.
    pub fn run(app: App, listeners: Listeners, urls: (String, String), clock: Clock, folder: TempDir) -> Self {
        let (url, admin_url) = urls;
        let shutdown = CancellationToken::new();
        let running = TaskTracker::new();
        let notify = app.identity().notify().clone();
        running.spawn(app.serve(listeners, shutdown.clone()));
        running.close();
        Self { url, admin_url, clock, client: client(), notify, folder, running, shutdown: shutdown.drop_guard() }
    }
}

/// An OpenAPI document for a source, as a file.
pub fn contract(config: &Config, document: &str) -> Option<String> {
    let file = format!("{}/../contract.yaml", config.views.dir);
    std::fs::write(&file, document).unwrap();
    Some(file)
}

/// The contracts of the example shop's gRPC services.
pub fn protos() -> Option<String> {
    Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../proto").to_owned())
}

/// A client that speaks HTTP/2 from the first byte on.
pub fn http2_client() -> reqwest::Client {
    app::install_crypto();
    reqwest::Client::builder().tls_certs_only([]).no_proxy().http2_prior_knowledge().build().unwrap()
}

/// Defaults, free ports, and every file in the test's own folder.
pub fn bare_config(folder: &TempDir) -> Config {
    let mut config = Config::default();
    // An RSA key takes a while to make, and few tests need one.
    config.identity.key_algorithms = vec![SigningAlgorithm::Es256];
    config.views.dir = folder.path().join("views").display().to_string();
    // Tests say when to reload.
    config.views.watch = Watch::Off;
    std::fs::create_dir_all(&config.views.dir).unwrap();
    config.store.database_url = format!("sqlite:{}", folder.path().join("bff.db").display()).into();
    // A busy machine is not a store that is away.
    config.store.timeout_ms = 10_000;
    config.http.listen = ANY_PORT;
    config.admin.listen = ANY_PORT;
    config
}

/// A client that needs neither the machine's CA certificates nor its proxy.
pub fn client() -> reqwest::Client {
    app::install_crypto();
    reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}
