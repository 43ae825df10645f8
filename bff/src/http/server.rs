//! The accept loop: one listener, the current router, bounded connections, a graceful end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Endpoint;
use super::{Config, Current};

/// What one listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub connections: usize,
    /// For a new connection's first request head to arrive.
    pub head: Duration,
    /// Without a request on a connection that has had one.
    pub idle: Duration,
    /// For a client to read something of what is sent to it.
    pub write: Duration,
    pub drain: Duration,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            connections: config.max_connections,
            head: Duration::from_millis(config.read_timeout_ms),
            idle: Duration::from_millis(config.idle_timeout_ms),
            write: Duration::from_millis(config.write_timeout_ms),
            drain: Duration::from_millis(config.drain_ms),
        }
    }
}

/// How long to wait when the system has no more files for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// So many clients may knock at the same moment; the system's own bound may be lower (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// Opens the port. Whoever finds the queue before it full is silently dropped, and knocks again after a second.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    // Without it a server that was just stopped cannot start again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `closing`, then lets open requests finish within `limits.drain`.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: impl Into<Current>,
    limits: Limits,
    closing: CancellationToken,
) {
    let endpoint = Arc::new(Endpoint::new(router.into(), tls, limits, closing.clone()));
    let permits = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    let open = |stream, peer, permit: OwnedSemaphorePermit| {
        // A token of its own: every poll of a connection looks at it, and would wait for the others that do.
        let (endpoint, cut) = (Arc::clone(&endpoint), cut.child_token());
        connections.spawn(async move {
            cut.run_until_cancelled(endpoint.serve(stream, peer)).await;
            drop(permit);
        })
    };
    let serving = async {
        while let Some((stream, peer, permit)) = closing.run_until_cancelled(accept(&listener, &permits)).await {
            open(stream, peer, permit);
        }
        for (stream, peer) in backlog(listener) {
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { break };
            open(stream, peer, permit);
        }
        connections.close();
        if timeout(limits.drain, connections.wait()).await.is_err() {
            tracing::warn!(open = connections.len(), "stopped with requests still open");
            // What goes on behind them would hold up the stop for as long as they last.
            cut.cancel();
            connections.wait().await;
        }
    };
    tokio::select! {
        () = serving => {}
        () = endpoint.watch() => {}
    }
}

/// The next connection, once there is room for it.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = Arc::clone(permits).acquire_owned().await.expect("nobody closes the semaphore");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Those whom the system let in before the port closes: without an answer they would see a reset.
fn backlog(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        let (stream, peer) = listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    })
}
