//! Sockets that are open to everybody.

use bff::upstream;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::{echo, open};
use crate::conformance::eventually;
use crate::harness::Server;

const VIEWS: &str = "
view: lobby
route: GET /v1/lobby
access: public
proxy: { source: chat, to: /lobby, websocket: true, max_message: 1KB }
";

#[tokio::test]
async fn nobody_need_sign_in_but_one_address_cannot_take_every_place() {
    let (seen, _told) = mpsc::unbounded_channel();
    let backend = echo(seen).await;
    let server = Server::start_with_views(VIEWS, |config| {
        let source = upstream::Config { http: Some(backend.url()), ..upstream::Config::default() };
        config.sources.insert("chat".to_owned(), source);
        config.http.streams_per_address = 1;
    })
    .await;
    let enter = async || open(&server, "/v1/lobby", &[]).await;
    let (mut client, _) = enter().await.unwrap();
    client.send(Message::text("hello")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hello"));
    assert_eq!(enter().await.err(), Some(429));

    client.close(None).await.unwrap();
    eventually(async || enter().await.ok()).await;
}
