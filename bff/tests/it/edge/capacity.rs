//! What a client is told that comes when the server has enough to do.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use bff::upstream;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

use crate::harness::{Answer, Backend, Caller, Server, contract};

const CONTRACT: &str = "
openapi: 3.0.3
info: { title: Slow, version: 1.0.0 }
paths:
  /slow:
    get:
      operationId: slow
      responses:
        '200':
          description: In the end
          content: { application/json: { schema: { type: object, required: [ok], properties: { ok: { type: boolean } } } } }
";

const VIEW: &str = "
view: slow
route: GET /v1/slow
access: public
calls:
  slow: { http: slow/slow }
shape:
  ok: slow.ok
";

/// A server that answers two requests at once, and a view that is not answered until a permit is there.
struct Busy {
    server: Server,
    _backend: Backend,
    entered: Arc<Notify>,
    permits: Arc<Semaphore>,
}

impl Busy {
    async fn start() -> Self {
        let (entered, permits) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let (enter, wait) = (Arc::clone(&entered), Arc::clone(&permits));
        let slow = move || async move {
            enter.notify_one();
            wait.acquire().await.unwrap().forget();
            axum::Json(json!({ "ok": true }))
        };
        let backend = Backend::start(Router::new().route("/slow", get(slow))).await;
        let server = Server::start_with_views(VIEW, |config| {
            let (http, openapi) = (Some(backend.url()), contract(config, CONTRACT));
            let source = upstream::Config { http, openapi, timeout_ms: 15_000, ..upstream::Config::default() };
            config.sources.insert("slow".to_owned(), source);
            config.http.max_requests = 2;
            config.views.deadline_ms = 20_000;
            // Each request is one that the service is busy with.
            config.views.coalesce = false;
        })
        .await;
        Self { server, _backend: backend, entered, permits }
    }

    /// Sends a request, and returns once the service has it.
    async fn occupy(&self, tasks: &TaskTracker) -> tokio::task::JoinHandle<Answer> {
        let request = self.server.client.get(format!("{}/v1/slow", self.server.url));
        let asking = tasks.spawn(Answer::of(request));
        self.entered.notified().await;
        asking
    }

    async fn metrics(&self) -> String {
        let answer = Answer::of(self.server.client.get(format!("{}/metrics", self.server.admin_url))).await;
        String::from_utf8(answer.body.to_vec()).unwrap()
    }

    async fn in_flight(&self, count: usize) -> bool {
        self.metrics().await.contains(&format!("\nbff_http_in_flight {count}\n"))
    }
}

#[tokio::test]
async fn one_request_too_many_is_told_to_come_again() {
    let busy = Busy::start().await;
    let tasks = TaskTracker::new();
    let open = [busy.occupy(&tasks).await, busy.occupy(&tasks).await];

    let caller = busy.server.anonymous();
    let refused = caller.get("/v1/slow").await;
    assert_eq!((refused.status, refused.header("content-type")), (503, "application/problem+json"));
    assert_eq!((refused.json()["code"].as_str(), refused.header("retry-after")), (Some("overloaded"), "1"));
    assert_eq!(refused.json()["requestId"], refused.header("x-request-id"));
    assert_eq!(caller.get("/v1/auth/me").await.status, 503, "before anybody asks who it is");

    assert_eq!(caller.get("/healthz").await.status, 200);
    let metrics = busy.metrics().await;
    assert!(metrics.contains("\nbff_shed_total 2\n") && metrics.contains("\nbff_http_in_flight 2\n"), "{metrics}");
    let counted = r#"bff_http_requests_total{route="/v1/slow",method="GET",status="503"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");

    busy.permits.add_permits(2);
    for answer in open {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert!(busy.in_flight(0).await);
    busy.permits.add_permits(1);
    assert_eq!(caller.get("/v1/slow").await.status, 200);
}

#[tokio::test]
async fn a_client_that_goes_gives_its_place_back() {
    let busy = Busy::start().await;
    let tasks = TaskTracker::new();
    for _ in 0..2 {
        busy.occupy(&tasks).await.abort();
    }
    while !busy.in_flight(0).await {
        tokio::task::yield_now().await;
    }
    busy.permits.add_permits(3);
    assert_eq!(busy.server.anonymous().get("/v1/slow").await.status, 200);
}
