//! WebSockets handed on: who may open one, what passes, and how each way to end one is told.

mod everybody;

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bff::config::Config;
use bff::identity::DEMO_PASSWORD;
use bff::upstream;
use futures_util::stream::StreamExt;
use futures_util::{FutureExt, SinkExt};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::task::TaskTracker;

use crate::harness::{Backend, Caller, CookieUser, Server, TokenUser};

const USER: &str = "user@shop.test";

const VIEWS: &str = "
view: chat
route: GET /v1/rooms/{room}
access: user
params: { room: { in: path, type: string, max: 64 } }
proxy: { source: chat, to: \"/rooms/${$params.room}\", websocket: true, max_message: 1KB }
";

/// What a service was told when a socket was opened, and how it ended there.
#[derive(Debug)]
enum Seen {
    Opened(String, HeaderMap),
    Ended(Option<Message>),
}

/// Sends back what it hears; `close` and `die` it takes for an order, and `flood` for a wish.
async fn echo(seen: mpsc::UnboundedSender<Seen>) -> Backend {
    let tasks = TaskTracker::new();
    let serve = move |mut request: Request| {
        let (seen, tasks) = (seen.clone(), tasks.clone());
        async move { serve(&mut request, seen, &tasks) }
    };
    Backend::start(Router::new().fallback(any(serve))).await
}

fn serve(request: &mut Request, seen: mpsc::UnboundedSender<Seen>, tasks: &TaskTracker) -> Response {
    if request.uri().path().ends_with("/closed") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let headers = request.headers().clone();
    let accept = derive_accept_key(headers[SEC_WEBSOCKET_KEY].as_bytes());
    seen.send(Seen::Opened(request.uri().to_string(), headers)).unwrap();
    let upgrade = hyper::upgrade::on(request);
    tasks.spawn(async move {
        let stream = TokioIo::new(upgrade.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        let last = loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) if text == "die" => return,
                Some(Ok(Message::Text(text))) if text == "close" => {
                    let frame = CloseFrame { code: CloseCode::Library(4_001), reason: "enough".into() };
                    socket.send(Message::Close(Some(frame))).await.unwrap();
                }
                Some(Ok(Message::Text(text))) if text == "flood" => {
                    while socket.send(Message::binary(vec![0; 1_000])).await.is_ok() {}
                }
                Some(Ok(Message::Text(text))) if text == "longer" => {
                    socket.send(Message::binary(vec![0; 1024 * 1024])).await.unwrap();
                }
                Some(Ok(Message::Text(text))) if text == "large" => {
                    socket.send(Message::binary(vec![0; 1024 * 1024 + 1])).await.unwrap();
                }
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await.unwrap(),
                Some(Ok(message @ Message::Close(_))) => break Some(message),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break None,
            }
        };
        let _ = seen.send(Seen::Ended(last));
    });
    let headers = [
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, HeaderValue::try_from(accept).unwrap()),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("v2")),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

async fn server(backend: &Backend, change: impl FnOnce(&mut Config)) -> Server {
    Server::start_with_views(VIEWS, |config| {
        let http = Some(backend.url());
        let source = upstream::Config { http, timeout_ms: 5_000, ..upstream::Config::default() };
        config.sources.insert("chat".to_owned(), source);
        change(config);
    })
    .await
}

type Client = WebSocketStream<TcpStream>;

/// Opens a socket with these headers, or gives the status of the refusal.
async fn open(server: &Server, path: &str, headers: &[(&'static str, &str)]) -> Result<(Client, HeaderMap), u16> {
    let authority = server.url.trim_start_matches("http://");
    let mut request = format!("ws://{authority}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match client_async(request, TcpStream::connect(authority).await.unwrap()).await {
        Ok((client, response)) => Ok((client, response.headers().clone())),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn room(user: &TokenUser<'_>) -> Client {
    let bearer = format!("Bearer {}", user.access_token);
    open(user.server, "/v1/rooms/blue", &[("authorization", &bearer)]).await.unwrap().0
}

async fn user(server: &Server) -> TokenUser<'_> {
    TokenUser::login(server, USER, DEMO_PASSWORD).await
}

/// The code with which the server says goodbye.
async fn goodbye(client: &mut Client) -> u16 {
    loop {
        match client.next().await {
            Some(Ok(Message::Close(frame))) => return frame.map_or(0, |frame| frame.code.into()),
            Some(Ok(_)) => {}
            end => panic!("{end:?}"),
        }
    }
}

async fn ended(told: &mut mpsc::UnboundedReceiver<Seen>) -> u16 {
    loop {
        match told.recv().await.unwrap() {
            Seen::Opened(..) => {}
            Seen::Ended(Some(Message::Close(frame))) => return frame.map_or(0, |frame| frame.code.into()),
            Seen::Ended(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn messages_go_both_ways() {
    let (seen, mut told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |config| {
        config.sources.get_mut("chat").unwrap().identity = upstream::Identity::Token;
    })
    .await;
    let user = user(&server).await;
    let bearer = format!("Bearer {}", user.access_token);
    let headers = [("authorization", &*bearer), ("sec-websocket-protocol", "v1, v2"), ("cookie", "theirs=1")];
    let (mut client, answer) = open(&server, "/v1/rooms/blue%2Fgreen", &headers).await.unwrap();
    assert_eq!(answer["sec-websocket-protocol"], "v2");
    let Seen::Opened(uri, headers) = told.recv().await.unwrap() else { panic!("it was opened first") };
    assert_eq!((uri.as_str(), headers["sec-websocket-protocol"].to_str().unwrap()), ("/rooms/blue%2Fgreen", "v1, v2"));
    let token = headers["authorization"].to_str().unwrap();
    assert!(token.starts_with("Bearer ") && token != bearer && !headers.contains_key("cookie"));

    for message in [Message::text("hello"), Message::binary(vec![0, 159, 146, 150]), Message::text("ä".repeat(500))] {
        client.send(message.clone()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), message);
    }
    client.send(Message::Ping("there?".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("there?".into()));

    let frame = CloseFrame { code: CloseCode::Library(4_000), reason: "bye".into() };
    client.send(Message::Close(Some(frame.clone()))).await.unwrap();
    let Seen::Ended(last) = told.recv().await.unwrap() else { panic!("it ends") };
    assert_eq!(last, Some(Message::Close(Some(frame))));
    assert_eq!(goodbye(&mut client).await, 4_000);
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn ten_thousand_small_messages_keep_their_order() {
    let (seen, _told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let (mut to, mut from) = room(&user).await.split();
    let send = async {
        for i in 0..10_000 {
            to.send(Message::text(i.to_string())).await.unwrap();
        }
    };
    let receive = async {
        for i in 0..10_000 {
            assert_eq!(from.next().await.unwrap().unwrap(), Message::text(i.to_string()));
        }
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn only_who_may_and_from_its_own_pages() {
    let (seen, mut told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let (user, page) = (user(&server).await, CookieUser::login(&server, USER, DEMO_PASSWORD).await);
    let bearer = format!("Bearer {}", user.access_token);
    let own = server.url.clone();
    let path = "/v1/rooms/blue";
    for (headers, status) in [
        (vec![], 401),
        (vec![("authorization", "Bearer nonsense")], 401),
        (vec![("cookie", &*page.cookie)], 403),
        (vec![("cookie", &*page.cookie), ("origin", "https://evil.test")], 403),
        (vec![("cookie", &*page.cookie), ("origin", "null")], 403),
        (vec![("cookie", &*page.cookie), ("origin", &*own), ("sec-fetch-site", "cross-site")], 200),
        (vec![("cookie", &*page.cookie), ("origin", &*own)], 200),
        (vec![("authorization", &*bearer)], 200),
        (vec![("authorization", &*bearer), ("origin", "https://evil.test")], 403),
        (vec![("authorization", &*bearer), ("sec-websocket-version", "8")], 426),
    ] {
        let opened = open(&server, path, &headers).await;
        assert_eq!(opened.map_or_else(|status| status, |_| 200), status, "{headers:?}");
    }
    let plain = user.get(path).await;
    assert_eq!((plain.status, &plain.json()["code"]), (426, &json!("upgrade-required")));
    // What the service refuses is refused, and so is what the view does not know.
    assert_eq!(open(&server, "/v1/rooms/closed", &[("authorization", &bearer)]).await.err(), Some(403));
    assert_eq!(open(&server, "/v1/rooms/a?b=c", &[("authorization", &bearer)]).await.err(), Some(400));
    drop(server);
    let mut opened = 0;
    while let Ok(Some(seen)) = timeout(Duration::from_secs(20), told.recv()).await {
        opened += usize::from(matches!(seen, Seen::Opened(..)));
        if opened == 3 {
            break;
        }
    }
    assert_eq!(opened, 3);
}

#[tokio::test]
async fn a_session_that_ends_ends_its_sockets() {
    let (seen, mut told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let mut client = room(&user).await;
    assert_eq!(user.post("/v1/auth/logout", json!({})).await.status, 204);
    assert_eq!(goodbye(&mut client).await, 1008);
    assert_eq!(ended(&mut told).await, 1008);
}

#[tokio::test]
async fn a_session_that_expires_or_becomes_another_s_ends_its_sockets() {
    let (seen, _told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let admin = TokenUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
    let mut client = room(&user(&server).await).await;
    let path = "/v1/admin/users/01890000-0000-7000-8000-000000000001";
    assert_eq!(admin.patch(path, json!({ "role": "operator" })).await.status, 200);
    assert_eq!(goodbye(&mut client).await, 1008);
    assert_eq!(admin.patch(path, json!({ "role": "user" })).await.status, 200);
    let mut client = room(&user(&server).await).await;
    server.clock.advance(Duration::from_secs(365 * 24 * 60 * 60));
    assert_eq!(goodbye(&mut client).await, 1008);
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let (seen, mut told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let mut client = room(&user(&server).await).await;
    client.send(Message::text("hello")).await.unwrap();
    client.next().await.unwrap().unwrap();
    drop(server);
    assert_eq!(goodbye(&mut client).await, 1001);
    assert_eq!(ended(&mut told).await, 1001);
}

#[tokio::test]
async fn what_is_too_large_ends_it() {
    let (seen, mut told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let mut client = room(&user).await;
    client.send(Message::binary(vec![0; 1_001])).await.unwrap();
    assert_eq!(goodbye(&mut client).await, 1009);
    assert_eq!(ended(&mut told).await, 1009);
    let mut client = room(&user).await;
    client.send(Message::text("large")).await.unwrap();
    assert_eq!(goodbye(&mut client).await, 1009);
}

#[tokio::test]
async fn a_reply_may_be_larger_than_what_a_client_may_send() {
    let (seen, _told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let mut client = room(&user(&server).await).await;
    client.send(Message::text("longer")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::binary(vec![0; 1024 * 1024]));
    client.send(Message::text("still here")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("still here"));
}

#[tokio::test]
async fn the_service_ends_it_or_is_gone() {
    let (seen, _told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let mut client = room(&user).await;
    client.send(Message::text("close")).await.unwrap();
    assert_eq!(goodbye(&mut client).await, 4_001);
    let mut client = room(&user).await;
    client.send(Message::text("die")).await.unwrap();
    assert_eq!(goodbye(&mut client).await, 1011);
    let mut client = room(&user).await;
    backend.kill().await;
    assert_eq!(goodbye(&mut client).await, 1011);
}

#[tokio::test]
async fn a_client_that_is_gone_is_told_to_the_service() {
    let (seen, mut told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    drop(room(&user).await);
    assert_eq!(ended(&mut told).await, 1001);
}

#[tokio::test]
async fn silence_ends_it() {
    let (seen, _told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |config| config.http.stream_idle_ms = 300).await;
    let user = user(&server).await;
    let mut client = room(&user).await;
    assert_eq!(goodbye(&mut client).await, 1001);
}

#[tokio::test]
async fn an_account_has_so_many_and_gets_them_back() {
    let (seen, _told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let mut clients = Vec::new();
    for _ in 0..32 {
        clients.push(room(&user).await);
    }
    let bearer = format!("Bearer {}", user.access_token);
    let again = async || open(&server, "/v1/rooms/blue", &[("authorization", &bearer)]).await;
    assert_eq!(again().await.err(), Some(429));
    drop(clients);
    while again().await.is_err() {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_does_not_read_holds_up_the_other_side_alone() {
    let (seen, _told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let mut deaf = room(&user).await;
    deaf.send(Message::text("flood")).await.unwrap();
    let mut other = room(&user).await;
    other.send(Message::text("hello")).await.unwrap();
    assert_eq!(other.next().await.unwrap().unwrap(), Message::text("hello"));
    // Once it has read nothing for ten seconds it is cut off, whatever it has not read.
    let mut read = 0;
    sleep(Duration::from_secs(12)).await;
    while let Some(Ok(message)) = deaf.next().now_or_never().unwrap_or(None) {
        read += message.len();
    }
    assert!(read < 40_000_000, "{read} bytes were collected");
}
