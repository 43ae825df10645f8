//! A source as a test asks it, and what it counts meanwhile.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bff::meter::Meter;
use bff::upstream::{Call, Config, Error, Headers, Reply, Source, Target};
use bytes::Bytes;
use http::Method;
use http::uri::PathAndQuery;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// More than any call takes that is answered, on the busiest of machines.
pub const LONG: Duration = Duration::from_secs(20);
/// How late an answer may be on a busy machine.
pub const LATE: Duration = Duration::from_millis(500);

static METHOD: LazyLock<PathAndQuery> = LazyLock::new(|| PathAndQuery::from_static("/shop.v1.Shop/Get"));

/// Cheap to clone, so that calls can be made side by side.
#[derive(Clone)]
pub struct Client {
    pub source: Arc<Source>,
    counted: PrometheusHandle,
}

impl Client {
    pub fn of(config: Config) -> Self {
        bff::app::install_crypto();
        let recorder = PrometheusBuilder::new().build_recorder();
        let counted = recorder.handle();
        let source = Arc::new(Source::connect("shop", &config, &Meter::new(recorder)).unwrap());
        Self { source, counted }
    }

    /// Runs the source's upkeep until the guard is dropped.
    pub fn kept_up(&self) -> DropGuard {
        let (source, stop) = (Arc::clone(&self.source), CancellationToken::new());
        let stopped = stop.clone();
        TaskTracker::new().spawn(async move { stopped.run_until_cancelled(source.keep_up()).await });
        stop.drop_guard()
    }

    /// A call that may be made twice.
    pub async fn get(&self, path: &str, patience: Duration) -> Result<Bytes, Error> {
        Ok(self.http(&Method::GET, path, b"", patience).await?.body)
    }

    /// A call that may not be made twice.
    pub async fn post(&self, path: &str, patience: Duration) -> Result<Bytes, Error> {
        Ok(self.http(&Method::POST, path, b"{}", patience).await?.body)
    }

    pub async fn http(
        &self,
        method: &Method,
        path: &str,
        body: &'static [u8],
        patience: Duration,
    ) -> Result<Reply, Error> {
        let (target, deadline) = (Target::Http(method.clone(), path.to_owned()), Instant::now() + patience);
        let repeatable = method != Method::POST;
        let body = Bytes::from_static(body);
        self.source.call(Call { target, headers: Headers::new(), body, deadline, repeatable }).await
    }

    /// A gRPC call that may not be made twice.
    pub async fn grpc(&self, message: &'static [u8], patience: Duration) -> Result<Bytes, Error> {
        self.grpc_at(&METHOD, message, patience, false).await
    }

    /// A gRPC call that may be made twice.
    pub async fn grpc_again(&self, message: &'static [u8], patience: Duration) -> Result<Bytes, Error> {
        self.grpc_at(&METHOD, message, patience, true).await
    }

    pub async fn grpc_at(
        &self,
        path: &PathAndQuery,
        message: &'static [u8],
        patience: Duration,
        repeatable: bool,
    ) -> Result<Bytes, Error> {
        let (target, deadline) = (Target::Grpc(path.clone()), Instant::now() + patience);
        let body = Bytes::from_static(message);
        let call = Call { target, headers: Headers::new(), body, deadline, repeatable };
        Ok(self.source.call(call).await?.body)
    }

    /// A measure of this source, by its name and further labels.
    pub fn measure(&self, name: &str) -> f64 {
        let page = self.counted.render();
        let series = format!("{name}{{source=\"shop\"}} ");
        let found = page.lines().find_map(|line| line.strip_prefix(&series));
        found.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap()
    }
}

/// Everything on its own: no breaker, no retries.
pub fn plain() -> Config {
    Config { breaker_failures: 0, breaker_percent: 0, retries: 0, ..Config::default() }
}

/// Waits until it is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < end, "it never is so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
