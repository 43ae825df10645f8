//! The request stack around routes of a test's own, and a bare connection to it.

use std::net::SocketAddr;

use axum::Router;
use bff::http::{AddressLimit, Config, Limits, acceptor, layers, serve};
use bff::meter::Meter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ANY_PORT;

pub struct Stack {
    pub address: SocketAddr,
    pub url: String,
    pub shutdown: CancellationToken,
    pub running: TaskTracker,
}

impl Stack {
    pub async fn start(routes: Router, config: Config) -> Self {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, running) = (CancellationToken::new(), TaskTracker::new());
        let meter = Meter::none();
        let limit = AddressLimit::new(&config.rate_limit, false, &meter);
        let meter = Meter::none();
        let router = layers::public(routes, Router::new(), &config, limit, &meter);
        let tls = acceptor(&config).unwrap();
        running.spawn(serve(listener, tls, router, Limits::from(&config), shutdown.clone()));
        running.close();
        Self { address, url: format!("http://{address}"), shutdown, running }
    }
}

/// A client that keeps its connection and shows what comes over it.
pub struct Connection(pub TcpStream);

impl Connection {
    pub async fn open(address: SocketAddr) -> std::io::Result<Self> {
        TcpStream::connect(address).await.map(Self)
    }

    /// Sends the text and reads one answer, whose length must be stated.
    pub async fn ask(&mut self, request: &str) -> String {
        self.0.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !is_complete(&answer) {
            let read = self.0.read_buf(&mut answer).await.unwrap();
            assert!(read > 0, "the connection ended after {:?}", String::from_utf8_lossy(&answer));
        }
        String::from_utf8(answer).unwrap()
    }

    /// Whether the server has ended it by now.
    pub fn is_closed(&self) -> bool {
        self.0.try_read(&mut [0]).is_ok()
    }

    /// Sends the text and reads until the server closes the connection.
    pub async fn ask_to_the_end(mut self, request: &str) -> String {
        self.0.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn is_complete(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let length = String::from_utf8_lossy(&answer[..head])
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    answer.len() - head - 4 == length.expect("a length")
}
