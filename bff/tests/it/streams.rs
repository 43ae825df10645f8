//! Streams of events: how many there may be, and each way in which one ends.

mod ends;
mod limits;
mod readers;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use axum::routing::post;
use bff::config::Config;
use bff::identity::DEMO_PASSWORD;
use bff::upstream;
use futures_util::stream::{BoxStream, StreamExt, once, unfold};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::sync::broadcast;

use crate::conformance::eventually;
use crate::harness::{Answer, Backend, Caller, Server, TokenUser, grpc_frame, grpc_reply, protos};

const USER: &str = "user@shop.test";
const OPERATOR: &str = "operator@shop.test";

const VIEWS: &str = "
view: order-status
route: GET /v1/orders/{id}/status
access: [user, operator]
params:
  id: { in: path, type: string, max: 64 }
stream:
  grpc: orders/orders.v1.OrderService.WatchOrders
  request: { order_id: $params.id }
  as: change
shape:
  orderId: change.order_id
---
view: news
route: GET /v1/news/{id}
access: public
params:
  id: { in: path, type: string, max: 64 }
stream:
  grpc: orders/orders.v1.OrderService.WatchOrders
  request: { order_id: $params.id }
  as: change
shape:
  orderId: change.order_id
---
view: order
route: GET /v1/orders/{id}
deadline: 20s
access: [user, operator]
params:
  id: { in: path, type: string, max: 64 }
calls:
  order:
    grpc: orders/orders.v1.OrderService.GetOrder
    request: { id: $params.id }
shape:
  note: order.note
";

/// `order_id: "o1"`
const CHANGE: &[u8] = b"\x0a\x02o1";
const EVENT: &str = "data: {\"orderId\":\"o1\"}\n\n";

async fn server(orders: &Orders) -> Server {
    server_with(orders, |_| {}).await
}

async fn server_with(orders: &Orders, change: impl FnOnce(&mut Config)) -> Server {
    Server::start_with_views(VIEWS, |config| {
        let (grpc, protos) = (Some(orders.backend.url()), protos());
        let source = upstream::Config { grpc, protos, timeout_ms: 20_000, ..upstream::Config::default() };
        config.sources.insert("orders".to_owned(), source);
        change(config);
    })
    .await
}

/// A service, and what it sees of the streams that are open there.
struct Orders {
    backend: Backend,
    /// Every `()` is one more change.
    changes: broadcast::Sender<()>,
    open: Arc<AtomicUsize>,
    /// Bytes that were taken from the stream `flood`.
    sent: Arc<AtomicUsize>,
}

impl Orders {
    async fn start() -> Self {
        let (changes, _) = broadcast::channel(8);
        let (open, sent) = (Arc::default(), Arc::default());
        let watch = {
            let (changes, open, sent) = (changes.clone(), Arc::clone(&open), Arc::clone(&sent));
            move |asked: Bytes| {
                let (changes, open) = (changes.subscribe(), Open::new(&open));
                let frames = if asked.ends_with(b"flood") { flood(&sent) } else { some(changes) };
                let frames = frames.map(move |frame| {
                    let _until_the_end = &open;
                    Ok::<_, Infallible>(frame)
                });
                let response = Response::builder().header("content-type", "application/grpc");
                async { response.body(Body::from_stream(frames)).unwrap() }
            }
        };
        let routes = Router::new()
            .route("/orders.v1.OrderService/WatchOrders", post(watch))
            .route("/orders.v1.OrderService/GetOrder", post(|| async { grpc_reply(b"") }));
        Self { backend: Backend::start(routes).await, changes, open, sent }
    }

    /// Until so many streams are open there.
    async fn until_open(&self, count: usize) {
        eventually(async || (self.open.load(Ordering::Relaxed) == count).then_some(())).await;
    }
}

/// Counts for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One change at once, and then those that are announced.
fn some(changes: broadcast::Receiver<()>) -> BoxStream<'static, Bytes> {
    let more = unfold(changes, |mut changes| async move {
        changes.recv().await.ok()?;
        Some((grpc_frame(CHANGE), changes))
    });
    once(async { grpc_frame(CHANGE) }).chain(more).boxed()
}

/// Changes as fast as they are read.
fn flood(sent: &Arc<AtomicUsize>) -> BoxStream<'static, Bytes> {
    let long = [b"\x0a\x80\x80\x04".as_slice(), &[b'o'; 64 * 1024]].concat();
    unfold((Arc::clone(sent), grpc_frame(&long)), |(sent, frame)| async move {
        sent.fetch_add(frame.len(), Ordering::Relaxed);
        Some((frame.clone(), (sent, frame)))
    })
    .boxed()
}

async fn open(caller: &impl Caller) -> reqwest::Response {
    begun(caller.request(Method::GET, "/v1/orders/o1/status")).await
}

/// What every stream begins with says how soon to come back.
async fn begun(request: RequestBuilder) -> reqwest::Response {
    let mut stream = request.send().await.unwrap();
    if stream.status() == 200 {
        assert!(stream.chunk().await.unwrap().unwrap().starts_with(b"retry: "));
    }
    stream
}

#[tokio::test]
async fn a_stream_keeps_the_view_that_opened_it_when_the_files_change() {
    let orders = Orders::start().await;
    let server = server(&orders).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let mut stream = open(&user).await;
    assert_eq!(stream.chunk().await.unwrap().unwrap(), EVENT);

    let views = server.folder.path().join("views/views.yaml");
    std::fs::write(views, VIEWS.replacen("orderId:", "renamed:", 1)).unwrap();
    let reloaded = Answer::of(server.client.post(format!("{}/reload", server.admin_url))).await;
    assert_eq!(reloaded.json()["changed"], json!(["order-status"]));
    orders.changes.send(()).unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), EVENT);
    let mut new = open(&user).await;
    assert_eq!(new.chunk().await.unwrap().unwrap(), "data: {\"renamed\":\"o1\"}\n\n");
}
