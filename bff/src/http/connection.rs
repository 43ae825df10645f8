//! One connection: its handshake, its requests, and the ways it ends.

mod activity;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Current, Limits};
use activity::{Activity, Open};

/// What all connections of a listener have in common.
pub struct Endpoint {
    router: Current,
    tls: Option<TlsAcceptor>,
    builder: Builder<TokioExecutor>,
    limits: Limits,
    closing: CancellationToken,
}

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
        Self { router, tls, builder: builder(limits), limits, closing }
    }

    /// Answers a connection's requests until one of both sides ends it.
    pub async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // A small answer must not wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let Some(tls) = &self.tls else { return self.answer(stream, peer).await };
        let handshake = tokio::select! {
            handshake = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)) => handshake,
            () = self.lingered() => return,
        };
        match handshake {
            Ok(Ok(stream)) => self.answer(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
            Err(_) => tracing::debug!("the TLS handshake took too long"),
        }
    }

    async fn answer(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr) {
        let activity = Arc::new(Activity::default());
        let (endpoint, requests) = (Arc::clone(&self), Arc::clone(&activity));
        let service = service_fn(move |request| Arc::clone(&endpoint).respond(request, peer, requests.begin()));
        let mut serving = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            result = serving.as_mut() => Some(result),
            () = activity.no_request(self.limits.head) => return,
            () = activity.idle(self.limits.idle) => None,
            () = self.lingered() => None,
        };
        let result = match ended {
            Some(result) => result,
            None => {
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
    ) -> Result<Response<impl HttpBody<Data = Bytes, Error = axum::Error>>, Infallible> {
        let version = request.version();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut response = self.router.router().oneshot(request).await?;
        // HTTP/2 has a frame of its own for this, and hyper sends it.
        if self.closing.is_cancelled() && version < Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| {
            body.map_frame(move |frame| {
                let _until_the_last_byte = &open;
                frame
            })
        }))
    }

    /// A while after the server began to stop: whoever sent a request meanwhile was told not to send another.
    async fn lingered(&self) {
        self.closing.cancelled().await;
        sleep(LINGER.min(self.limits.drain / 2)).await;
    }
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // It covers the pause before a head as well; `Activity` is stricter with the first one.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}
