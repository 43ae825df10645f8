//! WebSockets handed on: the handshake, checked as any request is, and then message by message, both ways.
//!
//! Messages and not bare bytes, because either side must be told in the protocol's own words why it ends.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, interval_at, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::events::ended;
use super::stream_limit::OpenStream;
use crate::http::Problem;
use crate::http::caller::{refuse_cross_site, require_same_site};
use crate::identity::{Caller, Deployment, SessionKind, Standing};
use crate::views::Socket;

/// What ends a WebSocket beside its two ends.
pub(super) struct Bounds {
    pub standing: Option<Standing>,
    pub closing: CancellationToken,
    /// For how long neither side may say anything.
    pub idle: Duration,
    /// Of what the client sends.
    pub max_message: usize,
    pub _place: OpenStream,
}

type Connection = WebSocketStream<TokioIo<Upgraded>>;
type Sender = SplitSink<Connection, Message>;
type Receiver = SplitStream<Connection>;

/// How often a client is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// Without an answer to two of them it is taken for gone.
const ABSENT: Duration = Duration::from_secs(50);
/// How long either side may take to read a message, or to say goodbye.
const PATIENCE: Duration = Duration::from_secs(10);
const GOODBYE: Duration = Duration::from_secs(1);

/// A client's half of the handshake.
pub(super) struct Handshake {
    on_upgrade: OnUpgrade,
    accept: HeaderValue,
}

impl Handshake {
    /// Refuses what is no handshake, and what a browser was made to send by another site.
    pub fn of(parts: &Parts, caller: Option<&Caller>, deployment: &Deployment) -> Result<Self, Problem> {
        match caller.map(|caller| caller.kind) {
            Some(SessionKind::Cookie) => require_same_site(&parts.headers, deployment)?,
            _ => refuse_cross_site(&parts.headers, deployment)?,
        }
        let headers = &parts.headers;
        let says = |name, token: &str| {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
        };
        let asks = parts.method == Method::GET && parts.version == Version::HTTP_11;
        if !asks || !says(CONNECTION, "upgrade") || !says(UPGRADE, "websocket") {
            return Err(no_handshake("Open a WebSocket here, over HTTP/1.1"));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| says(SEC_WEBSOCKET_VERSION, "13"));
        let key = key.ok_or_else(|| no_handshake("Send `Sec-WebSocket-Version: 13` and a `Sec-WebSocket-Key`"))?;
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(|_| Problem::internal())?;
        let upgrade = parts.extensions.get::<OnUpgrade>().cloned();
        let on_upgrade = upgrade.ok_or_else(|| no_handshake("Open a WebSocket here, over HTTP/1.1"))?;
        Ok(Self { on_upgrade, accept })
    }

    /// Agrees, with the subprotocol that the service has chosen.
    fn agreed(accept: HeaderValue, protocol: Option<HeaderValue>) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(protocol) = protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }

    /// The answer, and what goes on behind it until one side ends it.
    pub fn join(self, socket: Socket, bounds: Bounds) -> (Response, impl Future<Output = ()> + Send + 'static) {
        let Self { on_upgrade, accept } = self;
        let Socket { stream, protocol, held } = socket;
        let relay = async move {
            let _until_the_end = held;
            // It fails where the client was gone before it had its answer.
            let Ok(upgraded) = on_upgrade.await else { return };
            let theirs = bounds.max_message;
            let replies = theirs.max(MAX_REPLY_BYTES);
            let (to_client, to_service) = (Some(config(theirs, replies)), Some(config(replies, theirs)));
            let client = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, to_client).await;
            let service = WebSocketStream::from_raw_socket(stream, Role::Client, to_service).await;
            relay(client, service, bounds).await;
        };
        (Self::agreed(accept, protocol), relay)
    }
}

fn no_handshake(detail: &str) -> Problem {
    Problem::new(StatusCode::UPGRADE_REQUIRED).detail(detail)
}

/// Nothing waits here but one message in each direction.
fn config(max_read: usize, max_written: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(max_written.saturating_mul(2).max(READ_BUFFER_BYTES))
        .max_message_size(Some(max_read))
        .max_frame_size(Some(max_read))
}

const READ_BUFFER_BYTES: usize = 4 * 1024;
/// A service says more about a message than the message: what one client may send must not end the others' sockets.
const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// How a WebSocket ends.
enum End {
    /// One side has said goodbye, and perhaps why, for the other to hear.
    Client(Option<CloseFrame>),
    Service(Option<CloseFrame>),
    /// What both sides are told.
    Told(CloseCode, &'static str),
}

const GONE: End = End::Told(CloseCode::Away, "the client has gone");
const TOO_LARGE: End = End::Told(CloseCode::Size, "the message is too large");

/// When a message was last passed on, and when the client last showed that it is there.
struct Heard(Mutex<(Instant, Instant)>);

impl Heard {
    fn new() -> Self {
        Self(Mutex::new((Instant::now(), Instant::now())))
    }

    fn message(&self) {
        self.last().0 = Instant::now();
    }

    fn client(&self) {
        self.last().1 = Instant::now();
    }

    fn last(&self) -> MutexGuard<'_, (Instant, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn relay(client: Connection, service: Connection, bounds: Bounds) {
    let ((mut to_client, mut from_client), (mut to_service, mut from_service)) = (client.split(), service.split());
    let heard = Heard::new();
    let end = tokio::select! {
        biased;
        () = ended(bounds.standing.as_ref()) => End::Told(CloseCode::Policy, "the session has ended"),
        () = bounds.closing.cancelled() => End::Told(CloseCode::Away, "the server stops; connect again"),
        end = from_client_on(&mut from_client, &mut to_service, &heard) => end,
        end = from_service_on(&mut from_service, &mut to_client, &heard) => end,
        end = silence(&heard, bounds.idle) => end,
    };
    let (client_told, service_told) = match end {
        End::Client(frame) => (None, frame),
        End::Service(frame) => (frame, None),
        End::Told(code, reason) => {
            let frame = CloseFrame { code, reason: reason.into() };
            (Some(frame.clone()), Some(frame))
        }
    };
    let goodbye = async {
        tokio::join!(close(&mut to_client, client_told), close(&mut to_service, service_told));
        // The client's own goodbye, so that it is not cut off before it has read ours.
        while let Some(Ok(_)) = from_client.next().await {}
    };
    // Whoever does not answer is not waited for.
    let _ = timeout(GOODBYE, goodbye).await;
}

async fn from_client_on(from: &mut Receiver, to: &mut Sender, heard: &Heard) -> End {
    loop {
        let message = from.next().await;
        heard.client();
        match message {
            Some(Ok(Message::Close(frame))) => return End::Client(frame),
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if !sent(to, message, heard).await {
                    return End::Told(CloseCode::Error, "the service does not listen");
                }
            }
            // Of each connection alone.
            Some(Ok(_)) => {}
            Some(Err(Error::Capacity(_))) => return TOO_LARGE,
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) | None => return GONE,
            Some(Err(Error::Protocol(_) | Error::Utf8(_))) => {
                return End::Told(CloseCode::Protocol, "this is not how WebSockets are spoken");
            }
            Some(Err(_)) => return GONE,
        }
    }
}

/// Asks the client in between whether it is there.
async fn from_service_on(from: &mut Receiver, to: &mut Sender, heard: &Heard) -> End {
    let mut pings = interval_at(Instant::now() + PING, PING);
    loop {
        let message = tokio::select! {
            message = from.next() => message,
            _ = pings.tick() => {
                let _ = timeout(PATIENCE, to.send(Message::Ping(Bytes::new()))).await;
                continue;
            }
        };
        match message {
            Some(Ok(Message::Close(frame))) => return End::Service(frame),
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if !sent(to, message, heard).await {
                    return End::Told(CloseCode::Policy, "the client does not read");
                }
            }
            Some(Ok(_)) => {}
            Some(Err(Error::Capacity(_))) => return TOO_LARGE,
            Some(Err(_)) | None => return End::Told(CloseCode::Error, "the service has gone"),
        }
    }
}

/// Whether the receiver has taken the message in time; nothing else is read from the sender until then.
async fn sent(to: &mut Sender, message: Message, heard: &Heard) -> bool {
    let sent = timeout(PATIENCE, to.send(message)).await;
    heard.message();
    matches!(sent, Ok(Ok(())))
}

/// Resolves when nobody has said anything for too long, or the client is not there any more.
async fn silence(heard: &Heard, idle: Duration) -> End {
    loop {
        let (message, client) = *heard.last();
        let now = Instant::now();
        if message + idle <= now {
            return End::Told(CloseCode::Away, "nobody has said anything for long");
        }
        if client + ABSENT <= now {
            return GONE;
        }
        sleep_until((message + idle).min(client + ABSENT)).await;
    }
}

/// Says goodbye, or answers one.
async fn close(to: &mut Sender, frame: Option<CloseFrame>) {
    if frame.is_some() {
        // It fails where the other side has gone.
        let _ = to.send(Message::Close(frame)).await;
    }
    let _ = to.close().await;
}
