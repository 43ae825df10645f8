//! Where a service is: its addresses, looked up again and again, and which of them takes the next call.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::dial::Dialer;
use super::endpoint::{Endpoint, Shared};
use super::error::Error;
use super::exchange::Receiver;
use super::protocol::Protocol;
use super::retry::spread;
use super::{Config, HttpVersion, host, port};
use crate::causes::chain;

type Endpoints = Vec<Arc<Endpoint>>;

pub struct Remote {
    pub protocol: Protocol,
    /// One for each host, of which the first is the one that requests name.
    urls: Vec<Uri>,
    /// The path of the URL, without a slash at the end.
    base: String,
    /// The URL names addresses, so that there is nothing to look up.
    is_literal: bool,
    shared: Arc<Shared>,
    config: Config,
    endpoints: ArcSwap<Endpoints>,
    /// When the name was looked up; one looks it up at a time.
    looked_up: tokio::sync::Mutex<Option<Instant>>,
    turn: AtomicU64,
}

/// A name is not looked up more often than this, however many calls find nobody.
const LOOK_UP_AT_MOST_EVERY: Duration = Duration::from_secs(1);
const MAX_ADDRESSES: usize = 256;

impl Remote {
    /// Opens no connection and looks up no name yet.
    pub fn new(url: &str, protocol: Protocol, config: &Config, tasks: &TaskTracker) -> Result<Self, String> {
        let urls = service_urls(url)?;
        let url = urls.first().ok_or(EXPECTED)?;
        let (Some(scheme), Some(authority)) = (url.scheme(), url.authority()) else {
            return Err(format!("`{url}` has no host; {EXPECTED}"));
        };
        let versions = match (protocol, config.http_version) {
            (Protocol::Grpc, _) => HttpVersion::Http2,
            // Without TLS nobody negotiates.
            (Protocol::Rest, HttpVersion::Auto) if *scheme == Scheme::HTTP => HttpVersion::Http1,
            (Protocol::Rest, versions) => versions,
        };
        let host_header = HeaderValue::try_from(authority.as_str()).map_err(|error| error.to_string())?;
        let receiver = Receiver { scheme: scheme.clone(), authority: authority.clone(), host: host_header };
        let shared = Arc::new(Shared {
            dialer: Dialer::new(url, versions, config)?,
            receiver,
            versions,
            limit: config.max_reply_bytes.saturating_add(protocol.overhead_bytes()),
            keep_alive: Duration::from_millis(config.keep_alive_ms),
            tasks: tasks.clone(),
            max_in_flight: config.max_in_flight,
        });
        let literal = |url: &Uri| Some(SocketAddr::new(host(url).parse::<IpAddr>().ok()?, port(url)));
        let literals: Option<BTreeSet<SocketAddr>> = urls.iter().map(literal).collect();
        let endpoint = |address| Arc::new(Endpoint::new(address, &shared, config));
        let endpoints: Endpoints = literals.iter().flatten().copied().map(endpoint).collect();
        Ok(Self {
            protocol,
            base: url.path().trim_end_matches('/').to_owned(),
            is_literal: literals.is_some(),
            urls,
            shared,
            config: config.clone(),
            endpoints: ArcSwap::from_pointee(endpoints),
            looked_up: tokio::sync::Mutex::default(),
            turn: AtomicU64::new(0),
        })
    }

    /// Whether something accepts connections at one of the hosts.
    pub async fn check(&self) -> Result<(), String> {
        let mut problem = "it has no address".to_owned();
        for url in &self.urls {
            let connect = TcpStream::connect((host(url), port(url)));
            problem = match timeout(self.config.connect_timeout(), connect).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => format!("cannot connect: {}", error.kind()),
                Err(_) => "cannot connect: no answer in time".to_owned(),
            };
        }
        Err(problem)
    }

    /// The path behind the base path of the URL.
    pub fn path(&self, path: String) -> Result<PathAndQuery, Error> {
        let path = if self.base.is_empty() { path } else { [&*self.base, &*path].concat() };
        let parsed = PathAndQuery::from_maybe_shared(Bytes::from(path));
        parsed.map_err(|error| Error::request(&format!("not a path: {error}")))
    }

    fn endpoints(&self) -> Guard<Arc<Endpoints>> {
        self.endpoints.load()
    }

    /// Of two that chance picks among those that are well, the less busy one; but none of `tried`, if there are others.
    pub async fn pick(&self, tried: &[SocketAddr], now: Instant) -> Result<Arc<Endpoint>, Error> {
        if let Some(endpoint) = self.choose(tried, now) {
            return Ok(endpoint);
        }
        // Nobody is well, or nobody is known: perhaps the service has moved.
        let looked_up = self.look_up(LOOK_UP_AT_MOST_EVERY).boxed().await;
        if let Some(endpoint) = self.choose(tried, now) {
            return Ok(endpoint);
        }
        let endpoints = self.endpoints();
        let next = spread(self.turn.fetch_add(1, Ordering::Relaxed)) as usize;
        let any = (!endpoints.is_empty()).then(|| &endpoints[next % endpoints.len()]);
        let unknown = || looked_up.err().unwrap_or_else(|| Error::unreached("the name has no address"));
        any.cloned().ok_or_else(unknown)
    }

    fn choose(&self, tried: &[SocketAddr], now: Instant) -> Option<Arc<Endpoint>> {
        let endpoints = self.endpoints();
        if let [only] = endpoints.as_slice() {
            return only.health.takes_calls(now).then(|| Arc::clone(only));
        }
        let well: Vec<&Arc<Endpoint>> = endpoints
            .iter()
            .filter(|endpoint| endpoint.health.takes_calls(now) && !tried.contains(&endpoint.address))
            .collect();
        let chance = spread(self.turn.fetch_add(1, Ordering::Relaxed)) as usize;
        let first = chance.checked_rem(well.len())?;
        // Another one, if there is one.
        let step = (chance >> 32).checked_rem(well.len() - 1).map_or(0, |step| step + 1);
        let [first, second] = [first, first + step].map(|index| well[index % well.len()]);
        Some(Arc::clone(if second.in_flight() < first.in_flight() { second } else { first }))
    }

    pub fn has_others_than(&self, tried: &[SocketAddr]) -> bool {
        self.endpoints().iter().any(|endpoint| !tried.contains(&endpoint.address))
    }

    /// Whether a call that reaches nobody can be made elsewhere: there are several addresses, or there may be new ones.
    pub fn may_move(&self) -> bool {
        !self.is_literal || self.endpoints().len() > 1
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.endpoints().iter().map(|endpoint| endpoint.connections()).sum()
    }

    /// Whether one more address may rest: at least half of them must go on.
    pub fn can_spare_one(&self) -> bool {
        let endpoints = self.endpoints();
        let now = Instant::now();
        let resting = endpoints.iter().filter(|endpoint| !endpoint.health.takes_calls(now)).count();
        (resting + 1) * 2 <= endpoints.len()
    }

    /// Asks for the addresses, unless that was done within `recently`. Those that stay keep their connections.
    async fn look_up(&self, recently: Duration) -> Result<(), Error> {
        if self.is_literal {
            return Ok(());
        }
        let mut looked_up = self.looked_up.lock().await;
        if looked_up.is_some_and(|at| at.elapsed() < recently) {
            return Ok(());
        }
        *looked_up = Some(Instant::now());
        let (mut addresses, mut problem) = (BTreeSet::new(), None);
        for found in join_all(self.urls.iter().map(|url| self.addresses(url))).await {
            match found {
                Ok(found) => addresses.extend(found),
                Err(error) => problem = Some(error),
            }
        }
        let known = self.endpoints();
        if problem.is_some() {
            // Perhaps those of the name that nobody knows at the moment.
            addresses.extend(known.iter().map(|endpoint| endpoint.address));
        }
        if addresses.is_empty() || known.iter().map(|endpoint| endpoint.address).eq(addresses.iter().copied()) {
            return problem.map_or(Ok(()), Err);
        }
        let endpoint = |address: SocketAddr| {
            let same = known.iter().find(|endpoint| endpoint.address == address);
            same.map_or_else(|| Arc::new(Endpoint::new(address, &self.shared, &self.config)), Arc::clone)
        };
        self.endpoints.store(Arc::new(addresses.into_iter().map(endpoint).collect()));
        Ok(())
    }

    /// The addresses of one host.
    async fn addresses(&self, url: &Uri) -> Result<Vec<SocketAddr>, Error> {
        let unknown = |why: &str| Error::unreached(&format!("cannot look up `{}`: {why}", host(url)));
        let found = timeout(self.config.connect_timeout(), lookup_host((host(url), port(url)))).await;
        let found = found.map_err(|_| unknown("no answer in time"))?.map_err(|error| unknown(&chain(&error)))?;
        Ok(found.take(MAX_ADDRESSES).collect())
    }

    /// Connects to every address, so that the first callers need not.
    pub async fn warm_up(&self) {
        if let Err(error) = self.look_up(LOOK_UP_AT_MOST_EVERY).await {
            tracing::debug!(%error, "cannot look up a service yet");
        }
        for endpoint in self.endpoints.load_full().iter() {
            self.dial(endpoint).await;
        }
    }

    /// Closes what nobody needs, follows the name, and dials where nobody answered; to be called once a second.
    pub async fn keep_up(&self) {
        let every = Duration::from_millis(self.config.resolve_ms);
        if let Err(error) = self.look_up(every).await {
            tracing::warn!(%error, "the addresses of a service stay as they are");
        }
        for endpoint in self.endpoints.load_full().iter() {
            endpoint.sweep();
            if endpoint.health.wants_dialling(Instant::now()) {
                self.dial(endpoint).await;
            }
        }
    }

    async fn dial(&self, endpoint: &Endpoint) {
        match endpoint.warm_up().await {
            Ok(()) => endpoint.health.well(),
            Err(_) => drop(endpoint.health.unreached(Instant::now())),
        }
    }
}

const EXPECTED: &str = "expected a URL like http://127.0.0.1:50051";

/// Reads an absolute http or https URL, which may have several hosts, as in `http://10.0.0.1:80,10.0.0.2:80/base`: one for each.
/// `dns:///host:port`, as gRPC writes it, is http.
fn service_urls(text: &str) -> Result<Vec<Uri>, String> {
    let http = text.strip_prefix("dns:///").map(|authority| format!("http://{authority}"));
    let text = http.as_deref().unwrap_or(text);
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(vec![service_url(text)?]) };
    let (hosts, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    hosts.split(',').map(|host| service_url(&format!("{scheme}://{}{path}", host.trim()))).collect()
}

fn service_url(text: &str) -> Result<Uri, String> {
    let parsed: Result<Uri, _> = text.parse();
    let uri = parsed.map_err(|error| format!("`{text}` is not a URL ({error}); {EXPECTED}"))?;
    if uri.authority().is_none() || !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("`{text}` has no http or https scheme; {EXPECTED}"));
    }
    if uri.query().is_some() {
        return Err(format!("`{text}` has a query; {EXPECTED}"));
    }
    Ok(uri)
}
