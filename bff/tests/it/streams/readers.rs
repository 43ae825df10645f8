//! Readers that read nothing: what is held for them, and what ends them.

use std::net::SocketAddr;
use std::time::Duration;

use bff::identity::DEMO_PASSWORD;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{EVENT, Orders, USER, begun, open, server_with};
use crate::harness::{Caller, TokenUser, http2_client, settled};

/// A stream that nobody reads; while this lives, its connection does.
enum Deaf {
    Http1(TcpStream),
    Http2(reqwest::Response),
}

async fn deaf(user: &TokenUser<'_>, over_http2: bool) -> Deaf {
    let (url, token) = (&user.server.url, &user.access_token);
    if over_http2 {
        return Deaf::Http2(
            begun(http2_client().get(format!("{url}/v1/orders/flood/status")).bearer_auth(token)).await,
        );
    }
    let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let ask = format!("GET /v1/orders/flood/status HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    Deaf::Http1(stream)
}

impl Deaf {
    /// It is still held here.
    fn leave(self) {
        match self {
            Self::Http1(stream) => drop(stream),
            Self::Http2(response) => drop(response),
        }
    }
}

#[tokio::test]
async fn nothing_is_collected_for_who_does_not_read_and_a_limit_ends_him() {
    for over_http2 in [false, true] {
        let orders = Orders::start().await;
        let server = server_with(&orders, |config| match over_http2 {
            false => config.http.write_timeout_ms = 1_000,
            true => config.http.stream_idle_ms = 1_500,
        })
        .await;
        let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        let deaf = deaf(&user, over_http2).await;
        let held = settled(&orders.sent).await;
        // What the system's own buffers take, at both ends, and no more.
        assert!(held < 40_000_000, "{held} bytes were taken from the service");
        // Nobody else has to wait.
        let mut other = open(&user).await;
        assert_eq!(other.chunk().await.unwrap().unwrap(), EVENT);
        drop(other);
        orders.until_open(0).await;
        deaf.leave();
    }
}

#[tokio::test]
async fn who_does_not_read_loses_the_stream_with_the_session_all_the_same() {
    for over_http2 in [false, true] {
        let orders = Orders::start().await;
        let server = server_with(&orders, |_| ()).await;
        let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        let deaf = deaf(&user, over_http2).await;
        settled(&orders.sent).await;
        assert_eq!(user.post("/v1/auth/logout", json!({})).await.status, 204);
        orders.until_open(0).await;
        deaf.leave();
    }
}

#[tokio::test]
async fn a_stream_without_events_outlasts_idle_connections() {
    let orders = Orders::start().await;
    let server = server_with(&orders, |config| config.http.idle_timeout_ms = 200).await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    let url = format!("{}/v1/orders/o1/status", server.url);
    let mut streams = Vec::new();
    for client in [&server.client, &http2_client()] {
        streams.push(begun(client.get(&url).bearer_auth(&user.access_token)).await);
    }
    for stream in &mut streams {
        assert_eq!(stream.chunk().await.unwrap().unwrap(), EVENT);
    }
    sleep(Duration::from_secs(2)).await;
    orders.changes.send(()).unwrap();
    for stream in &mut streams {
        assert_eq!(stream.chunk().await.unwrap().unwrap(), EVENT);
    }
}

#[tokio::test]
async fn who_does_not_read_holds_up_no_stop() {
    for over_http2 in [false, true] {
        let orders = Orders::start().await;
        let server = server_with(&orders, |config| {
            config.http.drain_ms = 300;
            // Nothing but the drain ends the connection.
            (config.http.idle_timeout_ms, config.http.write_timeout_ms) = (600_000, 600_000);
        })
        .await;
        let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        let deaf = deaf(&user, over_http2).await;
        settled(&orders.sent).await;
        timeout(Duration::from_secs(60), server.stop()).await.expect("it stops once it has drained");
        orders.until_open(0).await;
        deaf.leave();
    }
}
