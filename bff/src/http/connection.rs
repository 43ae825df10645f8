//! One connection: its handshake, its requests, and the ways it ends.

mod activity;
mod answer;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{Current, Limits};
use activity::{End, Open, Watch};
use answer::{Answer, Hold};

/// What all connections of a listener have in common.
pub struct Endpoint {
    router: Current,
    tls: Option<TlsAcceptor>,
    builder: Builder<TokioExecutor>,
    limits: Limits,
    watch: Watch,
    closing: CancellationToken,
}

/// Says of an answer that its connection is in use for as long as it goes on.
#[derive(Clone)]
pub struct Lasts;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A request that is on its way when the server begins to stop has as long to arrive.
const LINGER: Duration = Duration::from_millis(250);
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADER_LIST_BYTES: u32 = 32 * 1024;
const MAX_STREAMS: u32 = 200;
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

impl Endpoint {
    pub fn new(router: Current, tls: Option<TlsAcceptor>, limits: Limits, closing: CancellationToken) -> Self {
        Self { router, tls, builder: builder(), limits, watch: Watch::new(limits.head, limits.idle), closing }
    }

    /// Ends the connections that have to; never ends itself.
    pub async fn watch(&self) {
        self.watch.run(self.lingered()).await;
    }

    /// Answers a connection's requests until one of both sides ends it.
    pub async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // A small answer must not wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        // A client that reads nothing holds up nobody's memory for long. The system does not know this everywhere.
        #[cfg(target_os = "linux")]
        if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(self.limits.write)) {
            tracing::debug!(%error, "cannot set TCP_USER_TIMEOUT");
        }
        let Some(tls) = &self.tls else { return self.answer(stream, peer).await };
        let handshake = tokio::select! {
            handshake = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)) => handshake,
            () = self.lingered() => return,
        };
        match handshake {
            // Boxed, so that a connection without TLS is not as large as one with it.
            Ok(Ok(stream)) => Box::pin(self.answer(stream, peer)).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
            Err(_) => tracing::debug!("the TLS handshake took too long"),
        }
    }

    async fn answer(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr) {
        let activity = self.watch.begin();
        let (endpoint, requests) = (Arc::clone(&self), Arc::clone(&activity));
        let service = service_fn(move |request| Arc::clone(&endpoint).respond(request, peer, requests.begin()));
        let mut serving = pin!(self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let ended = poll_fn(|context| match activity.poll_end(context) {
            Poll::Ready(end) => Poll::Ready(Err(end)),
            Poll::Pending => serving.as_mut().poll(context).map(Ok),
        });
        let result = match ended.await {
            Ok(result) => result,
            Err(End::Now) => return,
            Err(End::Gracefully) => {
                serving.as_mut().graceful_shutdown();
                // A client that reads nothing of its answer is not waited for without end.
                let Ok(result) = timeout(self.limits.idle, serving).await else { return };
                result
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "connection ended early");
        }
    }

    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
        open: Open,
    ) -> Result<Response<Answer>, Infallible> {
        let version = request.version();
        // What has no body needs no box for one.
        let mut request = request.map(|body| if body.is_end_stream() { Body::empty() } else { Body::new(body) });
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut response = self.router.router().call(request).await?;
        // HTTP/2 has a frame of its own for this, and hyper sends it.
        if self.closing.is_cancelled() && version < Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let lasts = version < Version::HTTP_2 || response.extensions().get::<Lasts>().is_some();
        let hold =
            if lasts { Hold::Open { _until_the_last_byte: open } } else { Hold::Pieces(Arc::clone(open.activity())) };
        Ok(response.map(|body| Answer::new(body, hold)))
    }

    /// A while after the server began to stop: whoever sent a request meanwhile was told not to send another.
    async fn lingered(&self) {
        self.closing.cancelled().await;
        sleep(LINGER.min(self.limits.drain / 2)).await;
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // `Watch` ends a connection whose next head does not come, without a timer for each.
    builder.http1().header_read_timeout(None).max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}
