//! A server over a service whose answers say which version they are of, and which can be held, spoilt and counted.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bff::config::Config;
use bff::upstream;
use http::StatusCode;
use http::header::ETAG;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::conformance::eventually;
use crate::harness::{Answer, Backend, Caller, Server, contract};

const CONTRACT: &str = include_str!("world/contract.yaml");
const VIEWS: &str = include_str!("world/views.yaml");

/// So much later the service says what was asked for as `late`.
const LATE: Duration = Duration::from_millis(30);

pub struct World {
    pub server: Server,
    pub service: Arc<Service>,
    _backend: Arc<Backend>,
}

pub struct Service {
    calls: Mutex<Vec<String>>,
    /// Everything that was ever asked for.
    seen: Mutex<BTreeSet<String>>,
    version: AtomicU32,
    status: AtomicU16,
    garbled: AtomicBool,
    held: watch::Sender<bool>,
}

impl Service {
    async fn note(&self, what: &str) -> u32 {
        // As it was when the request came.
        let version = self.version.load(Ordering::SeqCst);
        self.calls.lock().unwrap().push(what.to_owned());
        self.seen.lock().unwrap().insert(what.to_owned());
        self.held.subscribe().wait_for(|held| !held).await.unwrap();
        version
    }

    /// How often it was asked since `calls` was last looked at.
    pub fn asked(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn answer(&self, body: Value) -> Response {
        match self.status.load(Ordering::SeqCst) {
            200 if self.garbled.load(Ordering::SeqCst) => axum::Json(json!({ "odd": 1 })).into_response(),
            200 => axum::Json(body).into_response(),
            status => StatusCode::from_u16(status).unwrap().into_response(),
        }
    }

    fn thing(id: &str, version: u32) -> Value {
        let mut thing = json!({ "id": id, "name": format!("{id} {version}"), "more": { "nested": [1, "}]"] } });
        if id != "unsized" {
            thing["size"] = json!(1);
        }
        thing
    }
}

/// Everything that the service was told of whoever asks.
fn mark(request: &Request) -> String {
    let header = |name: &str| request.headers().get(name).map_or("-", |value| value.to_str().unwrap());
    let query = request.uri().query().unwrap_or_default();
    let token = header("authorization").split('.').nth(1).unwrap_or("-");
    format!("{query}|{}|{}|{}|{token}", header("x-note"), header("x-tenant"), header("accept-language"))
}

fn routes(service: &Arc<Service>) -> Router {
    let [one, many, list, mine, put] = [(); 5].map(|()| Arc::clone(service));
    let thing = move |Path(id): Path<String>| async move {
        let version = one.note(&id).await;
        one.answer(Service::thing(&id, version))
    };
    let things = move |request: Request| async move {
        let ids = request.uri().query().unwrap().strip_prefix("ids=").unwrap().replace("%2C", ",");
        let version = many.note(&ids).await;
        let items: Vec<Value> =
            ids.split(',').filter(|id| !id.starts_with('x')).map(|id| Service::thing(id, version)).collect();
        many.answer(json!({ "count": items.len(), "items": items }))
    };
    let ids = move |Path(id): Path<String>| async move {
        list.calls.lock().unwrap().push("list".to_owned());
        axum::Json(json!({ "ids": id.split('-').collect::<Vec<_>>() }))
    };
    let own = move |request: Request| async move {
        let mark = mark(&request);
        mine.note("mine").await;
        if mark.contains("what=late") {
            tokio::time::sleep(LATE).await;
        }
        let tag = format!("\"{:x}\"", BuildHasherDefault::<DefaultHasher>::default().hash_one(&mark));
        ([(ETAG, tag)], mine.answer(json!({ "id": "mine", "name": mark }))).into_response()
    };
    let change = move |Path(id): Path<String>| async move {
        let version = put.version.fetch_add(1, Ordering::SeqCst) + 1;
        put.answer(Service::thing(&id, version))
    };
    Router::new()
        .route("/things/{id}", get(thing).put(change))
        .route("/things", get(things))
        .route("/lists/{id}", get(ids))
        .route("/mine", get(own))
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let (held, _) = watch::channel(false);
        let service = Arc::new(Service {
            calls: Mutex::default(),
            seen: Mutex::default(),
            version: AtomicU32::new(0),
            status: AtomicU16::new(200),
            garbled: AtomicBool::new(false),
            held,
        });
        let backend = Arc::new(Backend::start(routes(&service)).await);
        let server = Self::serve(&backend, change).await;
        Self { server, service, _backend: backend }
    }

    /// Another server over the same service.
    pub async fn another(&self, change: impl FnOnce(&mut Config)) -> Self {
        let server = Self::serve(&self._backend, change).await;
        Self { server, service: Arc::clone(&self.service), _backend: Arc::clone(&self._backend) }
    }

    /// Two servers that share these stores, once each can tell the other, if there is a way.
    pub async fn pair(store: &bff::store::Config, folder: &std::path::Path) -> (Self, Self) {
        let first = Self::start_with(sharing(store, folder)).await;
        let second = first.another(sharing(store, folder)).await;
        for world in [&first, &second].into_iter().filter(|_| store.nats_url.is_some()) {
            eventually(async || (world.purge(&["nothing"]).await.status == 200).then_some(())).await;
        }
        (first, second)
    }

    async fn serve(backend: &Backend, change: impl FnOnce(&mut Config)) -> Server {
        Server::start_with_views(VIEWS, |config| {
            let (http, openapi) = (Some(backend.url()), contract(config, CONTRACT));
            let things =
                upstream::Config { http, openapi, timeout_ms: 10_000, retries: 0, ..upstream::Config::default() };
            let things = upstream::Config { breaker_failures: 0, breaker_percent: 0, ..things };
            let forward = vec!["x-tenant".to_owned(), "accept-language".to_owned()];
            let told = upstream::Config { forward, identity: upstream::Identity::Token, ..things.clone() };
            config.sources.extend([("things".to_owned(), things), ("told".to_owned(), told)]);
            config.views.deadline_ms = 25_000;
            change(config);
        })
        .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.server.anonymous().get(path).await
    }

    pub async fn put(&self, path: &str) -> Answer {
        Answer::of(self.server.client.put(format!("{}{path}", self.server.url))).await
    }

    pub async fn purge(&self, tags: &[&str]) -> Answer {
        self.purge_with(json!({ "tags": tags })).await
    }

    pub async fn purge_with(&self, body: Value) -> Answer {
        Answer::of(self.server.client.post(format!("{}/purge", self.server.admin_url)).json(&body)).await
    }

    pub async fn metrics(&self) -> String {
        let page = Answer::of(self.server.client.get(format!("{}/metrics", self.server.admin_url))).await;
        String::from_utf8(page.body.to_vec()).unwrap()
    }

    /// What the service was asked for since this was last called.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.service.calls.lock().unwrap())
    }

    /// From now on the service's answers are of another version.
    pub fn change(&self) {
        self.service.version.fetch_add(1, Ordering::SeqCst);
    }

    /// From now on the service answers with this status.
    pub fn fail(&self, status: u16) {
        self.service.status.store(status, Ordering::SeqCst);
    }

    pub fn garble(&self, garbled: bool) {
        self.service.garbled.store(garbled, Ordering::SeqCst);
    }

    /// The service takes requests and answers none.
    pub fn hold(&self) {
        self.service.held.send_replace(true);
    }

    pub fn release(&self) {
        self.service.held.send_replace(false);
    }

    /// Until the service has been asked for this.
    pub async fn wait_for(&self, what: &str) {
        eventually(async || self.service.seen.lock().unwrap().contains(what).then_some(())).await;
    }

    /// Until this is answered.
    pub async fn until(&self, path: &str, body: Value) {
        eventually(async || {
            let answer = self.get(path).await;
            (answer.status == 200 && answer.json() == body).then_some(())
        })
        .await;
    }

    pub async fn eventually_measured(&self, name: &str, fits: impl Fn(f64) -> bool) {
        eventually(async || {
            let page = self.metrics().await;
            let line = page.lines().find_map(|line| line.strip_prefix(name))?;
            fits(line.rsplit(' ').next()?.parse().ok()?).then_some(())
        })
        .await;
    }
}

/// For a server that shares these stores, and its master key, with others.
pub fn sharing(store: &bff::store::Config, folder: &std::path::Path) -> impl FnOnce(&mut Config) {
    let key = folder.join("master.key");
    std::fs::write(&key, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n").unwrap();
    let store = store.clone();
    |config| {
        config.store = store;
        config.identity.master_key_file = Some(key);
    }
}

pub fn max_age(answer: &Answer) -> Option<u64> {
    answer.header("cache-control").split(", ").find_map(|part| part.strip_prefix("max-age=")?.parse().ok())
}
