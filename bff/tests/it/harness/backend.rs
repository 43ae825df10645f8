//! A service behind the server: a real socket that can be killed and started again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::serve::ListenerExt;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::ANY_PORT;

/// Runs on a runtime of its own, so that killing it also cuts its connections, as a crash does.
pub struct Backend {
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl Backend {
    pub async fn start(routes: Router) -> Self {
        Self::start_at(ANY_PORT, routes).await
    }

    pub async fn start_at(address: SocketAddr, routes: Router) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tell, told) = tokio::sync::oneshot::channel();
        let accepted = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&accepted);
        runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let counted = listener.tap_io(move |_| _ = count.fetch_add(1, Ordering::Relaxed));
            axum::serve(counted, routes).await.unwrap();
        });
        Self { address: told.await.unwrap(), accepted, runtime: Some(runtime) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made to it.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Cuts every connection and closes the port; returns once that is done.
    pub async fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        tokio::task::spawn_blocking(|| runtime.shutdown_timeout(Duration::from_secs(10))).await.unwrap();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a service has sent once it stays the same for a while.
pub async fn settled(sent: &AtomicUsize) -> usize {
    let mut before = 0;
    loop {
        sleep(Duration::from_millis(300)).await;
        match sent.load(Ordering::Relaxed) {
            now if now == before && now > 0 => return now,
            now => before = now,
        }
    }
}

/// A message as gRPC frames it.
pub fn grpc_frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

/// A successful gRPC answer with one message.
pub fn grpc_reply(message: &[u8]) -> Response {
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::new(grpc_frame(message)).with_trailers(async { Some(Ok(trailers)) });
    Response::builder().header("content-type", "application/grpc").body(Body::new(body)).unwrap()
}
