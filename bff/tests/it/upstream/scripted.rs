//! A service whose every byte a test decides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{ANY_PORT, grpc_frame};

/// Dropping it cuts its connections and closes its port.
pub struct Scripted {
    pub address: SocketAddr,
    /// Connections that were ever made.
    pub connections: Arc<AtomicUsize>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Scripted {
    /// Every connection is handled by what `script` makes of it and of its number, which begins at 0.
    pub async fn start<F>(script: impl Fn(TcpStream, usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_at(ANY_PORT, script).await
    }

    pub async fn start_at<F>(
        address: SocketAddr,
        script: impl Fn(TcpStream, usize) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, spawned, stopped) = (Arc::clone(&connections), tasks.clone(), stop.clone());
        let accept = async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let handled = script(stream, counted.fetch_add(1, Ordering::SeqCst));
                let stopped = stopped.clone();
                spawned.spawn(async move { stopped.run_until_cancelled(handled).await });
            }
        };
        let stopped = stop.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(accept).await });
        Self { address, connections, tasks, stop }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Cuts every connection and closes the port; returns once that is done.
    pub async fn kill(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The head and the body of the next HTTP/1.1 request; None where the connection ends.
pub async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(read).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

/// Answers every request of a connection with the same bytes.
pub async fn answer_all(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) {
    while request(&mut stream).await.is_some() {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

pub fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub type H2Request = (Request<h2::RecvStream>, SendResponse<Bytes>);

/// Reads the request to its end and answers with the message.
pub async fn answer_h2((request, mut respond): H2Request, message: &[u8]) {
    let mut body = request.into_body();
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
    }
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    // The client may be gone.
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    let _ = stream.send_data(grpc_frame(message), false);
    let _ = stream.send_trailers(status("0"));
}

pub fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))])
}
