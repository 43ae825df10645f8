//! A wire between the server and a store that a test can cut.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Forwards connections while it is whole; dropping it cuts it.
pub struct Wire {
    pub address: SocketAddr,
    cut: DropGuard,
    running: TaskTracker,
}

impl Wire {
    pub async fn to(target: String) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), target).await
    }

    pub async fn at(address: SocketAddr, target: String) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, running) = (CancellationToken::new(), TaskTracker::new());
        let connections = running.clone();
        let whole = cut.clone();
        running.spawn(cut.clone().run_until_cancelled_owned(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let target = target.clone();
                connections.spawn(whole.clone().run_until_cancelled_owned(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                }));
            }
        }));
        running.close();
        Self { address, cut: cut.drop_guard(), running }
    }

    /// Closes the port and every connection; returns once that is done.
    pub async fn cut(self) {
        drop(self.cut);
        self.running.wait().await;
    }
}
