//! WebSockets of a service: the handshake, and then the bare connection (RFC 6455, over HTTP/1.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::balance::Remote;
use super::error::Error;
use super::passage::driven;
use super::tries::report;
use super::{Headers, Source, no_address, rest};
use crate::causes::chain;

/// A connection on which frames go both ways; it ends when it is dropped.
pub struct Socket {
    pub stream: TokioIo<Upgraded>,
    /// The subprotocol that the service has chosen.
    pub protocol: Option<HeaderValue>,
    pub held: Held,
}

/// What the connection occupies.
pub struct Held {
    _driver: AbortOnDropHandle<()>,
    _place: OwnedSemaphorePermit,
}

impl Source {
    /// Opens a WebSocket within the source's timeout.
    pub async fn open_socket(&self, path: String, headers: Headers) -> Result<Socket, Error> {
        let remote = self.http.as_ref().ok_or_else(|| no_address("http"))?;
        let Ok(place) = std::sync::Arc::clone(&self.passages).try_acquire_owned() else {
            self.meters.refused_by_bulkhead.increment(1);
            return Err(Error::refused("too many requests are being handed on to the service"));
        };
        let now = Instant::now();
        let turn = self.turn(now)?;
        let opening = self.shaken(remote, path, headers, place);
        let opened = timeout_at(now + self.timeout(), opening).await.unwrap_or_else(|_| Err(Error::deadline()));
        report(turn, &opened, Instant::now());
        opened
    }

    async fn shaken(
        &self,
        remote: &Remote,
        path: String,
        headers: Headers,
        place: OwnedSemaphorePermit,
    ) -> Result<Socket, Error> {
        let endpoint = remote.pick(&[], Instant::now()).await?;
        let stream = endpoint.dial_http1().await?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| Error::unreached(&chain(&error)))?;
        let driver = driven(endpoint.tasks(), connection.with_upgrades());
        let key = STANDARD.encode(Uuid::new_v4().as_bytes());
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = Uri::from(remote.path(path)?);
        let mut all = self.with_credentials(headers);
        let offered = all.get(SEC_WEBSOCKET_PROTOCOL).cloned();
        let own = [
            (HOST, endpoint.receiver().host.clone()),
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (SEC_WEBSOCKET_KEY, HeaderValue::try_from(&key).map_err(|error| Error::request(&error.to_string()))?),
        ];
        all.extend(own);
        *request.headers_mut() = all;
        let answer = sender.send_request(request).await.map_err(|error| Error::interrupted(&chain(&error)))?;
        let protocol = accepted(&answer, &key)?.filter(|chosen| is_one_of(offered.as_ref(), chosen));
        let upgraded = hyper::upgrade::on(answer).await.map_err(|error| Error::interrupted(&chain(&error)))?;
        let held = Held { _driver: driver, _place: place };
        Ok(Socket { stream: TokioIo::new(upgraded), protocol, held })
    }
}

/// A client does not expect what it has not asked for.
fn is_one_of(offered: Option<&HeaderValue>, chosen: &HeaderValue) -> bool {
    let offered = offered.and_then(|offered| offered.to_str().ok()).unwrap_or_default();
    offered.split(',').any(|one| chosen == one.trim())
}

/// The subprotocol, if the service has agreed to what it was asked.
fn accepted(answer: &Response<Incoming>, key: &str) -> Result<Option<HeaderValue>, Error> {
    let headers = answer.headers();
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(rest::refusal(answer.status(), headers, b""));
    }
    if headers.get(SEC_WEBSOCKET_ACCEPT).is_none_or(|given| *given != derive_accept_key(key.as_bytes())) {
        return Err(Error::malformed("the service's answer to the handshake is not to this one"));
    }
    Ok(headers.get(SEC_WEBSOCKET_PROTOCOL).cloned())
}
