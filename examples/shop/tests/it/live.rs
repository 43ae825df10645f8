//! What is live in the demo: the home screen in parts, a picture that passes through, a room to talk in.

use futures_util::{SinkExt, StreamExt};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::harness::Folder;
use crate::process::Demo;

async fn token(demo: &Demo, identifier: &str) -> String {
    let login = json!({"identifier": identifier, "password": demo.beside("password")});
    let (status, login) = demo.post("/v1/auth/login", &login).await;
    assert_eq!(status, StatusCode::OK, "{login}");
    login["accessToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_home_screen_comes_in_parts() {
    let data = Folder::new();
    let demo = Demo::start(&data.0);
    let token = token(&demo, "user@shop.test").await;
    let http = reqwest::Client::new();
    // Later than the rest, and sooner than the screen gives it up.
    let loyalty = format!("{}/upstreams/loyalty", demo.beside("control"));
    http.post(loyalty).body(r#"{"delay_ms": 100}"#).send().await.unwrap();
    let url = format!("{}/v1/home?orders=1", demo.beside("bff"));
    let mut parts = String::new();
    // The screen has a deadline, which a busy machine may miss.
    for _ in 0..20 {
        let request = http.get(&url).bearer_auth(&token).header("accept", "text/event-stream");
        parts = request.send().await.unwrap().text().await.unwrap();
        if parts.contains("event: patch") {
            break;
        }
    }
    let events: Vec<&str> = parts.split_terminator("\n\n").collect();
    let [whole, patch, end] = events[..] else { panic!("{parts}") };
    let whole: Value = serde_json::from_str(whole.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((&whole["greeting"], &whole["rewards"]), (&json!("Hi, Ada"), &Value::Null));
    let patch: Value = serde_json::from_str(patch.strip_prefix("event: patch\ndata: ").unwrap()).unwrap();
    assert_eq!(patch, json!([{"op": "replace", "path": "/rewards", "value": {"points": 1280, "tier": "GOLD"}}]));
    assert_eq!(end, "event: end\ndata: {}");
}

#[tokio::test]
async fn a_picture_passes_through_both_ways() {
    let data = Folder::new();
    let demo = Demo::start(&data.0);
    let token = token(&demo, "user@shop.test").await;
    let http = reqwest::Client::new();
    let url = format!("{}/v1/avatar", demo.beside("bff"));
    let none = http.get(&url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    let picture: Vec<u8> = (0..500_000_u32).map(|i| i as u8).collect();
    let put = |kind: &str, body: Vec<u8>| {
        http.put(&url).bearer_auth(&token).header("content-type", kind.to_owned()).body(body).send()
    };
    assert_eq!(put("image/png", picture.clone()).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(put("image/gif", picture.clone()).await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(put("image/png", vec![0; 1_000_001]).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);

    let shown = http.get(&url).bearer_auth(&token).send().await.unwrap();
    assert_eq!((shown.status(), &shown.headers()["content-type"]), (StatusCode::OK, &"image/png".parse().unwrap()));
    let etag = shown.headers()["etag"].clone();
    assert!(shown.bytes().await.unwrap() == picture, "another picture came back");
    let known = http.get(&url).bearer_auth(&token).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);

    let range = async |range: &str, version: &str| {
        let request = http.get(&url).bearer_auth(&token).header("range", range).header("if-range", version);
        let answer = request.send().await.unwrap();
        let place = answer.headers().get("content-range").map(|place| place.to_str().unwrap().to_owned());
        (answer.status().as_u16(), place.unwrap_or_default(), answer.bytes().await.unwrap())
    };
    let etag = etag.to_str().unwrap();
    let (status, place, part) = range("bytes=1000-", etag).await;
    assert_eq!((status, place.as_str()), (206, "bytes 1000-499999/500000"));
    assert!(part == picture[1000..], "another part came back");
    let (status, place, _) = range("bytes=500000-", etag).await;
    assert_eq!((status, place.as_str()), (416, "bytes */500000"));
    let (status, _, whole) = range("bytes=1000-", "\"another\"").await;
    assert!(status == 200 && whole == picture);
}

async fn enter(demo: &Demo, token: &str) -> WebSocketStream<TcpStream> {
    let authority = demo.beside("bff").trim_start_matches("http://");
    let mut request = format!("ws://{authority}/v1/rooms/blue").into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    client_async(request, TcpStream::connect(authority).await.unwrap()).await.unwrap().0
}

#[tokio::test]
async fn everybody_in_a_room_hears_everybody() {
    let data = Folder::new();
    let demo = Demo::start(&data.0);
    let (user, operator) = (token(&demo, "user@shop.test").await, token(&demo, "operator@shop.test").await);
    let mut everybody = [enter(&demo, &user).await, enter(&demo, &operator).await];
    everybody[0].send(Message::text("hello")).await.unwrap();
    for one in &mut everybody {
        let Message::Text(heard) = one.next().await.unwrap().unwrap() else { panic!("a text") };
        let heard: Value = serde_json::from_str(&heard).unwrap();
        assert_eq!(heard, json!({"from": shop::account::USER, "text": "hello"}));
    }
}
