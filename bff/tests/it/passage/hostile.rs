//! Clients and services that do what they should not: too large, too slow, gone in the middle.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use futures_util::stream::{Stream, StreamExt, iter, once, pending, repeat, unfold};
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::{Asked, remembering, server, user};
use crate::harness::{ANY_PORT, Answer, Backend, Caller, Connection, Server, TokenUser, settled};

/// Reads whatever comes, piece by piece, and tells how each request's body ended.
pub async fn reading(ended: mpsc::UnboundedSender<Result<usize, usize>>) -> Backend {
    let read = move |request: Request| {
        let ended = ended.clone();
        async move {
            let (mut body, mut length) = (request.into_body(), 0);
            let end = loop {
                match body.frame().await {
                    Some(Ok(frame)) => length += frame.into_data().map_or(0, |data| data.len()),
                    Some(Err(_)) => break Err(length),
                    None => break Ok(length),
                }
            };
            ended.send(end).unwrap();
            "read"
        }
    };
    Backend::start(Router::new().fallback(any(read))).await
}

/// A body whose length is not stated.
pub fn in_pieces(pieces: impl Stream<Item = Bytes> + Send + Sync + 'static) -> reqwest::Body {
    reqwest::Body::wrap(StreamBody::new(pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)))))
}

fn address(server: &Server) -> SocketAddr {
    server.url.trim_start_matches("http://").parse().unwrap()
}

fn put(user: &TokenUser<'_>, headers: &str) -> String {
    let token = &user.access_token;
    format!("PUT /v1/files/a HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_body_is_refused_before_it_is_read_where_that_can_be_known() {
    let asked = Asked::default();
    let backend = remembering(&asked, || Response::new(Body::empty())).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let upload = |kind: &str, length: usize| {
        user.request(Method::PUT, "/v1/files/a").header("content-type", kind.to_owned()).body(vec![0; length])
    };
    let large = Answer::of(upload("image/png", 4_000_001)).await;
    assert_eq!((large.status, &large.json()["code"]), (413, &json!("body-too-large")));
    for kind in ["image/jpeg", "application/json", "image", "", "imagepng"] {
        let other = Answer::of(upload(kind, 5)).await;
        assert_eq!((other.status, &other.json()["code"]), (415, &json!("unsupported-media-type")), "{kind}");
    }
    let packed = Answer::of(upload("image/png", 5).header("content-encoding", "gzip")).await;
    assert_eq!(packed.status, 415);
    assert!(asked.lock().unwrap().is_none());
    for kind in ["Image/PNG; q=1", "text/csv"] {
        assert_eq!(Answer::of(upload(kind, 5)).await.status, 200, "{kind}");
    }
    assert_eq!(Answer::of(upload("image/png", 4_000_000)).await.status, 200);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_off_where_it_grows_too_large() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let backend = reading(tell).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let endless = repeat(Bytes::from(vec![1; 64 * 1024]));
    let request = user.request(Method::PUT, "/v1/files/a").header("content-type", "image/png");
    let answer = Answer::of(request.body(in_pieces(endless))).await;
    assert_eq!((answer.status, &answer.json()["code"]), (413, &json!("body-too-large")));
    // The service must not take it for a whole one.
    let end = told.recv().await.unwrap();
    assert!(end.is_err_and(|length| length <= 4_000_000), "{end:?}");
}

#[tokio::test]
async fn clients_that_break_off_do_not_count_against_the_service() {
    let (tell, _told) = mpsc::unbounded_channel();
    let backend = reading(tell).await;
    let server = server(&backend, |config| {
        let source = config.sources.get_mut("files").unwrap();
        (source.breaker_failures, source.breaker_open_ms) = (1, 60_000);
    })
    .await;
    let user = user(&server).await;
    let upload = || user.request(Method::PUT, "/v1/files/a").header("content-type", "image/png");
    for _ in 0..3 {
        let endless = repeat(Bytes::from(vec![1; 64 * 1024]));
        assert_eq!(Answer::of(upload().body(in_pieces(endless))).await.status, 413);
    }
    assert_eq!(Answer::of(upload().body("small")).await.status, 200);
}

#[tokio::test]
async fn ten_thousand_small_pieces_pass() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let backend = reading(tell).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let pieces = iter((0..10_000).map(|_| Bytes::from_static(b"0123456789")));
    let request = user.request(Method::PUT, "/v1/files/a").header("content-type", "text/plain");
    let answer = Answer::of(request.body(in_pieces(pieces))).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"read"[..]));
    assert_eq!(told.recv().await, Some(Ok(100_000)));
}

#[tokio::test]
async fn a_client_that_falls_silent_within_its_body_is_not_waited_for() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let backend = reading(tell).await;
    // The service's patience counts only while the service owes something.
    let server = server(&backend, |config| {
        config.http.read_timeout_ms = 1_000;
        config.sources.get_mut("files").unwrap().timeout_ms = 100;
    })
    .await;
    let user = user(&server).await;
    let mut slow = Connection::open(address(&server)).await.unwrap();
    let head = put(&user, "content-type: image/png\r\ncontent-length: 1000\r\n");
    let answer = slow.ask(&format!("{head}some of it")).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"code\":\"request-timeout\""), "{answer}");
    assert_eq!(told.recv().await, Some(Err(10)));
}

#[tokio::test]
async fn a_body_that_is_no_http_is_the_clients_doing() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let backend = reading(tell).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let mut broken = Connection::open(address(&server)).await.unwrap();
    let head = put(&user, "content-type: image/png\r\ntransfer-encoding: chunked\r\n");
    let answer = broken.ask(&format!("{head}5\r\naaaaa\r\nZZ\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"code\":\"bad-request\""), "{answer}");
    assert!(told.recv().await.unwrap().is_err());
    let metrics = Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await.body;
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    let calls: Vec<&str> = metrics.lines().filter(|line| line.starts_with("bff_upstream_calls_total{")).collect();
    assert!(calls.iter().any(|line| line.contains("outcome=\"cancelled\"")), "{calls:?}");
    assert!(!calls.iter().any(|line| line.contains("outcome=\"internal\"")), "{calls:?}");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_upload_with_it() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let backend = reading(tell).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let mut gone = TcpStream::connect(address(&server)).await.unwrap();
    let head = put(&user, "content-type: image/png\r\ncontent-length: 1000\r\n");
    gone.write_all(format!("{head}some of it").as_bytes()).await.unwrap();
    // Half-closed: nothing more will come.
    gone.shutdown().await.unwrap();
    assert_eq!(told.recv().await, Some(Err(10)));
}

/// Sends as fast as it is read, and counts what it has sent.
pub async fn endless(sent: &Arc<AtomicUsize>) -> Backend {
    let sent = Arc::clone(sent);
    let endless = move || {
        let sent = Arc::clone(&sent);
        let pieces = unfold(sent, |sent| async move {
            sent.fetch_add(64 * 1024, Ordering::Relaxed);
            Some((Ok::<_, Infallible>(Bytes::from(vec![1; 64 * 1024])), sent))
        });
        async { Response::builder().header("content-type", "image/png").body(Body::from_stream(pieces)).unwrap() }
    };
    Backend::start(Router::new().fallback(any(endless))).await
}

#[tokio::test]
async fn a_slow_reader_holds_up_the_service_and_nothing_is_collected() {
    let sent = Arc::default();
    let backend = endless(&sent).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let mut answer = user.request(Method::GET, "/v1/files/a").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    // What the system's own buffers take, at both ends, and no more.
    let held = settled(&sent).await;
    assert!(held < 40_000_000, "{held} bytes were taken from the service");
    let mut read = 0;
    while read < held + 1_000_000 {
        read += answer.chunk().await.unwrap().unwrap().len();
    }
    assert!(sent.load(Ordering::Relaxed) > held);
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_connection_and_the_service_is_free() {
    let sent = Arc::default();
    let backend = endless(&sent).await;
    let server = server(&backend, |config| {
        config.http.write_timeout_ms = 1_000;
        config.sources.get_mut("files").unwrap().max_in_flight = 1;
    })
    .await;
    let user = user(&server).await;
    let mut deaf = TcpStream::connect(address(&server)).await.unwrap();
    let token = &user.access_token;
    let ask = format!("GET /v1/files/a HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
    deaf.write_all(ask.as_bytes()).await.unwrap();
    settled(&sent).await;
    // Its place is the only one.
    while user.request(Method::GET, "/v1/files/a").send().await.unwrap().status() != 200 {
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_service_that_dies_in_the_middle_is_seen_to_have() {
    let half = || async {
        let pieces = once(async { Ok(Bytes::from_static(b"half")) }).chain(once(async {
            sleep(Duration::from_millis(50)).await;
            Err(std::io::Error::other("died"))
        }));
        Response::builder().header("content-type", "image/png").body(Body::from_stream(pieces)).unwrap()
    };
    let backend = Backend::start(Router::new().fallback(any(half))).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let mut answer = user.request(Method::GET, "/v1/files/a").send().await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "half");
    assert!(answer.chunk().await.is_err(), "an answer that breaks off must not look whole");
}

#[tokio::test]
async fn a_service_that_falls_silent_is_given_up() {
    let silent = |request: Request| async move {
        if request.uri().path().ends_with("/never") {
            std::future::pending::<()>().await;
        }
        let pieces = once(async { Ok::<_, Infallible>(Bytes::from_static(b"half")) }).chain(pending());
        Response::new(Body::from_stream(pieces))
    };
    let backend = Backend::start(Router::new().fallback(any(silent))).await;
    let server = server(&backend, |config| config.sources.get_mut("files").unwrap().timeout_ms = 200).await;
    let user = user(&server).await;
    let never = user.get("/v1/files/never").await;
    assert_eq!((never.status, &never.json()["code"]), (504, &json!("timeout")));
    let mut half = user.request(Method::GET, "/v1/files/half").send().await.unwrap();
    assert_eq!(half.chunk().await.unwrap().unwrap(), "half");
    assert!(half.chunk().await.is_err());
}

#[tokio::test]
async fn a_service_that_reads_nothing_is_given_up() {
    let listener = TcpListener::bind(ANY_PORT).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let deaf = TaskTracker::new();
    deaf.spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    let backend = Backend::start(Router::new()).await;
    let server = server(&backend, |config| {
        let source = config.sources.get_mut("files").unwrap();
        (source.http, source.timeout_ms, source.warm_up) = (Some(url), 500, false);
    })
    .await;
    let user = user(&server).await;
    let upload = user.request(Method::PUT, "/v1/files/a").header("content-type", "image/png").body(vec![0; 4_000_000]);
    let answer = Answer::of(upload).await;
    assert_eq!((answer.status, &answer.json()["code"]), (504, &json!("timeout")));
}

#[tokio::test]
async fn a_service_that_answers_garbage_gives_no_answer() {
    let listener = TcpListener::bind(ANY_PORT).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mad = TaskTracker::new();
    mad.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n\r\n").await;
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    let backend = Backend::start(Router::new()).await;
    let server = server(&backend, |config| {
        let source = config.sources.get_mut("files").unwrap();
        (source.http, source.warm_up) = (Some(url), false);
    })
    .await;
    let answer = user(&server).await.get("/v1/files/a").await;
    assert_eq!(answer.status, 503);
    assert!(!String::from_utf8_lossy(&answer.body).contains("mail"));
}

#[tokio::test]
async fn no_path_leads_elsewhere() {
    let asked = Asked::default();
    let backend = remembering(&asked, || Response::new(Body::empty())).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    for name in ["%2e%2e", ".", "%2E%2E"] {
        let answer = user.get(&format!("/v1/files/{name}")).await;
        assert!([400, 404].contains(&answer.status), "{name}: {}", answer.status);
    }
    assert!(asked.lock().unwrap().is_none());
    for (name, escaped) in
        [("..%2f..%2fadmin", "..%2F..%2Fadmin"), ("a%3Fb%23c", "a%3Fb%23c"), ("a%0d%0ab", "a%0D%0Ab")]
    {
        assert_eq!(user.get(&format!("/v1/files/{name}")).await.status, 200, "{name}");
        let (_, uri, _, _): (_, String, HeaderMap, _) = asked.lock().unwrap().take().unwrap();
        assert!(uri.ends_with(&format!("/{escaped}")), "{uri}");
    }
    assert_eq!(user.get("/v1/files/a?b=c").await.status, 400);
}
