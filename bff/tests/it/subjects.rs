//! Streams of what services announce on a JetStream subject: live, resumed where a client left off, and typed.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use bff::identity::DEMO_PASSWORD;
use bff::upstream;
use futures_util::FutureExt;
use http::Method;
use uuid::Uuid;

use crate::conformance::Backend;
use crate::harness::{Answer, Caller, Server, TokenUser, protos};

/// `order_id: "o1"`, `status: SHIPPED`
const SHIPPED: &[u8] = b"\x0a\x02o1\x10\x03";
/// `order_id: "o2"`
const OTHER: &[u8] = b"\x0a\x02o2";

/// A stream of the test's own.
struct Subjects {
    context: jetstream::Context,
    name: String,
}

impl Subjects {
    async fn make(url: &str) -> Self {
        let context = jetstream::new(async_nats::connect(url).await.unwrap());
        let name = format!("test-{}", Uuid::new_v4().simple());
        let config =
            stream::Config { name: name.clone(), subjects: vec![format!("{name}.>")], ..stream::Config::default() };
        context.create_stream(config).await.unwrap();
        Self { context, name }
    }

    async fn say(&self, room: &str, message: &'static [u8]) -> u64 {
        let subject = format!("{}.{room}", self.name);
        self.context.publish(subject, message.into()).await.unwrap().await.unwrap().sequence
    }
}

async fn server(url: String, name: &str) -> Server {
    let view = format!(
        "
view: changes
route: GET /v1/changes/{{room}}
access: user
params: {{ room: {{ in: path, type: string, max: 64 }} }}
stream: {{ nats: \"shop/{name}.${{$params.room}}\", message: orders/orders.v1.OrderChange, as: change }}
shape: {{ orderId: change.order_id }}
"
    );
    Server::start_with_views(&view, |config| {
        let none = Some("http://127.0.0.1:9".to_owned());
        let orders = upstream::Config { grpc: none, protos: protos(), warm_up: false, ..upstream::Config::default() };
        let shop = upstream::Config { nats: Some(url.into()), timeout_ms: 10_000, ..upstream::Config::default() };
        config.sources.extend([("orders".to_owned(), orders), ("shop".to_owned(), shop)]);
    })
    .await
}

async fn listen(user: &TokenUser<'_>, room: &str, last: Option<u64>) -> reqwest::Response {
    let request = user.request(Method::GET, &format!("/v1/changes/{room}"));
    let request = last.into_iter().fold(request, |request, last| request.header("last-event-id", last));
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(stream.chunk().await.unwrap().unwrap().starts_with(b"retry: "));
    stream
}

async fn event(stream: &mut reqwest::Response) -> String {
    String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn messages_are_events_and_none_is_missed() {
    let Some(url) = Backend::Nats.url() else { return };
    let subjects = Subjects::make(&url).await;
    let server = server(url, &subjects.name).await;
    let user = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    subjects.say("blue", OTHER).await;
    let mut live = listen(&user, "blue", None).await;
    subjects.say("green", OTHER).await;
    let first = subjects.say("blue", SHIPPED).await;
    // Of this subject alone, and from now on.
    assert_eq!(event(&mut live).await, format!("data: {{\"orderId\":\"o1\"}}\nid: {first}\n\n"));
    drop(live);
    let second = subjects.say("blue", OTHER).await;
    let mut again = listen(&user, "blue", Some(first)).await;
    assert_eq!(event(&mut again).await, format!("data: {{\"orderId\":\"o2\"}}\nid: {second}\n\n"));
    let third = subjects.say("blue", SHIPPED).await;
    assert_eq!(event(&mut again).await, format!("data: {{\"orderId\":\"o1\"}}\nid: {third}\n\n"));

    // An id that the stream has not come to is of another stream, or made up: as if there were none.
    let mut stranger = listen(&user, "blue", Some(u64::MAX)).await;
    assert!(stranger.chunk().now_or_never().is_none());
    let fourth = subjects.say("blue", SHIPPED).await;
    assert_eq!(event(&mut stranger).await, format!("data: {{\"orderId\":\"o1\"}}\nid: {fourth}\n\n"));

    // A message that is none of its contract ends the stream.
    subjects.say("blue", b"\xff\xff").await;
    assert!(event(&mut stranger).await.starts_with("event: problem\n"));
    assert_eq!(stranger.chunk().await.unwrap(), None);
    subjects.context.delete_stream(&subjects.name).await.unwrap();
}

#[tokio::test]
async fn what_has_no_stream_or_no_server_is_a_problem() {
    let Some(url) = Backend::Nats.url() else { return };
    let server = server(url, &format!("nothing-{}", Uuid::new_v4().simple())).await;
    let user = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    let nowhere = user.get("/v1/changes/blue").await;
    assert_eq!(nowhere.status, 502, "{}", String::from_utf8_lossy(&nowhere.body));
    assert_eq!(user.get("/v1/changes/a.b").await.status, 400);
    assert_eq!(user.get("/v1/changes/%3E").await.status, 400);
}

#[tokio::test]
async fn a_server_of_nats_that_is_away_is_unavailable() {
    let server = server("nats://127.0.0.1:9".to_owned(), "away").await;
    let user = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    let away = user.get("/v1/changes/blue").await;
    assert_eq!((away.status, away.json()["code"].as_str()), (503, Some("unavailable")));
    let ready = Answer::of(server.client.get(format!("{}/readyz", server.admin_url))).await;
    assert!(ready.status == 503 && ready.json().to_string().contains("shop"), "{}", ready.json());
}

/// How soon a stream ends whose session is over, although nothing happens on it.
#[tokio::test]
async fn a_stream_without_events_ends_with_its_session() {
    let Some(url) = Backend::Nats.url() else { return };
    let subjects = Subjects::make(&url).await;
    let server = server(url, &subjects.name).await;
    let user = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    let mut expired = listen(&user, "blue", None).await;
    server.clock.advance(Duration::from_secs(365 * 24 * 60 * 60));
    let last = event(&mut expired).await;
    assert!(last.starts_with("event: problem\n") && last.contains("invalid-session"), "{last}");
    assert_eq!(expired.chunk().await.unwrap(), None);
    subjects.context.delete_stream(&subjects.name).await.unwrap();
}
