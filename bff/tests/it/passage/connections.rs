//! The connections on which requests are handed on: used again where both bodies ended well, and never otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use futures_util::stream::iter;
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::hostile::endless;
use super::{server, user};
use crate::harness::{ANY_PORT, Answer, Backend, Caller, Server, TokenUser};

/// A server that connects only when somebody asks.
async fn cold(backend: &Backend) -> Server {
    server(backend, |config| config.sources.get_mut("files").unwrap().warm_up = false).await
}

async fn put(user: &TokenUser<'_>) -> u16 {
    let upload = user.request(Method::PUT, "/v1/files/kept").header("content-type", "image/png");
    Answer::of(upload.body(vec![7; 300_000])).await.status
}

/// Every way in which an answer can end well.
async fn files(request: Request) -> Response {
    let name = request.uri().path().rsplit('/').next().unwrap().to_owned();
    if request.method() == Method::PUT {
        return match axum::body::to_bytes(request.into_body(), usize::MAX).await {
            Ok(_) => StatusCode::NO_CONTENT.into_response(),
            Err(_) => StatusCode::BAD_REQUEST.into_response(),
        };
    }
    match name.as_str() {
        "chunked" => Body::from_stream(iter([Ok::<_, std::io::Error>("a piece, "), Ok("another")])).into_response(),
        "missing" => (StatusCode::NOT_FOUND, "there is no such file").into_response(),
        "known" => StatusCode::NOT_MODIFIED.into_response(),
        "beyond" => (StatusCode::RANGE_NOT_SATISFIABLE, "it is shorter").into_response(),
        "empty" => ().into_response(),
        _ => Bytes::from(vec![1; 200_000]).into_response(),
    }
}

#[tokio::test]
async fn downloads_and_uploads_one_after_another_use_one_connection() {
    let backend = Backend::start(Router::new().fallback(any(files))).await;
    let server = cold(&backend).await;
    let user = user(&server).await;
    for _ in 0..3 {
        for (name, status) in
            [("large", 200), ("chunked", 200), ("missing", 404), ("known", 304), ("beyond", 416), ("empty", 200)]
        {
            assert_eq!(user.get(&format!("/v1/files/{name}")).await.status, status, "{name}");
            assert_eq!(backend.accepted(), 1, "{name}");
        }
        let head = Answer::of(user.request(Method::HEAD, "/v1/files/large")).await;
        assert_eq!((head.status, head.header("content-length")), (200, "200000"));
        assert_eq!((put(&user).await, backend.accepted()), (204, 1));
    }
}

#[tokio::test]
async fn two_at_once_use_two_connections_and_both_are_kept() {
    let backend = Backend::start(Router::new().fallback(any(files))).await;
    let server = cold(&backend).await;
    let user = user(&server).await;
    for _ in 0..10 {
        let both = tokio::join!(user.get("/v1/files/large"), user.get("/v1/files/chunked"));
        assert_eq!((both.0.body.len(), &both.1.body[..]), (200_000, &b"a piece, another"[..]));
    }
    assert!(backend.accepted() <= 2, "{}", backend.accepted());
}

#[tokio::test]
async fn the_connection_of_a_download_that_breaks_off_is_not_used_again() {
    let sent = Arc::default();
    let backend = endless(&sent).await;
    let server = cold(&backend).await;
    let user = user(&server).await;
    for connections in 1..=3 {
        let mut answer = user.request(Method::GET, "/v1/files/a").send().await.unwrap();
        assert!(!answer.chunk().await.unwrap().unwrap().is_empty());
        assert_eq!(backend.accepted(), connections);
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_leaves_no_connection_behind() {
    let hasty = |request: Request| async move {
        drop(request.into_body());
        StatusCode::PAYLOAD_TOO_LARGE.into_response()
    };
    let backend = Backend::start(Router::new().fallback(any(hasty))).await;
    let server = cold(&backend).await;
    let user = user(&server).await;
    for _ in 0..5 {
        let upload = user.request(Method::PUT, "/v1/files/a").header("content-type", "image/png");
        let status = Answer::of(upload.body(vec![0; 3_000_000])).await.status;
        assert!([413, 503].contains(&status), "{status}");
    }
    // Nothing of one request was taken for the next.
    assert_eq!(user.get("/v1/files/a").await.status, 413);
}

/// A service that answers so many requests on every connection, reads one more if it is `hasty`, and closes it without
/// a word. It tells of every request, and of every connection that it has closed.
struct Closing {
    url: String,
    requests: Arc<AtomicUsize>,
    closed: mpsc::UnboundedReceiver<()>,
    _tasks: TaskTracker,
}

impl Closing {
    async fn start(answers: usize, hasty: bool) -> Self {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (requests, tasks) = (Arc::<AtomicUsize>::default(), TaskTracker::new());
        let (tell, closed) = mpsc::unbounded_channel();
        let (count, connections) = (Arc::clone(&requests), tasks.clone());
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (count, tell) = (Arc::clone(&count), tell.clone());
                connections.spawn(async move {
                    for number in 0..answers + usize::from(hasty) {
                        if !heard(&mut stream).await {
                            break;
                        }
                        count.fetch_add(1, Ordering::Relaxed);
                        if number < answers {
                            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere";
                            stream.write_all(answer).await.unwrap();
                        }
                    }
                    drop(stream);
                    let _ = tell.send(());
                });
            }
        });
        Self { url, requests, closed, _tasks: tasks }
    }

    async fn server(&self) -> Server {
        let nothing = Backend::start(Router::new()).await;
        server(&nothing, |config| {
            let source = config.sources.get_mut("files").unwrap();
            (source.http, source.warm_up) = (Some(self.url.clone()), false);
        })
        .await
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Reads a request with its body; false where none comes.
async fn heard(stream: &mut TcpStream) -> bool {
    let mut text = Vec::new();
    loop {
        let mut piece = [0; 64 * 1024];
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => text.extend_from_slice(&piece[..read]),
            _ => return false,
        }
        let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if text.len() >= end + 4 + length.unwrap_or(0) {
            return true;
        }
    }
}

#[tokio::test]
async fn a_service_that_closes_what_waits_costs_no_client_an_error() {
    let mut service = Closing::start(1, false).await;
    let server = service.server().await;
    let user = user(&server).await;
    for _ in 0..20 {
        let download = user.get("/v1/files/a").await;
        assert_eq!((download.status, &download.body[..]), (200, &b"here"[..]));
    }
    for _ in 1..20 {
        service.closed.recv().await.unwrap();
    }
    for requests in 20..40 {
        // Where a body is sent, it is looked first.
        service.closed.recv().await.unwrap();
        assert_eq!(service.requests(), requests);
        assert_eq!(put(&user).await, 200);
    }
}

#[tokio::test]
async fn a_request_is_sent_twice_only_where_that_does_no_harm() {
    let service = Closing::start(1, true).await;
    let server = service.server().await;
    let user = user(&server).await;
    assert_eq!(user.get("/v1/files/a").await.status, 200);
    // It closes the connection that has waited, and answers on a new one.
    assert_eq!((user.get("/v1/files/a").await.status, service.requests()), (200, 3));
    // It has the upload, and may have acted on it.
    assert_eq!((put(&user).await, service.requests()), (503, 4));
    let silent = Closing::start(0, true).await;
    let server = silent.server().await;
    let user = super::user(&server).await;
    assert_eq!((user.get("/v1/files/a").await.status, silent.requests()), (503, 1));
}
