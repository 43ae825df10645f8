//! A listening socket and everything it started, ended together: closed port, closed connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const MAX_CONNECTIONS: usize = 1024;
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// `variable` is what the message tells people to set if the port is taken.
pub async fn bind(part: &str, address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|reason| {
        anyhow!(
            "{part} cannot listen on {address}: {reason}; stop what runs there, or set {variable} to another address"
        )
    })
}

#[derive(Default)]
pub struct Server {
    pub tasks: TaskTracker,
    pub shutdown: CancellationToken,
}

impl Server {
    /// Serves HTTP/1 and HTTP/2.
    pub fn listen(&self, listener: TcpListener, routes: Router) {
        let accepting = accept(listener, routes, self.tasks.clone(), self.shutdown.clone());
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            shutdown.run_until_cancelled(accepting).await;
        });
    }

    /// Drops the socket and its connections, and waits for what else runs here.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.tasks.wait()).await;
        if ended.is_err() {
            tracing::warn!("a server did not end within {STOP_TIMEOUT:?}");
        }
    }
}

async fn accept(listener: TcpListener, routes: Router, tasks: TaskTracker, shutdown: CancellationToken) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(permit) = room.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // Mostly out of file descriptors: some will be closed soon.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let connection = serve_connection(stream, routes.clone());
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            shutdown.run_until_cancelled(connection).await;
            drop(permit);
        });
    }
}

async fn serve_connection(stream: TcpStream, routes: Router) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // With a timer, a client that never finishes its headers is cut off.
    builder.http1().timer(TokioTimer::new());
    let routes = TowerToHyperService::new(routes);
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), routes).await {
        tracing::debug!(%error, "connection ended");
    }
}
